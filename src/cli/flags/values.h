// Reads the values of docker's flags into what the API takes. Errors are ErrorKind::invalid with a
// sentence that follows `invalid argument "x" for "--flag" flag: `.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::cli {

// "KEY=value" as it is; "KEY" takes its value from our environment, and is left out (nullopt) when
// it is not set there.
Result<std::optional<std::string>> parse_environment(const std::string& text);
// A file of such lines; empty ones and those that begin with # are skipped. White space in names,
// invalid UTF-8 and lines without a name are refused with the line's number.
Result<std::vector<std::string>> read_environment_file(const std::string& path);

// "key=value" and "key": {"key", ""}.
std::pair<std::string, std::string> split_pair(std::string_view text);
// Such pairs as an object of strings.
Result<Json> parse_pairs(const std::vector<std::string>& pairs);
// "nofile=1024:2048" -> {"Name", "Soft", "Hard"}; one number is both limits, -1 none.
Result<Json> parse_ulimit(std::string_view text);
// "1.5" CPUs -> 1500000000.
Result<std::int64_t> parse_cpus(std::string_view text);
// "on-failure:3" -> {"Name", "MaximumRetryCount"}.
Result<Json> parse_restart_policy(std::string_view text);
// "/dev/a[:/dev/b[:rwm]]" -> {"PathOnHost", "PathInContainer", "CgroupPermissions"}.
Result<Json> parse_device(std::string_view text);
// "seccomp=FILE" carries the file's text, everything else goes as it is.
Result<std::string> parse_security_option(const std::string& text);

// A published port: "[[address:]host:]container[/protocol]", single ports or ranges of equal
// length.
struct PublishedPort {
    std::string container;  // "80/tcp"
    std::string address;
    std::string host;  // empty: the daemon picks one
};
// One --network, with an EndpointSettings object.
struct NetworkFlag {
    std::string name;
    Json endpoint;
};
Result<NetworkFlag> parse_network_flag(std::string_view text);

Result<std::vector<PublishedPort>> parse_publish(std::string_view text);
// "80", "80-82/udp" -> {"80/udp", ...}
Result<std::vector<std::string>> parse_expose(std::string_view text);

// "a:b[:options]" with `a` made absolute when it is a relative path; "/only/target" as it is.
Result<std::string> parse_volume(const std::string& text);
// "host:container", the host's path made absolute.
Result<std::string> parse_published_socket(const std::string& text);
// "type=bind,source=/a,target=/b,readonly" -> the API's Mount.
Result<Json> parse_mount(std::string_view text);

}  // namespace hako::cli
