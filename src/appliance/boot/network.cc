#include "appliance/boot/network.h"

#include <filesystem>

#include "appliance/boot/console.h"
#include "appliance/settings.h"
#include "base/fd.h"

namespace hako::appliance {
namespace {

namespace fs = std::filesystem;

constexpr auto kSet = std::chrono::seconds(30);

}  // namespace

std::vector<Process> start_network() {
    std::vector<Process> clients;
    (void)hako::run({.argv = {std::string(kBusybox), "ip", "link", "set", "lo", "up"}}, kSet);
    std::error_code error;
    for (const auto& card : fs::directory_iterator("/sys/class/net", error)) {
        if (!fs::exists(card.path() / "device", error)) continue;
        const auto name = card.path().filename().native();
        auto client = spawn({.argv = {"/usr/sbin/udhcpc", "-f", "-t", "5", "-A", "10", "-i", name,
                                      "-s", std::string(kNetworkScript)}});
        if (client) clients.push_back(*std::move(client));
        else say("{} gets no address: {}", name, client.error().message());
    }
    if (clients.empty()) say("this machine has no network card that is known here");
    return clients;
}

}  // namespace hako::appliance
