// Files of containers: archive, export, changes and commit.
#include <sys/stat.h>

#include "base/base64.h"
#include "dockerapi/container_json.h"
#include "dockerapi/image_reference.h"
#include "dockerapi/lazy_body.h"
#include "dockerapi/parameters.h"
#include "dockerapi/routes.h"
#include "oci/config_change.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

// Go's os.FileMode, which clients expect: permissions as in st_mode, the rest on bits of its own.
std::uint32_t go_file_mode(unsigned mode) {
    struct Bit {
        unsigned mask;
        unsigned value;
        std::uint32_t go;
    };
    constexpr std::array kBits{
        Bit{S_IFMT, S_IFDIR, 1U << 31U},  Bit{S_IFMT, S_IFLNK, 1U << 27U},
        Bit{S_IFMT, S_IFBLK, 1U << 26U},  Bit{S_IFMT, S_IFCHR, (1U << 26U) | (1U << 21U)},
        Bit{S_IFMT, S_IFIFO, 1U << 25U},  Bit{S_IFMT, S_IFSOCK, 1U << 24U},
        Bit{S_ISUID, S_ISUID, 1U << 23U}, Bit{S_ISGID, S_ISGID, 1U << 22U},
        Bit{S_ISVTX, S_ISVTX, 1U << 20U},
    };
    std::uint32_t result = mode & 0777U;
    for (const auto& bit : kBits)
        if ((mode & bit.mask) == bit.value) result |= bit.go;
    return result;
}

Result<std::string> path_of(const Request& request) {
    auto path = request.query.value_or("path", "");
    if (path.empty()) return fail(ErrorKind::invalid, "path is missing: name a file or a folder");
    return path;
}

// What the path is, in the header that clients read it from.
Result<void> describe_path(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto path, path_of(request));
    HAKO_TRY(const auto stat, services.files.stat_path(request.parameter("id"), path));
    const Json json{{"name", stat.name},
                    {"size", stat.size},
                    {"mode", go_file_mode(stat.mode)},
                    {"mtime", format_time(stat.modified_at)},
                    {"linkTarget", stat.link_target}};
    response.headers().add("X-Docker-Container-Path-Stat", encode_base64(dump_json(json)));
    return {};
}

Result<void> stat_archive(const Services& services, Request& request, Response& response) {
    HAKO_CHECK(describe_path(services, request, response));
    return response.send_empty(200);
}

Result<void> get_archive(const Services& services, Request& request, Response& response) {
    HAKO_CHECK(describe_path(services, request, response));
    LazyBody body(response);
    HAKO_TRY(auto path, path_of(request));
    if (path == "/") path = "/.";  // "/" is an export
    return services.files.copy_out(request.parameter("id"), path, body, request.gone);
}

Result<void> put_archive(const Services& services, Request& request, Response& response) {
    engine::CopyTarget target;
    HAKO_TRY(target.path, path_of(request));
    target.no_overwrite_dir_non_dir = flag(request.query, "noOverwriteDirNonDir");
    target.owned_by_user = flag(request.query, "copyUIDGID");
    HAKO_CHECK(
        services.files.copy_in(request.parameter("id"), target, *request.body, request.gone));
    return response.send_empty(200);
}

Result<void> export_root(const Services& services, Request& request, Response& response) {
    LazyBody body(response);
    return services.files.copy_out(request.parameter("id"), "/", body, request.gone);
}

Result<void> changes(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto changes, services.files.changes(request.parameter("id")));
    if (changes.empty()) return response.send_json(200, nullptr);
    Json list = Json::array();
    for (const auto& change : changes)
        list.push_back({{"Path", change.path}, {"Kind", static_cast<int>(change.kind)}});
    return response.send_json(200, list);
}

// The body may hold a Config that replaces parts of the container's.
Result<Json> committed_config(const Request& request, const engine::Container& container) {
    Json config = image_config(container);
    HAKO_TRY(const auto text, request.read_body());
    if (!text.empty()) {
        HAKO_TRY(const auto body, parse_json(text));
        if (!body.is_object() && !body.is_null())
            return fail(ErrorKind::invalid, "the body is no JSON object: send a Config or nothing");
        for (const auto& [name, value] : body.items())
            if (is_image_config(name) && !value.empty()) config[name] = value;
    }
    for (const auto& list : request.query.all("changes")) {
        // docker sends one parameter for each, older clients one with lines.
        std::string_view rest = list;
        while (!rest.empty()) {
            const auto line = rest.substr(0, rest.find('\n'));
            if (!line.empty()) HAKO_CHECK(oci::apply_change(config, line));
            rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        }
    }
    return config;
}

Result<void> commit(const Services& services, Request& request, Response& response) {
    const http::Query& query = request.query;
    const auto id = query.value_or("container", "");
    if (id.empty()) return fail(ErrorKind::invalid, "container is missing: name one to commit");
    HAKO_TRY(const auto container, services.containers.inspect(id));
    engine::CommitOptions options{.author = query.value_or("author", ""),
                                  .comment = query.value_or("comment", ""),
                                  .pause = flag(query, "pause", true)};
    if (const auto repository = query.value_or("repo", ""); !repository.empty()) {
        HAKO_TRY(options.name, reference_of(repository, query.value_or("tag", "")));
        if (options.name->digest)
            return fail(ErrorKind::invalid, "a new image cannot be named by a digest: use a tag");
    }
    HAKO_TRY(options.config, committed_config(request, container));
    HAKO_TRY(const auto image, services.files.commit(container.id, options, request.gone));
    return response.send_json(201, {{"Id", image}});
}

}  // namespace

void add_file_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("HEAD", "/containers/{id}/archive", stat_archive);
    routes.add("GET", "/containers/{id}/archive", get_archive);
    routes.add("PUT", "/containers/{id}/archive", put_archive);
    routes.add("GET", "/containers/{id}/export", export_root);
    routes.add("GET", "/containers/{id}/changes", changes);
    routes.add("POST", "/commit", commit);
}

}  // namespace hako::dockerapi
