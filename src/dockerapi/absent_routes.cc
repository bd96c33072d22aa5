// What the API knows and this version does not offer. Without these routes clients would see "page
// not found" and guess.
#include <array>

#include "dockerapi/routes.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

struct Absent {
    std::string_view method;
    std::string_view pattern;
    std::string_view what;
};
constexpr std::array kAbsent{
    Absent{"POST", "/build", "building images"},
    Absent{"POST", "/session", "building images with BuildKit"},
    Absent{"POST", "/grpc", "building images with BuildKit"},
    Absent{"GET", "/images/search", "searching a registry"},
};

// An engine outside a swarm says this; clients know the sentence.
constexpr std::string_view kNoSwarm =
    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "
    "connect this node to swarm and try again.";

http::Handler refuse(ErrorKind kind, std::string sentence) {
    return [kind, sentence = std::move(sentence)](Request&, Response&) -> Result<void> {
        return fail(kind, "{}", sentence);
    };
}

http::Handler answer(Json json) {
    return [json = std::move(json)](Request&, Response& response) {
        return response.send_json(200, json);
    };
}

http::Handler not_found(std::string_view what, std::string parameter) {
    return [what, parameter = std::move(parameter)](Request& request, Response&) -> Result<void> {
        return fail(ErrorKind::not_found, "{} {} not found", what, request.parameter(parameter));
    };
}

}  // namespace

void add_absent_routes(http::Router& router) {
    for (const auto& absent : kAbsent)
        router.add(absent.method, absent.pattern,
                   refuse(ErrorKind::unimplemented,
                          fmt::format("{} is not offered by this version of hako", absent.what)));
    // There are none, and that is the truth; `docker system prune` prunes the cache of builds, too.
    router.add("POST", "/build/prune", answer({{"CachesDeleted", nullptr}, {"SpaceReclaimed", 0}}));
    router.add("GET", "/plugins", answer(Json::array()));
    router.add("GET", "/plugins/{name:*}/json", not_found("plugin", "name"));
    for (const auto* resource : {"swarm", "nodes", "services", "tasks", "secrets", "configs"}) {
        for (const auto* method : {"GET", "POST", "DELETE"}) {
            router.add(method, fmt::format("/{}", resource),
                       refuse(ErrorKind::unavailable, std::string(kNoSwarm)));
            router.add(method, fmt::format("/{}/{{rest:*}}", resource),
                       refuse(ErrorKind::unavailable, std::string(kNoSwarm)));
        }
    }
}

}  // namespace hako::dockerapi
