// Images as the API shows them.
#pragma once

#include "base/json.h"
#include "dockerapi/version.h"
#include "images/image.h"

namespace hako::dockerapi {

// GET /images/{name}/json.
Json image_details(const images::Image& image, ApiVersion version);
// An entry of GET /images/json.
Json image_summary(const images::Image& image, ApiVersion version);
// {"status", "id", "progress", "progressDetail"}, a line of a progress stream with its newline.
std::string progress_line(const images::Progress& progress);
// {"errorDetail", "error"}: how a stream that has begun ends badly.
std::string error_line(const Error& error);

}  // namespace hako::dockerapi
