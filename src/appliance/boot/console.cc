#include "appliance/boot/console.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <iterator>
#include <sstream>

#include "appliance/settings.h"
#include "base/process.h"
#include "base/thread.h"

namespace hako::appliance {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kActiveConsoles = "/sys/class/tty/console/active";
constexpr auto kShellAgain = std::chrono::seconds(1);

// The names of the kernel's.
std::vector<std::string> consoles() {
    const auto active = read_file(kActiveConsoles);
    std::istringstream text(active ? *active : "");
    return {std::istream_iterator<std::string>(text), {}};
}

void run_shells(const std::filesystem::path& device, const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        if (const auto terminal = open_file(device, O_RDWR | O_NOCTTY)) {
            const int fd = terminal->get();
            // A session of its own on this terminal: cttyhack would take the last console for all.
            auto shell =
                spawn({.argv = {std::string(kBusybox), "setsid", "-c", std::string(kBusybox), "sh"},
                       .extra_environment = {{"PS1", "hako# "}}},
                      {{fd, STDIN_FILENO}, {fd, STDOUT_FILENO}, {fd, STDERR_FILENO}});
            if (shell) (void)shell->wait();
        }
        std::this_thread::sleep_for(kShellAgain);
    }
}

}  // namespace

void say_line(std::string_view text) {
    for (const auto& name : consoles()) {
        const auto terminal = open_file(fs::path("/dev") / name, O_WRONLY | O_NOCTTY);
        if (terminal) (void)write_all(terminal->get(), fmt::format("hako: {}\r\n", text));
    }
}

Result<Relay> Relay::start() {
    HAKO_TRY(FdPair pipe, make_pipe());
    auto thread = start_thread("relay", [fd = pipe.first.release()](const std::stop_token&) {
        const Fd out(fd);
        std::string line;
        std::array<std::byte, 1024> buffer{};
        for (;;) {
            const auto count = read_some(out.get(), buffer);
            if (!count || *count == 0) return;
            for (const char c : as_text(std::span(buffer).first(*count))) {
                if (c != '\n') {
                    line += c;
                    continue;
                }
                say_line(line);
                line.clear();
            }
        }
    });
    return Relay(std::move(pipe.second), std::move(thread));
}

std::vector<std::jthread> start_rescue_shells() {
    std::vector<std::jthread> threads;
    for (const auto& name : consoles()) {
        // tty0 is whichever terminal is in front.
        const auto device = fs::path("/dev") / (name == "tty0" ? "tty1" : name);
        threads.push_back(start_thread(
            "shell", [device](const std::stop_token& stop) { run_shells(device, stop); }));
    }
    return threads;
}

}  // namespace hako::appliance
