#include "init/mkinitramfs/cpio.h"

#include <set>

namespace hako::init {
namespace {

constexpr std::string_view kTrailer = "TRAILER!!!";

void pad(std::string& archive) { archive.resize((archive.size() + 3) / 4 * 4, '\0'); }

void append_entry(std::string& archive, std::size_t inode, unsigned mode, std::string_view name,
                  std::string_view content) {
    const std::size_t links = inode == 0 ? 1 : (mode & 0170000U) == 0040000U ? 2 : 1;
    archive += "070701";
    // inode mode uid gid links mtime size, device and special device (major, minor), name, checksum
    for (const std::size_t field :
         {inode, std::size_t{mode}, std::size_t{0}, std::size_t{0}, links, std::size_t{0},
          content.size(), std::size_t{0}, std::size_t{0}, std::size_t{0}, std::size_t{0},
          name.size() + 1, std::size_t{0}})
        archive += fmt::format("{:08x}", field);
    archive += name;
    archive += '\0';
    pad(archive);
    archive += content;
    pad(archive);
}

Result<void> check_name(std::string_view name) {
    const auto framed = fmt::format("/{}/", name);
    if (name.empty() || framed.find("//") != std::string::npos ||
        framed.find("/../") != std::string::npos || framed.find("/./") != std::string::npos ||
        name.find('\0') != std::string_view::npos || name == kTrailer)
        return fail(ErrorKind::invalid, "\"{}\" is no name for an entry of an initramfs", name);
    return {};
}

}  // namespace

Result<std::string> make_cpio(const std::vector<CpioEntry>& entries) {
    std::string archive;
    std::set<std::string_view> names;
    for (const auto& entry : entries) {
        HAKO_CHECK(check_name(entry.name));
        if (!names.insert(entry.name).second)
            return fail(ErrorKind::invalid, "the initramfs has {} twice", entry.name);
        if (entry.content.size() > 0xffffffffU)
            return fail(ErrorKind::too_large, "{} is too large for a cpio archive", entry.name);
        append_entry(archive, names.size(), entry.mode, entry.name, entry.content);
    }
    append_entry(archive, 0, 0, kTrailer, "");
    return archive;
}

}  // namespace hako::init
