#include "init/vminitd/emulator.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/paths.h"
#include "init/vminitd/mounts.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormats = "/proc/sys/fs/binfmt_misc";
constexpr const char* kEmulators = "/run/hako/emulators";
constexpr std::size_t kPiece = 256U << 10U;
// F: the kernel keeps the file open, so that it works in every container's root. P: the emulated
// program gets its own argv[0]. O and C: it is opened for the emulator and may be setuid.
constexpr std::string_view kFlags = "POCF";

Result<void> check(const agent::v1::InstallEmulatorRequest& request) {
    const auto& name = request.name();
    if (name.empty() || !std::ranges::all_of(name, [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '-' || c == '_';
        }))
        return fail(ErrorKind::invalid, "\"{}\" cannot name an emulator", name);
    if (request.magic().empty() || request.magic().size() != request.mask().size())
        return fail(ErrorKind::invalid, "magic and mask of {} do not have the same length", name);
    return {};
}

Result<void> mount_formats() {
    const std::string control = fmt::format("{}/register", kFormats);
    if (fs::exists(control)) return {};
    if (::mount("binfmt_misc", kFormats, "binfmt_misc", MS_NOSUID | MS_NOEXEC | MS_NODEV, "") != 0)
        return fail_errno(errno, "the guest's kernel has no binfmt_misc, which emulators need");
    return {};
}

// The file must be closed before the kernel opens it to execute.
Result<void> copy_program(const std::string& device, const fs::path& program) {
    HAKO_TRY(const Fd source, open_file(device, O_RDONLY));
    HAKO_TRY(const Fd target, open_file(program, O_WRONLY | O_CREAT | O_EXCL, 0755));
    std::vector<std::byte> piece(kPiece);
    while (true) {
        HAKO_TRY(const auto count, read_some(source.get(), piece));
        if (count == 0) return {};
        HAKO_CHECK(write_all(target.get(), std::span(piece).first(count)));
    }
}

std::string escaped(std::string_view bytes) {
    std::string text;
    for (const unsigned char byte : bytes) text += fmt::format("\\x{:02x}", byte);
    return text;
}

}  // namespace

Result<void> install_emulator(const agent::v1::InstallEmulatorRequest& request) {
    HAKO_CHECK(check(request));
    HAKO_TRY(const auto device, find_disk(request.disk_serial()));
    HAKO_CHECK(mount_formats());
    HAKO_CHECK(make_folders(kEmulators, 0755));
    const auto program = fs::path(kEmulators) / request.name();
    HAKO_CHECK(with_context(copy_program(device, program), "cannot copy the emulator"));
    return with_context(
        write_file(fmt::format("{}/register", kFormats),
                   fmt::format(":{}:M:0:{}:{}:{}:{}", request.name(), escaped(request.magic()),
                               escaped(request.mask()), program.native(), kFlags)),
        fmt::format("cannot register the emulator {}", request.name()));
}

}  // namespace hako::init
