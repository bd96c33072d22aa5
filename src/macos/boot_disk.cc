#include "macos/boot_disk.h"

#include "base/fd.h"
#include "base/sha256.h"
#include "macos/esp_disk.h"
#include "store/file.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfig = "EFI/OC/config.plist";
constexpr std::size_t kMaxConfig = 4U << 20U;
constexpr std::string_view kFormat = "2";  // of the disk: another one makes disks anew

Result<std::string> read_config(const fs::path& file) {
    HAKO_TRY(auto text, read_file(file, kMaxConfig));
    if (text.find("<plist") == std::string::npos || text.find("PlatformInfo") == std::string::npos)
        return fail(ErrorKind::invalid, "{} is no config.plist of OpenCore", file.native());
    return text;
}

std::string inputs_of(const FileTree& tree, const BootCode& code) {
    Sha256 sum;
    sum.update(as_bytes(kFormat));
    sum.update(as_bytes(sha256_hex(as_bytes(code.disk)) + sha256_hex(as_bytes(code.partition))));
    for (const auto& [path, content] : tree)
        sum.update(as_bytes(fmt::format("{} {} ", path, sha256_hex(as_bytes(content)))));
    return sum.hex_digest();
}

}  // namespace

Result<BootDisk> make_boot_disk(const BootDiskSpec& spec, const fs::path& file) {
    HAKO_CHECK(validate(spec.settings));
    HAKO_TRY(auto opencore, read_opencore(spec.sources));
    auto& tree = opencore.tree;
    BootDisk disk{.warnings = missing_parts(tree)};
    tree[std::string(kConfig)] = opencore_config(spec.settings, tree).to_xml();
    if (spec.custom_config) {
        HAKO_TRY(tree[std::string(kConfig)], read_config(*spec.custom_config));
    }
    const auto inputs = inputs_of(tree, opencore.bios);
    fs::path note = file;
    note += ".inputs";
    std::error_code error;
    const auto before = read_file(note);
    disk.was_current = before && *before == inputs && fs::exists(file, error);
    if (disk.was_current) return disk;
    // First the note goes: a disk that a power failure left half is never taken for whole.
    fs::remove(note, error);
    HAKO_CHECK(write_esp_disk(file, tree, opencore.bios));
    HAKO_CHECK(store::write_file_atomic(note, inputs, 0644));
    return disk;
}

}  // namespace hako::macos
