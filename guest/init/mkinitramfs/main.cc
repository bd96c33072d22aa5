// mkinitramfs VMINITD VMEXEC OUTPUT: the initial file system of every VM.
#include <cstdio>

#include "base/fd.h"
#include "init/mkinitramfs/cpio.h"

namespace hako::init {
namespace {

Result<void> write_initramfs(const char* vminitd, const char* vmexec, const char* output) {
    constexpr unsigned kFolder = 0040755, kProgram = 0100755;
    std::vector<CpioEntry> entries;
    for (const char* name : {"proc", "sys", "dev", "run", "tmp", "sbin"})
        entries.push_back({name, kFolder, ""});
    HAKO_TRY(auto init, read_file(vminitd));
    HAKO_TRY(auto helper, read_file(vmexec));
    entries.push_back({"init", kProgram, std::move(init)});
    entries.push_back({"sbin/vmexec", kProgram, std::move(helper)});
    HAKO_TRY(const auto archive, make_cpio(entries));
    return write_file(output, archive);
}

}  // namespace
}  // namespace hako::init

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: mkinitramfs VMINITD VMEXEC OUTPUT\n", stderr);
        return 2;
    }
    const auto written = hako::init::write_initramfs(argv[1], argv[2], argv[3]);
    if (!written) std::fprintf(stderr, "mkinitramfs: %s\n", written.error().message().c_str());
    return written ? 0 : 1;
}
