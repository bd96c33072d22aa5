#include "network/sysctl.h"

#include <fcntl.h>

#include <filesystem>

#include "base/fd.h"
#include "base/text.h"

namespace hako::network {

namespace {

std::string path_of(const std::string& name) { return "/proc/sys/net/" + name; }

}  // namespace

Result<void> set_sysctl(const std::string& name, const std::string& value) {
    const auto now = read_file(path_of(name));
    if (now && trim(*now) == value) return {};
    const auto refused = [&](Error error) {
        return fail(std::move(error).context(
            fmt::format("cannot set net/{} to {}; set it with sysctl(8)", name, value)));
    };
    auto file = open_file(path_of(name), O_WRONLY);
    if (!file) return refused(std::move(file.error()));
    if (auto written = write_all(file->get(), value); !written)
        return refused(std::move(written.error()));
    return {};
}

bool has_ipv6() { return std::filesystem::exists(path_of("ipv6/conf/all")); }

Result<void> set_forwarding(Family family) {
    if (family == Family::v4) return set_sysctl("ipv4/ip_forward", "1");
    if (!has_ipv6())
        return fail(ErrorKind::unavailable, "this host has no IPv6; make the network without it");
    std::error_code ignored;
    for (const auto& link : std::filesystem::directory_iterator(path_of("ipv6/conf"), ignored)) {
        const std::string setting = "ipv6/conf/" + link.path().filename().string() + "/accept_ra";
        const auto now = read_file(path_of(setting));
        if (now && trim(*now) == "1") HAKO_CHECK(set_sysctl(setting, "2"));
    }
    return set_sysctl("ipv6/conf/all/forwarding", "1");
}

}  // namespace hako::network
