#include "appliance/boot/drivers.h"

#include <vector>

#include "appliance/boot/console.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/text.h"

namespace hako::appliance {
namespace {

namespace fs = std::filesystem;

constexpr auto kLoad = std::chrono::minutes(2);

}  // namespace

void Drivers::load_new() {
    std::vector<std::string> argv{"/sbin/modprobe", "-q", "-a"};
    const auto known = argv.size();
    std::error_code error;
    for (auto at = fs::recursive_directory_iterator("/sys/devices", error);
         at != fs::recursive_directory_iterator(); at.increment(error)) {
        if (error) break;  // a device went: the next round sees what there is
        if (at->path().filename() != "modalias") continue;
        const auto text = read_file(at->path());
        const auto name = text ? std::string(trim(*text)) : std::string();
        if (!name.empty() && asked_.insert(name).second) argv.push_back(name);
    }
    if (argv.size() == known) return;
    // Most names have no driver here, and modprobe ends badly then.
    if (const auto done = hako::run({.argv = std::move(argv)}, kLoad); !done)
        say("{}", done.error().message());
}

}  // namespace hako::appliance
