#include "vmm/template_key.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "base/sha256.h"
#include "base/text.h"
#include "vmm/qemu/arguments.h"
#include "vmm/qemu/binary.h"
#include "vmm/template_devices.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyDigits = 16;
constexpr auto kVersionDeadline = std::chrono::seconds(10);

Result<std::string> digest_of(const fs::path& path) {
    HAKO_TRY(const Fd file, open_file(path, O_RDONLY));
    Sha256 digest;
    std::vector<std::byte> buffer(kMiB);
    for (;;) {
        HAKO_TRY(const auto count, read_some(file.get(), buffer));
        if (count == 0) return digest.hex_digest();
        digest.update(std::span(buffer).first(count));
    }
}

Result<std::string> version_of(const fs::path& qemu) {
    HAKO_TRY(const auto output, run({.argv = {qemu.native(), "--version"}}, kVersionDeadline));
    if (!output.status.success())
        return fail(ErrorKind::unavailable, "{} does not tell its version", qemu.native());
    return output.out.substr(0, output.out.find('\n'));
}

// Of the first processor: they are alike.
Result<std::string> read_processor() {
    HAKO_TRY(const auto text, read_file("/proc/cpuinfo"));
    std::string found;
    for (const std::string_view name : {"model name", "stepping", "microcode", "flags"})
        if (const auto start = text.find("\n" + std::string(name)); start != std::string::npos)
            found += text.substr(start, text.find('\n', start + 1) - start);
    return sha256_hex(as_bytes(found));
}

// The file as it is now: another one has another.
Result<std::string> identity_of(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
        return fail_errno(errno, "cannot look at {}", path.native());
    return fmt::format("{} {} {} {} {}.{}", path.native(), status.st_dev, status.st_ino,
                       status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

}  // namespace

Result<TemplateShape> TemplateShapes::make(const MachineSpec& spec, bool may_read) {
    const auto fact = [&](const fs::path& path, Read read) -> Result<std::string> {
        HAKO_TRY(const auto identity, identity_of(path));
        {
            auto facts = facts_.lock();
            if (const auto known = facts->find(identity); known != facts->end())
                return known->second;
        }
        if (!may_read) return fail(ErrorKind::not_found, "{} is not known yet", path.native());
        HAKO_TRY(auto text, read(path));
        return facts_.lock()->emplace(identity, std::move(text)).first->second;
    };
    HAKO_TRY(const auto qemu, find_qemu());
    HAKO_TRY(const auto qemu_identity, identity_of(qemu));
    static const auto processor = read_processor();
    HAKO_TRY(const auto cpu, processor);
    MachineSpec without_clock = spec;
    without_clock.tsc_khz = 0;
    TemplateShape shape;
    HAKO_TRY(const auto kernel, fact(spec.kernel, digest_of));
    HAKO_TRY(const auto agent, fact(spec.initramfs, digest_of));
    HAKO_TRY(const auto version, fact(qemu, version_of));
    const TemplateDevices devices = template_devices(spec);
    shape.parts = {{"kernel", kernel},
                   {"agent", agent},
                   {"command_line", kernel_command_line(without_clock)},
                   {"memory_bytes", spec.memory_bytes},
                   {"cpus", spec.cpus},
                   {"accelerator", to_string(spec.accelerator)},
                   {"channel", to_string(spec.channel)},
                   {"disks", devices.disks},
                   {"cards", devices.cards},
                   {"qemu", version},
                   {"qemu_file", qemu_identity},
                   {"processor", cpu},
                   // Measured anew at each boot of the host, so not to the last digit.
                   {"tsc_mhz", (spec.tsc_khz + 500) / 1000}};
    shape.key = sha256_hex(as_bytes(dump_json(shape.parts))).substr(0, kKeyDigits);
    return shape;
}

Result<TemplateShape> TemplateShapes::shape(const MachineSpec& spec) { return make(spec, true); }

std::optional<TemplateShape> TemplateShapes::known(const MachineSpec& spec) {
    auto made = make(spec, false);
    return made ? std::optional(*std::move(made)) : std::nullopt;
}

}  // namespace hako::vmm
