#include "network/port_holder.h"

#include <charconv>
#include <filesystem>
#include <set>
#include <sstream>

#include "base/fd.h"
#include "base/text.h"

namespace hako::network {

namespace {

// Inodes of the sockets that are bound to the port: listening ones of TCP (state 0A), all of UDP.
void add_sockets(const std::string& table, Protocol protocol, std::uint16_t port,
                 std::set<std::string>& sockets) {
    const auto text = read_file("/proc/thread-self/net/" + table);
    if (!text) return;
    std::istringstream lines(*text);
    std::string line;
    std::getline(lines, line);  // headings
    const std::string suffix = fmt::format(":{:04X}", port);
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
        words >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >>
            timeout >> inode;
        if (local.ends_with(suffix) && (protocol == Protocol::udp || state == "0A"))
            sockets.insert(fmt::format("socket:[{}]", inode));
    }
}

bool holds_any(const std::filesystem::path& process, const std::set<std::string>& sockets) {
    std::error_code error;
    for (const auto& fd : std::filesystem::directory_iterator(process / "fd", error)) {
        std::error_code gone;
        if (sockets.contains(std::filesystem::read_symlink(fd.path(), gone).string())) return true;
    }
    return false;
}

}  // namespace

std::string port_holder(Protocol protocol, std::uint16_t port) {
    std::set<std::string> sockets;
    const std::string name(to_string(protocol));
    add_sockets(name, protocol, port, sockets);
    add_sockets(name + "6", protocol, port, sockets);
    if (sockets.empty()) return {};
    std::error_code error;
    for (const auto& process : std::filesystem::directory_iterator("/proc", error)) {
        const std::string pid = process.path().filename();
        if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
        if (!holds_any(process.path(), sockets)) continue;
        const auto program = read_file(process.path() / "comm");
        return fmt::format("{} (pid {})", program ? trim(*program) : "a process", pid);
    }
    return {};
}

}  // namespace hako::network
