#include "network/resolv_conf.h"

#include <algorithm>
#include <sstream>

#include "base/fd.h"

namespace hako::network {

std::vector<Address> parse_resolv_conf(std::string_view text) {
    std::vector<Address> resolvers;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string key, value;
        if (!(words >> key >> value) || key != "nameserver") continue;
        if (auto address = Address::parse(value)) resolvers.push_back(*address);
    }
    return resolvers;
}

const std::vector<Address>& HostResolvers::get() {
    const auto now = std::chrono::steady_clock::now();
    if (read_ != std::chrono::steady_clock::time_point{} && now - read_ < std::chrono::seconds(1))
        return resolvers_;
    read_ = now;
    const auto from = [](const std::filesystem::path& path) {
        const auto text = read_file(path);
        return text ? parse_resolv_conf(*text) : std::vector<Address>();
    };
    resolvers_ = from(first_);
    if (std::ranges::all_of(resolvers_, &Address::is_loopback))
        if (auto better = from(second_); !better.empty()) resolvers_ = std::move(better);
    return resolvers_;
}

}  // namespace hako::network
