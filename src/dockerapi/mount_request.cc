#include "dockerapi/mount_request.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "dockerapi/container_request.h"

namespace hako::dockerapi {
namespace {

using engine::MountRequest;
using engine::MountType;
using Strings = std::vector<std::string>;

constexpr std::array<std::string_view, 6> kPropagations{"private", "rprivate", "shared",
                                                        "rshared", "slave",    "rslave"};

bool is_propagation(std::string_view text) {
    return std::ranges::find(kPropagations, text) != kPropagations.end();
}

// What a word of a mode is about, of which there is one; empty: no such word.
std::string_view subject_of(std::string_view word) {
    if (word == "ro" || word == "rw") return "access";
    if (word == "nocopy") return "copy";
    if (word == "z" || word == "Z") return "label";  // without effect, as the next ones
    if (word == "consistent" || word == "cached" || word == "delegated") return "consistency";
    return is_propagation(word) ? "propagation" : "";
}

Result<void> read_mode(std::string_view bind, std::string_view mode, MountRequest& mount) {
    mount.mode = mode;
    std::set<std::string_view> subjects;
    while (!mode.empty()) {
        const auto comma = mode.find(',');
        const auto word = mode.substr(0, comma);
        mode = comma == std::string_view::npos ? "" : mode.substr(comma + 1);
        const auto subject = subject_of(word);
        if (subject.empty() || !subjects.insert(subject).second)
            return fail(ErrorKind::invalid,
                        "invalid volume specification: '{}': invalid mode: {}{}", bind, word,
                        subject.empty() ? "" : fmt::format(": {} is said twice", subject));
        if (word == "ro") mount.read_only = true;
        if (word == "nocopy") mount.no_copy = true;
        if (subject == "propagation") mount.propagation = word;
    }
    return {};
}

// "SOURCE:TARGET[:MODE]"
Result<MountRequest> parse_bind(const std::string& text) {
    const auto first = text.find(':');
    const auto second = first == std::string::npos ? first : text.find(':', first + 1);
    MountRequest mount;
    mount.source = text.substr(0, first);
    if (first != std::string::npos) mount.target = text.substr(first + 1, second - first - 1);
    const std::string mode = second == std::string::npos ? "" : text.substr(second + 1);
    if (mount.source.empty() || mount.target.empty() || mode.find(':') != std::string::npos ||
        text.find('\0') != std::string::npos)
        return fail(ErrorKind::invalid,
                    "invalid volume specification: '{}': use "
                    "source:target[:options]",
                    text.substr(0, 256));
    HAKO_CHECK(read_mode(text, mode, mount));
    if (mount.source.starts_with('/')) {
        mount.type = MountType::bind;
        mount.make_source = true;
    }
    return mount;
}

Result<MountType> mount_type(const std::string& text) {
    for (const auto type : engine::kMountTypes)
        if (text == engine::to_string(type)) return type;
    constexpr std::string_view kUse = "use bind, volume, tmpfs or image";
    if (text == "npipe" || text == "cluster")
        return fail(ErrorKind::unimplemented, "mounts of type {} are not offered: {}", text, kUse);
    return fail(ErrorKind::invalid, "mount type unknown: \"{}\": {}", text, kUse);
}

Result<void> read_volume_options(const Json& options, MountRequest& mount) {
    HAKO_CHECK(read_field(options, "NoCopy", mount.no_copy));
    HAKO_CHECK(read_field(options, "Subpath", mount.subpath));
    HAKO_CHECK(read_field(options, "Labels", mount.labels));
    HAKO_TRY(const auto driver, json_field_or<Json>(options, "DriverConfig", Json::object()));
    HAKO_CHECK(read_field(driver, "Name", mount.driver));
    return read_field(driver, "Options", mount.driver_options);
}

Result<void> read_tmpfs_options(const Json& options, MountRequest& mount) {
    HAKO_TRY(const auto size, json_field_or<std::int64_t>(options, "SizeBytes", 0));
    HAKO_TRY(mount.tmpfs_mode, json_field_or<int>(options, "Mode", 0));
    if (size < 0 || mount.tmpfs_mode < 0 || mount.tmpfs_mode > 07777)
        return fail(ErrorKind::invalid, "field TmpfsOptions: a size or mode is out of range");
    mount.tmpfs_size = static_cast<std::uint64_t>(size);
    return {};
}

bool leaves(const std::string& subpath) {
    const auto normal = std::filesystem::path(subpath).lexically_normal();
    return !normal.empty() && *normal.begin() == "..";
}

Result<void> check_source(const MountRequest& mount) {
    const auto refuse = [&](std::string_view why) {
        return fail(ErrorKind::invalid, "invalid mount config for type \"{}\": {}",
                    engine::to_string(mount.type), why);
    };
    if (mount.target.empty()) return refuse("field Target must not be empty");
    if ((mount.source + mount.target + mount.subpath).find('\0') != std::string::npos)
        return refuse("a path holds a NUL byte");
    const bool needs_source = mount.type == MountType::bind || mount.type == MountType::image;
    if (needs_source && mount.source.empty()) return refuse("field Source must not be empty");
    if (mount.type == MountType::bind && !mount.source.starts_with('/'))
        return refuse("invalid mount path: '" + mount.source + "' mount path must be absolute");
    if (mount.type == MountType::tmpfs && !mount.source.empty())
        return refuse("field Source must not be specified");
    if (mount.subpath.starts_with('/'))
        return refuse(
            fmt::format("the subpath must be relative to the {}", engine::to_string(mount.type)));
    if (leaves(mount.subpath))
        return refuse(
            fmt::format("the subpath must not leave the {}", engine::to_string(mount.type)));
    return {};
}

Result<MountRequest> parse_mount(const Json& json) {
    MountRequest mount;
    HAKO_TRY(const auto type, json_field_or<std::string>(json, "Type", ""));
    HAKO_TRY(mount.type, mount_type(type));
    HAKO_CHECK(read_field(json, "Source", mount.source));
    HAKO_CHECK(read_field(json, "Target", mount.target));
    HAKO_CHECK(read_field(json, "ReadOnly", mount.read_only));
    HAKO_TRY(const auto bind, json_field_or<Json>(json, "BindOptions", Json::object()));
    HAKO_TRY(const auto volume, json_field_or<Json>(json, "VolumeOptions", Json::object()));
    HAKO_TRY(const auto tmpfs, json_field_or<Json>(json, "TmpfsOptions", Json::object()));
    HAKO_TRY(const auto image, json_field_or<Json>(json, "ImageOptions", Json::object()));
    if (mount.type == MountType::bind) {
        HAKO_CHECK(read_field(bind, "Propagation", mount.propagation));
        HAKO_CHECK(read_field(bind, "CreateMountpoint", mount.make_source));
        HAKO_TRY(const bool alone, json_field_or<bool>(bind, "NonRecursive", false));
        if (alone)
            return fail(ErrorKind::unimplemented,
                        "bind-recursive=disabled is not offered: what the host has mounted below "
                        "{} comes along, so mount the folders that the container needs one by one",
                        mount.source);
        if (!mount.propagation.empty() && !is_propagation(mount.propagation))
            return fail(ErrorKind::invalid, "invalid propagation mode: {}", mount.propagation);
    }
    if (mount.type == MountType::volume) HAKO_CHECK(read_volume_options(volume, mount));
    if (mount.type == MountType::tmpfs) HAKO_CHECK(read_tmpfs_options(tmpfs, mount));
    if (mount.type == MountType::image) HAKO_CHECK(read_field(image, "Subpath", mount.subpath));
    HAKO_CHECK(check_source(mount));
    return mount;
}

}  // namespace

Result<void> read_mounts(const Json& host, engine::HostConfig& config, Strings& warnings) {
    HAKO_TRY(const auto binds, json_field_or<Strings>(host, "Binds", {}));
    HAKO_TRY(const auto mounts, json_field_or<std::vector<Json>>(host, "Mounts", {}));
    HAKO_TRY(const auto driver, json_field_or<std::string>(host, "VolumeDriver", ""));
    HAKO_CHECK(read_field(host, "VolumesFrom", config.volumes_from));
    for (const auto& text : binds) {
        HAKO_TRY(auto mount, parse_bind(text));
        if (mount.type == MountType::volume) mount.driver = driver;
        config.mounts.push_back(std::move(mount));
    }
    for (const auto& json : mounts) {
        HAKO_TRY(auto mount, with_context(parse_mount(json), "field Mounts"));
        config.mounts.push_back(std::move(mount));
    }
    for (const auto& mount : config.mounts)
        if (mount.propagation.find("shared") != std::string::npos ||
            mount.propagation.find("slave") != std::string::npos)
            warnings.push_back(fmt::format(
                "The propagation {} of {} has no effect: mounts do not cross the border of a VM.",
                mount.propagation, mount.target));
    return {};
}

}  // namespace hako::dockerapi
