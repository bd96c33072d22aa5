#include "volume/volume.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <vector>

#include "volume/options.h"

namespace hako::volume {
namespace {

constexpr std::size_t kMaxName = 200;  // it names a folder
constexpr std::array<std::string_view, 8> kNothing{"defaults",   "rw",    "atime",   "diratime",
                                                   "norelatime", "async", "private", "rprivate"};
// Nor do these where a folder is shared as it is.
constexpr std::array<std::string_view, 4> kOfAMount{"noatime", "nodiratime", "relatime",
                                                    "strictatime"};
constexpr std::array<std::string_view, 3> kRestrictions{"noexec", "nosuid", "nodev"};
constexpr std::uint64_t kDefaultDisk = 64 * kGiB;
constexpr std::uint64_t kLeastDisk = 16 * kMiB;
constexpr std::uint64_t kLargestDisk = 16 * 1024 * kGiB;

Result<void> check_name(std::string_view name) {
    const auto fine = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
    };
    if (name.size() == 1)
        return fail(ErrorKind::invalid,
                    "volume name is too short, names should be at least two "
                    "alphanumeric characters");
    if (name.size() > kMaxName)
        return fail(ErrorKind::invalid, "the volume name has {} characters: use at most {}",
                    name.size(), kMaxName);
    if (name.empty() || std::isalnum(static_cast<unsigned char>(name.front())) == 0 ||
        !std::ranges::all_of(name, fine))
        return fail(ErrorKind::invalid,
                    "create {0}: \"{0}\" includes invalid characters for a local volume name, only "
                    "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host "
                    "directory, use absolute path",
                    name);
    return {};
}

bool is_bind(std::string_view word) { return word == "bind" || word == "rbind"; }

bool contains(const auto& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

Result<void> check_folder_options(const StringMap& options) {
    const auto words = words_of(value_of(options, "o"));
    if (std::ranges::none_of(words, is_bind))
        return fail(ErrorKind::invalid,
                    "the volume options name neither a folder of the host (type=none, o=bind, "
                    "device=FOLDER) nor the type of a file system (type=tmpfs, device=tmpfs)");
    for (const auto word : words)
        if (!is_bind(word) && word != "ro" && !means_nothing(word) && !is_restriction(word) &&
            !contains(kOfAMount, word))
            return fail(ErrorKind::invalid,
                        "the word {} of the volume option o is not offered for a folder: use bind, "
                        "ro for a volume that nobody may write to, noexec, nosuid or nodev",
                        word);
    if (const auto device = value_of(options, "device");
        !std::filesystem::path(device).is_absolute())
        return fail(ErrorKind::invalid, "the volume option device is no absolute path: \"{}\"",
                    device);
    return {};
}

// As mount(8) would take them.
Result<void> check_local_options(const StringMap& options) {
    for (const auto& [name, text] : options) {
        if (name != "type" && name != "o" && name != "device")
            return fail(ErrorKind::invalid,
                        "the volume option {} is not known: local takes type, o and device, and "
                        "--driver block takes size",
                        name);
        if (text.find('\0') != std::string::npos)
            return fail(ErrorKind::invalid, "the volume option {} holds a NUL byte", name);
    }
    if (options.empty()) return {};
    const auto type = value_of(options, "type");
    if (type.empty() || type == "none") return check_folder_options(options);
    if (value_of(options, "device").empty())
        return fail(ErrorKind::invalid,
                    "missing required option: \"device\": what a file system of the type {} is "
                    "mounted from (for tmpfs: tmpfs)",
                    type);
    return {};
}

}  // namespace

std::string_view value_of(const StringMap& options, const char* name) {
    const auto found = options.find(name);
    return found == options.end() ? std::string_view() : std::string_view(found->second);
}

// "bind,ro"
std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    while (!text.empty()) {
        const auto comma = text.find(',');
        if (comma != 0) words.push_back(text.substr(0, comma));
        text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    }
    return words;
}

bool means_nothing(std::string_view word) { return contains(kNothing, word); }

bool is_restriction(std::string_view word) {
    return contains(kRestrictions, word) ||
           std::ranges::any_of(kRestrictions, [&](auto one) { return one.substr(2) == word; });
}

std::vector<std::string> restrictions_of(const Volume& volume) {
    std::vector<std::string> all;
    for (const auto word : words_of(value_of(volume.options, "o"))) {
        if (!is_restriction(word)) continue;
        const auto one = word.starts_with("no") ? std::string(word) : fmt::format("no{}", word);
        std::erase(all, one);  // the last one holds
        if (word == one) all.push_back(one);
    }
    return all;
}

bool is_read_only(const Volume& volume) {
    bool read_only = false;
    for (const auto word : words_of(value_of(volume.options, "o")))  // the last one holds
        if (word == "ro" || word == "rw") read_only = word == "ro";
    return read_only;
}

Result<std::uint64_t> disk_size(const Volume& volume) {
    const auto found = volume.options.find("size");
    if (found == volume.options.end()) return kDefaultDisk;
    HAKO_TRY(const auto size, with_context(parse_bytes(found->second), "volume option size"));
    if (size < kLeastDisk || size > kLargestDisk)
        return fail(ErrorKind::invalid, "the volume option size must be from 16m to 16t, not {}",
                    found->second);
    return size;
}

Result<void> validate(const Volume& volume) {
    HAKO_CHECK(check_name(volume.name));
    for (const auto& [name, value] : volume.labels)
        if (name.empty() || (name + value).find('\0') != std::string::npos)
            return fail(ErrorKind::invalid, "a label has no name or holds a NUL byte");
    if (volume.driver == kLocal) return check_local_options(volume.options);
    if (volume.driver != kBlock)
        return fail(ErrorKind::not_found,
                    "error looking up volume plugin {0}: plugin \"{0}\" not found: the drivers are "
                    "local and block",
                    volume.driver);
    for (const auto& [name, value] : volume.options)
        if (name != "size")
            return fail(ErrorKind::invalid,
                        "the volume option {} is not known: the driver block takes size", name);
    HAKO_CHECK(disk_size(volume));
    return {};
}

}  // namespace hako::volume
