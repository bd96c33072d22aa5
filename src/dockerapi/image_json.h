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
// The "Manifests" of a summary: one, which tells the platform.
Json image_manifests(const images::Image& image);
// GET /images/{name}/history: the last step first.
Json image_history(const images::Image& image);
// [{"Untagged": name}, {"Deleted": id}].
Json removed_images(const images::Removed& removed);
// POST /hako/v1/system/check.
Json check_report(const images::CheckReport& report);
// {"status", "id", "progress", "progressDetail"}, a line of a progress stream with its newline.
std::string progress_line(const images::Progress& progress);
// {"errorDetail", "error"}: how a stream that has begun ends badly.
std::string error_line(const Error& error);

}  // namespace hako::dockerapi
