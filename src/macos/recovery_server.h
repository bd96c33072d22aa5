// The server from which Macs fetch their recovery system: sessions, offers, tokens.
#pragma once

#include <stop_token>
#include <string>

#include "base/result.h"
#include "macos/random.h"
#include "macos/versions.h"
#include "oci/transport.h"

namespace hako::macos {

constexpr std::string_view kAppleServer = "http://osrecovery.apple.com";

// What the server offers in a session. Tokens expire; then another session is due.
struct RecoveryOffer {
    std::string product;
    std::string image_url;
    std::string image_token;
    std::string chunklist_url;
    std::string chunklist_token;
};

// ErrorKind::unavailable names the field that is missing.
Result<RecoveryOffer> parse_offer(std::string_view answer);
// The text of the request for a release's recovery system.
std::string offer_request(const Version& version, const Draw& draw);

// Any thread may call anything.
class RecoveryServer {
public:
    RecoveryServer(oci::Transport& transport, std::string url, Draw draw)
        : transport_(transport), url_(std::move(url)), draw_(std::move(draw)) {}

    // A new session, and what is offered in it. ErrorKind::forbidden (403) says what to do.
    Result<RecoveryOffer> offer(const Version& version, const std::stop_token& stop);
    // A small file of the offer, such as the chunklist.
    Result<std::string> fetch(const std::string& url, const std::string& token,
                              const std::stop_token& stop);

    static oci::HttpRequest asset_request(const std::string& url, const std::string& token);
    // Nothing for 200 and 206.
    static Result<void> check_status(int status, std::string_view what);

private:
    Result<std::string> open_session(const std::stop_token& stop);

    oci::Transport& transport_;
    std::string url_;
    Draw draw_;
};

}  // namespace hako::macos
