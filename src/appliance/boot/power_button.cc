#include "appliance/boot/power_button.h"

#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <vector>

#include "base/fd.h"
#include "base/thread.h"

namespace hako::appliance {
namespace {

namespace fs = std::filesystem;

constexpr int kLook = 1000;  // ms: for the wish to end

bool has_power_key(int fd) {
    std::array<unsigned char, KEY_MAX / 8 + 1> keys{};
    return ::ioctl(fd, EVIOCGBIT(EV_KEY, keys.size()), keys.data()) >= 0 &&
           (keys[KEY_POWER / 8] >> (KEY_POWER % 8) & 1) != 0;
}

std::vector<Fd> open_buttons() {
    std::vector<Fd> buttons;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/dev/input", error)) {
        auto device = open_file(entry.path(), O_RDONLY | O_NONBLOCK);
        if (device && has_power_key(device->get())) buttons.push_back(*std::move(device));
    }
    return buttons;
}

}  // namespace

std::jthread watch_power_button() {
    return start_thread("button", [](const std::stop_token& stop) {
        const auto buttons = open_buttons();
        std::vector<pollfd> files;
        for (const Fd& button : buttons) files.push_back({.fd = button.get(), .events = POLLIN});
        while (!stop.stop_requested()) {
            if (::poll(files.data(), files.size(), kLook) <= 0) continue;
            for (const pollfd& file : files) {
                input_event event{};
                while (::read(file.fd, &event, sizeof event) == sizeof event)
                    if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1)
                        ::kill(::getpid(), SIGUSR2);
            }
        }
    });
}

}  // namespace hako::appliance
