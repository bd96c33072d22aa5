#include "init/vminitd/drivers.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <filesystem>

#include "base/fd.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSlot = "virtio-mmio.";

fs::path folder_of(const std::string& bus) { return fs::path("/sys/bus") / bus; }

}  // namespace

std::vector<std::string> unbound_devices(const std::string& bus) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator item(folder_of(bus) / "devices", error), end; !error && item != end;
         item.increment(error)) {
        std::error_code ignored;
        auto name = item->path().filename().string();
        if (name.starts_with("virtio") && !fs::exists(item->path() / "driver", ignored))
            names.push_back(std::move(name));
    }
    std::ranges::sort(names);
    return names;
}

unsigned slot_number(const std::string& name) {
    unsigned number = UINT_MAX;
    if (name.starts_with(kSlot))
        std::from_chars(name.data() + kSlot.size(), name.data() + name.size(), number);
    return number;
}

void bind_device(const std::string& bus, const std::string& name) {
    const auto probe = open_file(folder_of(bus) / "drivers_probe", O_WRONLY);
    if (probe) (void)!::write(probe->get(), name.data(), name.size());
}

Result<void> unbind_device(const std::string& bus, const std::string& name) {
    HAKO_TRY(const Fd unbind,
             open_file(folder_of(bus) / "devices" / name / "driver/unbind", O_WRONLY));
    return with_context(write_all(unbind.get(), name), "cannot let go of " + name);
}

}  // namespace hako::init
