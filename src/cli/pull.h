// Pulling an image with its progress shown.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/session.h"

namespace hako::cli {

struct PullRequest {
    std::string image;     // as the user wrote it: name[:tag|@digest]
    std::string platform;  // empty: the host's
    bool all_platforms = false;
    bool quiet = false;
    int progress = 1;  // where the progress is shown
};
// DOCKER_DEFAULT_PLATFORM, for pull, create and run without --platform; empty: the host's.
std::string default_platform();
// With the user's credentials for the image's registry.
Result<void> pull_image(Session& session, const PullRequest& request);

// What a request that makes the daemon ask a registry carries; none where the user has no
// credentials for it. A credential helper that fails is complained about.
http::Fields registry_headers(const Stdio& io, const std::string& server);

// "name[:tag]" or "name@digest" in its two parts; the tag is "latest" when there is none.
struct ImageName {
    std::string name;
    std::string tag;  // or the digest
};
ImageName split_image_name(std::string_view text);

}  // namespace hako::cli
