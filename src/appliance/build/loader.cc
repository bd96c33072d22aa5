#include "appliance/build/loader.h"

#include <filesystem>

#include "appliance/build/tools.h"
#include "base/fd.h"
#include "base/process.h"
#include "macos/gpt.h"
#include "macos/little_endian.h"

namespace hako::appliance {
namespace {

namespace fs = std::filesystem;
using macos::kSector;
using macos::put;

constexpr std::string_view kGrub = "/usr/lib/grub";
constexpr auto kMake = std::chrono::seconds(60);
constexpr std::string_view kModules[] = {"part_gpt", "fat",  "normal", "linux",
                                         "serial",   "echo", "test",   "terminal"};

// Of GRUB's first sector: where it finds the core, and the test whether the BIOS tells the drive.
constexpr std::size_t kCoreSector = 0x5c;
constexpr std::size_t kDriveCheck = 0x66;
constexpr std::string_view kNoCheck = "\x90\x90";
constexpr std::size_t kBootCode = 440;
// Of the core's first sector: where the rest lies and where in memory it belongs.
constexpr std::size_t kBlocks = kSector - 12;
constexpr std::uint64_t kSegment = 0x820;

Result<std::string> make_image(std::string_view platform, std::string_view prefix,
                               std::string_view package,
                               std::initializer_list<std::string_view> more) {
    HAKO_TRY(const auto grub, find_tool("grub-mkimage", "grub-common"));
    const auto folder = fs::path(kGrub) / platform;
    HAKO_CHECK(need_file(folder / "normal.mod", package));
    HAKO_TRY(const auto place, TempDir::create());
    const auto file = place.path() / "image";
    Command command{.argv = {grub, "-O", std::string(platform), "-d", folder, "-o", file, "-p",
                             std::string(prefix)}};
    command.argv.insert(command.argv.end(), std::begin(kModules), std::end(kModules));
    command.argv.insert(command.argv.end(), more.begin(), more.end());
    HAKO_TRY(const auto made, hako::run(command, kMake));
    if (!made.status.success())
        return fail(ErrorKind::internal, "grub-mkimage fails: {}", made.err);
    return read_file(file);
}

std::string menu() {
    return fmt::format(
        "if serial --unit=0 --speed=115200; then\n"
        "  terminal_input console serial\n"
        "  terminal_output console serial\n"
        "fi\n"
        "set timeout=2\n"
        "menuentry \"macOS\" {{\n"
        "  linux /{} {}\n"
        "  initrd /{}\n"
        "}}\n",
        kKernelPath, kKernelLine, kInitramfsPath);
}

}  // namespace

const std::string kKernelLine =
    "console=tty0 console=ttyS0,115200 quiet panic=60 "
    "kvm.ignore_msrs=1 kvm.report_ignored_msrs=0 kvm_intel.nested=1 kvm_amd.nested=1";

Result<BiosLoader> make_bios_loader(std::uint64_t first) {
    HAKO_TRY(auto core, make_image("i386-pc", "(,gpt2)/boot", "grub-pc-bin", {"biosdisk"}));
    HAKO_TRY(auto code, read_file(fs::path(kGrub) / "i386-pc/boot.img"));
    if (code.size() != kSector || core.size() <= kSector)
        return fail(ErrorKind::corrupt, "GRUB's images in {}/i386-pc are not as they should be",
                    kGrub);
    put(code, kCoreSector, first, 8);
    put(code, kDriveCheck, kNoCheck);
    core.resize((core.size() + kSector - 1) / kSector * kSector);
    put(core, kBlocks, first + 1, 8);
    put(core, kBlocks + 8, core.size() / kSector - 1, 2);
    put(core, kBlocks + 10, kSegment, 2);
    return BiosLoader{.boot_code = code.substr(0, kBootCode), .core = std::move(core)};
}

Result<void> add_efi_loader(macos::FileTree& esp) {
    HAKO_TRY(esp["EFI/BOOT/BOOTX64.EFI"],
             make_image("x86_64-efi", "/boot", "grub-efi-amd64-bin", {"efi_gop"}));
    esp["boot/grub.cfg"] = menu();
    return {};
}

}  // namespace hako::appliance
