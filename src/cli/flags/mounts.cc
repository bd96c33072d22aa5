// --volume and --mount.
#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "base/units.h"
#include "cli/flags/values.h"

namespace hako::cli {
namespace {

std::string absolute(std::string_view path) {
    std::error_code error;
    auto whole = std::filesystem::absolute(path, error);
    return error ? std::string(path) : whole.lexically_normal().string();
}

bool is_true(std::string_view value) { return value.empty() || value == "true" || value == "1"; }

using MountSetter = Result<void> (*)(Json& mount, std::string_view value);

template <const char* Pointer>
Result<void> set_text(Json& mount, std::string_view value) {
    mount[Json::json_pointer(Pointer)] = std::string(value);
    return {};
}
template <const char* Pointer>
Result<void> set_flag(Json& mount, std::string_view value) {
    mount[Json::json_pointer(Pointer)] = is_true(value);
    return {};
}

constexpr char kType[] = "/Type";
constexpr char kSource[] = "/Source";
constexpr char kTarget[] = "/Target";
constexpr char kReadOnly[] = "/ReadOnly";
constexpr char kConsistency[] = "/Consistency";
constexpr char kPropagation[] = "/BindOptions/Propagation";
constexpr char kNoCopy[] = "/VolumeOptions/NoCopy";
constexpr char kSubpath[] = "/VolumeOptions/Subpath";
constexpr char kImageSubpath[] = "/ImageOptions/Subpath";
constexpr char kDriver[] = "/VolumeOptions/DriverConfig/Name";

struct Key {
    std::string_view name;
    MountSetter set;
};
constexpr Key kKeys[] = {
    {"type", set_text<kType>},
    {"source", set_text<kSource>},
    {"src", set_text<kSource>},
    {"target", set_text<kTarget>},
    {"dst", set_text<kTarget>},
    {"destination", set_text<kTarget>},
    {"readonly", set_flag<kReadOnly>},
    {"ro", set_flag<kReadOnly>},
    {"consistency", set_text<kConsistency>},
    {"bind-propagation", set_text<kPropagation>},
    {"volume-nocopy", set_flag<kNoCopy>},
    {"volume-subpath", set_text<kSubpath>},
    {"image-subpath", set_text<kImageSubpath>},
    {"volume-driver", set_text<kDriver>},
    {"tmpfs-size",
     [](Json& mount, std::string_view value) -> Result<void> {
         HAKO_TRY(mount["TmpfsOptions"]["SizeBytes"], parse_bytes(value));
         return {};
     }},
    {"tmpfs-mode",
     [](Json& mount, std::string_view value) -> Result<void> {
         constexpr int kOctal = 8;
         const std::string digits(value);
         if (digits.empty() || digits.find_first_not_of("01234567") != std::string::npos ||
             digits.size() > 5)
             return fail(ErrorKind::invalid, "tmpfs-mode {} is no octal mode", value);
         mount["TmpfsOptions"]["Mode"] = std::stoi(digits, nullptr, kOctal);
         return {};
     }},
};

}  // namespace

Result<std::string> parse_volume(const std::string& text) {
    const auto colon = text.find(':');
    if (text.empty() || colon == 0)
        return fail(ErrorKind::invalid, "write [SOURCE:]TARGET[:OPTIONS]");
    if (colon == std::string::npos) return text;
    const std::string_view source = std::string_view(text).substr(0, colon);
    const bool relative =
        source == "." || source == ".." || source.starts_with("./") || source.starts_with("../");
    return relative ? absolute(source) + text.substr(colon) : text;
}

Result<std::string> parse_published_socket(const std::string& text) {
    const auto colon = text.find(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == text.size())
        return fail(ErrorKind::invalid, "write HOST:CONTAINER, two paths");
    return absolute(text.substr(0, colon)) + text.substr(colon);
}

Result<Json> parse_mount(std::string_view text) {
    Json mount = {{"Type", "volume"}};
    for (const auto part : split(text, ',')) {
        auto [name, value] = split_pair(part);
        const auto key = std::ranges::find(kKeys, name, &Key::name);
        if (key == std::end(kKeys))
            return fail(ErrorKind::invalid, "unexpected key '{}' in '{}'", name, part);
        HAKO_CHECK(key->set(mount, value));
    }
    if (mount["Type"] == "bind" && mount.contains("Source"))
        mount["Source"] = absolute(mount["Source"].get<std::string>());
    if (!mount.contains("Target")) return fail(ErrorKind::invalid, "target is required");
    return mount;
}

}  // namespace hako::cli
