#include "vmm/kernel_image.h"

#include <elf.h>
#include <zlib.h>

#include <array>
#include <cstring>
#include <set>
#include <sstream>

#include "base/fd.h"
#include "base/units.h"

namespace hako::vmm {
namespace {

constexpr std::string_view kRequired =
#include "required_options.inc"
    ;

constexpr std::size_t kMaxImage = 512 * kMiB;
constexpr std::size_t kMaxConfig = 4 * kMiB;
constexpr std::uint32_t kPvhEntryNote = 18;  // XEN_ELFNOTE_PHYS32_ENTRY
constexpr std::string_view kConfigStart = "IKCFG_ST";
constexpr std::string_view kConfigEnd = "IKCFG_ED";
constexpr std::string_view kBanner = "Linux version ";

// A structure at an offset, if all of it is in the file.
template <typename T>
bool read_at(std::string_view image, std::uint64_t offset, T& value) {
    if (offset > image.size() || image.size() - offset < sizeof value) return false;
    std::memcpy(&value, image.data() + offset, sizeof value);
    return true;
}

bool has_pvh_note(std::string_view image, const Elf64_Phdr& segment) {
    const auto align = [](std::uint64_t value) { return (value + 3) / 4 * 4; };
    Elf64_Nhdr note{};
    for (std::uint64_t at = 0; at < segment.p_filesz && read_at(image, segment.p_offset + at, note);
         at += sizeof note + align(note.n_namesz) + align(note.n_descsz)) {
        std::array<char, 4> name{};
        if (note.n_type == kPvhEntryNote && note.n_namesz == name.size() &&
            read_at(image, segment.p_offset + at + sizeof note, name) &&
            std::string_view(name.data(), 3) == "Xen")
            return true;
    }
    return false;
}

Result<void> check_elf(std::string_view image) {
    Elf64_Ehdr header{};
    if (!read_at(image, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return fail(ErrorKind::invalid,
                    "it is no ELF file: hako wants the uncompressed vmlinux, not a bzImage");
    if (header.e_machine != EM_X86_64 || header.e_ident[EI_CLASS] != ELFCLASS64)
        return fail(ErrorKind::invalid, "it is not made for x86-64");
    for (int i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        const auto offset = header.e_phoff + static_cast<std::uint64_t>(i) * sizeof segment;
        if (!read_at(image, offset, segment) || segment.p_offset > image.size() ||
            segment.p_filesz > image.size() - segment.p_offset)
            return fail(ErrorKind::invalid, "it is truncated");
        if (segment.p_type == PT_NOTE && has_pvh_note(image, segment)) return {};
    }
    return fail(ErrorKind::invalid, "it has no PVH entry: build it with CONFIG_PVH=y");
}

Result<std::string> gunzip(std::string_view packed) {
    z_stream stream{};
    if (::inflateInit2(&stream, 15 + 16) != Z_OK)  // 16: a gzip header
        return fail(ErrorKind::exhausted, "zlib has no memory");
    std::string text(kMaxConfig, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(text.data());
    stream.avail_out = static_cast<uInt>(text.size());
    const int status = ::inflate(&stream, Z_FINISH);
    text.resize(stream.total_out);
    ::inflateEnd(&stream);
    if (status != Z_STREAM_END)
        return fail(ErrorKind::invalid, "its embedded configuration is damaged");
    return text;
}

Result<std::string> embedded_config(std::string_view image) {
    const auto start = image.find(kConfigStart);
    const auto end = start == std::string_view::npos ? start : image.find(kConfigEnd, start);
    if (end == std::string_view::npos)
        return fail(ErrorKind::invalid,
                    "it does not carry its configuration, so hako cannot tell whether containers "
                    "will work with it: build it with CONFIG_IKCONFIG=y");
    const auto first = start + kConfigStart.size();
    return gunzip(image.substr(first, end - first));
}

std::string version_of(std::string_view image) {
    const auto start = image.find(kBanner);
    if (start == std::string_view::npos) return "unknown";
    const auto rest = image.substr(start + kBanner.size(), 128);
    return std::string(rest.substr(0, rest.find_first_of(std::string_view(" \n\0", 3))));
}

}  // namespace

Result<KernelImage> read_kernel_image(const std::filesystem::path& vmlinux) {
    const auto sentence = fmt::format("{} is not a kernel for hako", vmlinux.native());
    HAKO_TRY(const std::string image, read_file(vmlinux, kMaxImage));
    HAKO_CHECK(with_context(check_elf(image), sentence));
    HAKO_TRY(auto config, with_context(embedded_config(image), sentence));
    return KernelImage{.version = version_of(image), .config = std::move(config)};
}

std::vector<std::string> missing_options(std::string_view config) {
    std::set<std::string, std::less<>> built_in;
    std::istringstream lines{std::string(config)};
    for (std::string line; std::getline(lines, line);)
        if (line.ends_with("=y")) built_in.insert(line.substr(0, line.size() - 2));

    std::vector<std::string> missing;
    std::istringstream required{std::string(kRequired)};
    for (std::string line; std::getline(required, line);) {
        if (line.empty() || line.front() == '#') continue;
        const auto blank = line.find_first_of(" \t");
        const std::string names = line.substr(0, blank);
        std::istringstream alternatives(names);
        bool found = false;
        for (std::string name; std::getline(alternatives, name, '|');)
            found = found || built_in.contains(name);
        if (found) continue;
        const auto reason = line.find_first_not_of(" \t", blank);
        missing.push_back(reason == std::string::npos
                              ? names
                              : fmt::format("{} ({})", names, line.substr(reason)));
    }
    return missing;
}

}  // namespace hako::vmm
