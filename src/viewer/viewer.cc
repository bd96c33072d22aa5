#include "viewer/viewer.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/json.h"
#include "http/websocket.h"
#include "viewer/screen.h"
#include "viewer/sound.h"

namespace hako::viewer {
namespace {

using http::Request;
using http::Response;

constexpr std::size_t kMostOfLogin = 4096;
// Browsers send pieces of the clipboard at most.
constexpr std::size_t kMostOfMessage = std::size_t{1} << 20U;
constexpr int kTooManyRequests = 429;

struct Asset {
    std::string_view path;
    std::string_view file;
    std::string_view type;
};
constexpr std::array kAssets{
    Asset{"/", "index.html", "text/html; charset=utf-8"},
    Asset{"/viewer.js", "viewer.js", "text/javascript; charset=utf-8"},
    Asset{"/viewer.css", "viewer.css", "text/css; charset=utf-8"},
    Asset{"/favicon.svg", "favicon.svg", "image/svg+xml"},
};

Result<std::string> read_asset(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(stream), {}};
    if (!stream || text.empty())
        return fail(ErrorKind::not_found,
                    "the viewer's page is not installed at {}: build hako where node and npm are",
                    file.string());
    return text;
}

// Nothing from elsewhere, and in no frame of another page.
void set_page_headers(http::Fields& headers) {
    headers.set("Content-Security-Policy",
                "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; "
                "base-uri 'none'; form-action 'self'");
    headers.set("X-Content-Type-Options", "nosniff");
    headers.set("Referrer-Policy", "no-referrer");
    headers.set("Cache-Control", "no-cache");
}

Result<void> login(Access& access, Request& request, Response& response) {
    HAKO_CHECK(http::check_origin(request));
    HAKO_TRY(const auto text, request.read_body(kMostOfLogin));
    HAKO_TRY(const auto json, parse_json(text));
    HAKO_TRY(const auto password, json_field_or<std::string>(json, "password", ""));
    const auto session = access.enter(password);
    if (!session && session.error().kind() == ErrorKind::exhausted) {
        response.headers().set("Retry-After", std::to_string(Access::kRefill.count()));
        return response.send_json(kTooManyRequests, {{"message", session.error().message()}});
    }
    if (!session) return fail(session.error());
    response.headers().set("Set-Cookie", Access::cookie(*session));
    return response.send_empty(204);
}

// One of those that look or listen at once.
class Place {
public:
    static Result<Place> take(std::atomic<int>& taken) {
        Place place(taken);
        if (++taken <= kMaxScreens) return place;
        return fail(ErrorKind::unavailable,
                    "{} viewers look at this machine already: close one of them", kMaxScreens);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Place(Place&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
        if (taken_ != nullptr) --*taken_;
    }

private:
    explicit Place(std::atomic<int>& taken) : taken_(&taken) {}
    std::atomic<int>* taken_;
};

// A WebSocket that carries what the machine's screen, or its sound, is made of.
http::Handler carry(Machine& machine, Access& access,
                    void (*copy)(http::Hijacked& browser, const Fd& server)) {
    return [&machine, &access, copy, taken = std::make_shared<std::atomic<int>>(0)](
               Request& request, Response& response) -> Result<void> {
        HAKO_CHECK(access.check(request));
        HAKO_CHECK(http::check_origin(request));
        HAKO_TRY([[maybe_unused]] const auto place, Place::take(*taken));
        HAKO_TRY(const Fd server, machine.screen());
        HAKO_TRY(const auto browser,
                 http::WebSocket::accept(request, response,
                                         {.max_message = kMostOfMessage, .protocol = "binary"}));
        copy(*browser, server);
        return {};
    };
}

}  // namespace

http::Handler make_viewer(Machine& machine, Access& access, std::filesystem::path assets) {
    const auto router = std::make_shared<http::Router>();
    for (const Asset& asset : kAssets)
        router->add(
            "GET", asset.path,
            [file = assets / asset.file, &asset](Request&, Response& response) -> Result<void> {
                HAKO_TRY(const auto text, read_asset(file));
                return response.send(200, asset.type, text);
            });
    router->add("POST", "/login", [&access](Request& request, Response& response) {
        return login(access, request, response);
    });
    router->add("GET", "/progress",
                [&machine, &access](Request& request, Response& response) -> Result<void> {
                    HAKO_CHECK(access.check(request));
                    HAKO_TRY(const auto progress, machine.progress());
                    auto state = macos::to_json(progress);
                    state["sound"] = machine.has_sound();
                    const auto starter = machine.starter();
                    state["starter"] = starter.empty() ? Json() : Json(starter);
                    return response.send_json(200, state);
                });
    router->add("POST", "/power",
                [&machine, &access](Request& request, Response& response) -> Result<void> {
                    HAKO_CHECK(access.check(request));
                    HAKO_CHECK(http::check_origin(request));
                    HAKO_CHECK(machine.power(request.query.value_or("action", "")));
                    return response.send_empty(204);
                });
    router->add("GET", "/screen", carry(machine, access, join));
    if (machine.has_sound()) router->add("GET", "/sound", carry(machine, access, play));
    return [router](Request& request, Response& response) -> Result<void> {
        set_page_headers(response.headers());
        return router->handle(request, response);
    };
}

}  // namespace hako::viewer
