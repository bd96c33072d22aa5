// Pulling an image with its progress shown.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/api.h"

namespace hako::cli {

struct PullRequest {
    std::string image;     // as the user wrote it: name[:tag|@digest]
    std::string platform;  // empty: the host's
    bool all_platforms = false;
    bool quiet = false;
    int progress = 1;  // where the progress is shown
};
Result<void> pull_image(const Api& api, const PullRequest& request);

// "name[:tag]" or "name@digest" in its two parts; the tag is "latest" when there is none.
struct ImageName {
    std::string name;
    std::string tag;  // or the digest
};
ImageName split_image_name(std::string_view text);

}  // namespace hako::cli
