// hako-appliance: the first process of a machine whose only job is to run macOS in QEMU. It is on
// the image that `hako macos appliance build` makes.
#include "appliance/boot/boot.h"
#include "base/thread.h"

int main() {
    int status = 1;
    hako::run_guarded("hako-appliance", [&] { status = hako::appliance::boot_main(); });
    return status;
}
