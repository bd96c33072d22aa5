#include "init/vminitd/listening.h"

#include <charconv>
#include <sstream>

#include "base/fd.h"

namespace hako::init {
namespace {

constexpr unsigned kEphemeral = 32768;  // from here on: net.ipv4.ip_local_port_range

// 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104: words of four bytes in the processor's order.
bool is_loopback(std::string_view address) {
    if (address.size() == 8) return address.ends_with("7F");
    return address == "00000000000000000000000001000000" ||
           (address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F"));
}

struct Table {
    const char* name;
    const char* protocol;
    const char* waiting;  // the state of a socket that waits
};
constexpr Table kTables[] = {
    {"tcp", "tcp", "0A"}, {"tcp6", "tcp", "0A"}, {"udp", "udp", "07"}, {"udp6", "udp", "07"}};

}  // namespace

std::set<std::string> listening_ports(const std::filesystem::path& net) {
    std::set<std::string> ports;
    for (const auto& table : kTables) {
        std::istringstream lines(read_file(net / table.name).value_or(""));
        std::string line;
        std::getline(lines, line);  // the heading
        while (std::getline(lines, line)) {
            std::istringstream fields(line);
            std::string slot, local, remote, state;
            fields >> slot >> local >> remote >> state;
            const auto colon = local.find(':');
            if (colon == std::string::npos || state != table.waiting ||
                !remote.ends_with(":0000") || is_loopback(std::string_view(local).substr(0, colon)))
                continue;
            unsigned port = 0;
            std::from_chars(local.data() + colon + 1, local.data() + local.size(), port, 16);
            const bool of_client = table.waiting[1] == '7' && port >= kEphemeral;
            if (port != 0 && !of_client) ports.insert(fmt::format("{}/{}", port, table.protocol));
        }
    }
    return ports;
}

}  // namespace hako::init
