// What listens on the VM's network, as the kernel lists it (proc(5), /proc/net).
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace hako::init {

// "80/tcp", "53/udp": sockets that wait for whoever comes, but not on the loopback alone. UDP's
// ephemeral ports are those of clients, and left out. net: in tests a folder.
std::set<std::string> listening_ports(const std::filesystem::path& net = "/proc/net");

}  // namespace hako::init
