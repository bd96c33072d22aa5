// --publish and --expose.
#include <charconv>

#include "cli/flags/values.h"

namespace hako::cli {
namespace {

struct Range {
    int first = 0;
    int last = 0;
    int size() const { return last - first + 1; }
};

Result<int> parse_port(std::string_view text) {
    constexpr int kHighest = 65535;
    int port = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, port);
    if (error != std::errc() || at != end || text.empty() || port < 0 || port > kHighest)
        return fail(ErrorKind::invalid, "\"{}\" is no port between 0 and 65535", text);
    return port;
}

Result<Range> parse_range(std::string_view text) {
    const auto dash = text.find('-');
    HAKO_TRY(const int first, parse_port(text.substr(0, dash)));
    if (dash == std::string_view::npos) return Range{first, first};
    HAKO_TRY(const int last, parse_port(text.substr(dash + 1)));
    if (last < first) return fail(ErrorKind::invalid, "the range \"{}\" runs backwards", text);
    return Range{first, last};
}

// Takes "/udp" off the end of text.
Result<std::string> take_protocol(std::string_view& text) {
    const auto slash = text.rfind('/');
    if (slash == std::string_view::npos) return "tcp";
    std::string protocol(text.substr(slash + 1));
    text = text.substr(0, slash);
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
        return fail(ErrorKind::invalid, "\"{}\" is no protocol: tcp, udp or sctp", protocol);
    return protocol;
}

}  // namespace

Result<std::vector<PublishedPort>> parse_publish(std::string_view text) {
    HAKO_TRY(const auto protocol, take_protocol(text));
    const auto last_colon = text.rfind(':');
    const auto container =
        last_colon == std::string_view::npos ? text : text.substr(last_colon + 1);
    std::string_view host;
    std::string address;
    if (last_colon != std::string_view::npos) {
        host = text.substr(0, last_colon);
        // "address:port" or "address:" (any port); an IPv6 address stands in brackets.
        const auto colon = host.rfind(':');
        if (colon != std::string_view::npos) {
            address = host.substr(0, colon);
            host = host.substr(colon + 1);
            if (address.starts_with('[') && address.ends_with(']'))
                address = address.substr(1, address.size() - 2);
        }
    }
    HAKO_TRY(const auto inner, parse_range(container));
    if (inner.first == 0) return fail(ErrorKind::invalid, "a container's port cannot be 0");
    std::optional<Range> outer;
    if (!host.empty()) {
        HAKO_TRY(outer, parse_range(host));
        if (outer->size() != inner.size() && inner.size() != 1)
            return fail(ErrorKind::invalid, "the ranges {} and {} differ in length", host,
                        container);
    }
    std::vector<PublishedPort> ports;
    for (int i = 0; i < inner.size(); ++i) {
        std::string bound;
        if (outer && inner.size() == outer->size()) bound = std::to_string(outer->first + i);
        else if (outer) bound = std::string(host);  // any of the range
        ports.push_back({fmt::format("{}/{}", inner.first + i, protocol), address, bound});
    }
    return ports;
}

Result<std::vector<std::string>> parse_expose(std::string_view text) {
    HAKO_TRY(const auto protocol, take_protocol(text));
    HAKO_TRY(const auto range, parse_range(text));
    std::vector<std::string> ports;
    for (int port = range.first; port <= range.last; ++port)
        ports.push_back(fmt::format("{}/{}", port, protocol));
    return ports;
}

}  // namespace hako::cli
