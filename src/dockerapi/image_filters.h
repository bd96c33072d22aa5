// Filters of image lists, as `docker images --filter` and `docker image prune --filter` write them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "dockerapi/parameters.h"
#include "dockerapi/services.h"
#include "images/image.h"

namespace hako::dockerapi {

class ImageFilter {
public:
    // Of a list: before dangling label reference since until.
    static Result<ImageFilter> of_list(const http::Query& query, const ImageService& images);
    // Of a prune: dangling label label! until. Only dangling images, unless told otherwise.
    static Result<ImageFilter> of_prune(const http::Query& query);

    // Whether the image stays. With reference patterns only its names that match stay.
    bool keep(images::Image& image) const;

private:
    static Result<ImageFilter> common(const Filters& filters);

    std::optional<bool> dangling_;
    std::vector<std::string> labels_, unwanted_labels_;  // "key" or "key=value"
    std::vector<std::string> references_;                // patterns
    std::optional<WallTime> created_before_, created_after_;
};

// The unset time where the image does not say.
WallTime created(const images::Image& image);

}  // namespace hako::dockerapi
