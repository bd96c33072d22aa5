#include "cli/pull.h"

#include <cstdlib>

#include "cli/credentials/docker_config.h"
#include "cli/output/progress.h"

namespace hako::cli {

ImageName split_image_name(std::string_view text) {
    if (const auto at = text.find('@'); at != std::string_view::npos)
        return {std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
    const auto colon = text.rfind(':');
    // A colon before a slash belongs to the registry's port.
    if (colon == std::string_view::npos || text.find('/', colon) != std::string_view::npos)
        return {std::string(text), "latest"};
    return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

http::Fields registry_headers(const Stdio& io, const std::string& server) {
    const auto find = [&]() -> Result<Credentials> {
        HAKO_TRY(const auto config, DockerConfig::load());
        return config.find(server);
    };
    const auto found = find();
    if (!found)
        io.complain(fmt::format("WARNING! {}; going on without credentials for {}",
                                found.error().message(), server));
    if (!found || found->empty()) return {};
    return {{"X-Registry-Auth", found->to_header()}};
}

std::string default_platform() {
    const char* value = std::getenv("DOCKER_DEFAULT_PLATFORM");
    return value != nullptr ? value : "";
}

Result<void> pull_image(Session& session, const PullRequest& request) {
    const auto image = split_image_name(request.image);
    http::Query query{{"fromImage", image.name}, {"tag", image.tag}};
    if (!request.platform.empty()) query.add("platform", request.platform);
    if (request.all_platforms) query.add("allPlatforms", "1");
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto answer,
             api->stream("POST", "/images/create", query, nullptr,
                         registry_headers(session.io, server_of_image(request.image))));
    return show_progress(
        *answer, request.quiet ? ProgressView::quiet() : ProgressView::on(request.progress));
}

}  // namespace hako::cli
