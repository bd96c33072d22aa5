#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "base/log.h"
#include "base/paths.h"
#include "engine/volumes.h"

namespace hako::engine {
namespace {

namespace fs = std::filesystem;

// "/a//b/../c/" is "/a/c".
std::string normal(const std::string& path) {
    auto text = fs::path(path).lexically_normal().string();
    if (text.size() > 1 && text.ends_with('/')) text.pop_back();
    return text;
}

Result<void> check_target(std::string_view target) {
    if (!target.starts_with('/') || target.find('\0') != std::string_view::npos)
        return fail(ErrorKind::invalid, "invalid mount path: '{}' mount path must be absolute",
                    target);
    if (normal(std::string(target)) == "/")
        return fail(ErrorKind::invalid,
                    "invalid specification: destination can't be '/': choose a folder in the "
                    "container");
    return {};
}

// Clients take not_found for a missing image.
Error as_invalid(const Error& error) {
    return error.kind() == ErrorKind::not_found ? Error(ErrorKind::invalid, error.message())
                                                : error;
}

class Resolver {
public:
    explicit Resolver(Context& context) : context_(context) {}

    Result<std::vector<MountPoint>> run(const HostConfig& host,
                                        const std::vector<std::string>& volumes) {
        for (const auto& [target, options] : host.tmpfs) tmpfs_.insert(normal(target));
        const auto resolved = [&]() -> Result<void> {
            for (const auto& from : host.volumes_from) HAKO_CHECK(take_from(from));
            inherited_ = points_.size();
            for (const auto& request : host.mounts) HAKO_CHECK(add(request));
            for (const auto& target : volumes)
                if (!covers(normal(target))) HAKO_CHECK(add({.target = target}));
            return {};
        }();
        if (resolved) return std::move(points_);
        remove_anonymous_volumes(context_, points_);
        return fail(resolved.error());
    }

private:
    bool covers(const std::string& target) const {
        return tmpfs_.contains(target) || std::ranges::any_of(points_, [&](const auto& point) {
                   return point.target == target;
               });
    }

    // "container[:ro|rw]"
    Result<void> take_from(const std::string& text) {
        const auto colon = text.find(':');
        const auto mode = colon == std::string::npos ? "rw" : text.substr(colon + 1);
        if (mode != "ro" && mode != "rw" && mode != "z" && mode != "Z")
            return fail(ErrorKind::invalid, "invalid mode for volumes-from: {}: use ro or rw",
                        mode);
        const auto entry = context_.registry.find(text.substr(0, colon));
        if (!entry) return fail(as_invalid(entry.error()));
        for (auto point : (*entry)->live.lock()->container.mounts) {
            if (point.type == MountType::tmpfs || covers(point.target)) continue;
            point.read_only = point.read_only || mode == "ro";
            point.anonymous = false;  // it is its container's to remove
            points_.push_back(std::move(point));
        }
        return {};
    }

    Result<void> add(const MountRequest& request) {
        HAKO_CHECK(check_target(request.target));
        MountPoint point{.type = request.type,
                         .target = normal(request.target),
                         .mode = request.mode,
                         .propagation = request.propagation,
                         .subpath = request.subpath,
                         .read_only = request.read_only};
        const auto refuse = [&] {
            return fail(ErrorKind::invalid, "Duplicate mount point: {}", point.target);
        };
        if (tmpfs_.contains(point.target)) return refuse();
        // What the request says wins over what another container has there.
        for (std::size_t i = 0; i < points_.size(); ++i) {
            if (points_[i].target != point.target) continue;
            if (i >= inherited_) return refuse();
            points_.erase(points_.begin() + static_cast<std::ptrdiff_t>(i));
            --inherited_;
            break;
        }
        if (request.type == MountType::volume) HAKO_CHECK(find_volume(request, point));
        if (request.type == MountType::bind) HAKO_CHECK(find_source(request, point));
        if (request.type == MountType::image) HAKO_CHECK(find_image(request, point));
        if (request.type == MountType::tmpfs) {
            point.tmpfs_options =
                fmt::format("mode={:o}", request.tmpfs_mode != 0 ? request.tmpfs_mode : 01777);
            if (request.tmpfs_size != 0)
                point.tmpfs_options += fmt::format(",size={}", request.tmpfs_size);
            if (request.read_only) point.tmpfs_options += ",ro";
        }
        points_.push_back(std::move(point));
        return {};
    }

    Result<void> find_volume(const MountRequest& request, MountPoint& point) {
        volume::Volume wanted{
            .name = request.source, .options = request.driver_options, .labels = request.labels};
        if (!request.driver.empty()) wanted.driver = request.driver;
        if (wanted.name.empty()) {
            wanted.name = random_id();
            wanted.anonymous = true;
            wanted.labels["com.docker.volume.anonymous"] = "";
        } else if (request.driver.empty()) {
            // Whatever driver it has.
            if (const auto known = context_.volumes.find(wanted.name))
                wanted.driver = known->driver;
        }
        point.anonymous = wanted.anonymous;
        const auto made = context_.volumes.create(std::move(wanted));
        if (!made) return fail(as_invalid(made.error()));
        if (made->is_new) emit_volume(context_, made->volume, "create");
        point.name = made->volume.name;
        point.driver = made->volume.driver;
        point.source = context_.volumes.data(made->volume).string();
        const bool read_only = volume::is_read_only(made->volume);
        point.read_only = point.read_only || read_only;
        point.copy_up = !request.no_copy && !read_only && request.subpath.empty();
        return {};
    }

    // Nobody writes to it, whatever the request says, as under Docker.
    Result<void> find_image(const MountRequest& request, MountPoint& point) {
        const auto image = context_.world.images->find(request.source, std::nullopt);
        if (!image && image.error().kind() == ErrorKind::not_found)
            return fail(ErrorKind::invalid, "{}: pull it first", image.error().message());
        if (!image) return fail(image.error());
        point.name = image->id;
        point.source = request.source;
        point.read_only = true;
        return {};
    }

    static Result<void> find_source(const MountRequest& request, MountPoint& point) {
        point.source = normal(request.source);
        point.make_source = request.make_source;
        if (point.make_source) return make_bind_source(point);
        std::error_code error;
        if (fs::exists(request.source, error)) return {};
        return fail(ErrorKind::invalid,
                    "invalid mount config for type \"bind\": bind source path does not exist: {}",
                    request.source);
    }

    Context& context_;
    std::vector<MountPoint> points_;
    std::set<std::string> tmpfs_;  // targets of --tmpfs, which are no mount points for inspect
    std::size_t inherited_ = 0;    // so many of them, the first, are other containers'
};

}  // namespace

std::string_view to_string(MountType type) {
    switch (type) {
        case MountType::bind: return "bind";
        case MountType::volume: return "volume";
        case MountType::tmpfs: return "tmpfs";
        case MountType::image: return "image";
    }
    return "volume";
}

std::vector<std::string> warnings_of_mounts(const std::vector<MountPoint>& mounts) {
    std::vector<std::string> warnings;
    for (const auto& mount : mounts) {
        struct statfs state {};
        if (mount.type != MountType::bind || ::statfs(mount.source.c_str(), &state) != 0 ||
            state.f_type != PROC_SUPER_MAGIC)
            continue;
        warnings.push_back(
            fmt::format("The files of {} read as empty in {}: procfs tells no sizes, and the "
                        "container's VM reads by them.",
                        mount.source, mount.target));
    }
    return warnings;
}

Result<void> make_bind_source(const MountPoint& mount) {
    std::error_code error;
    if (!mount.make_source || fs::exists(mount.source, error)) return {};
    return with_context(make_folders(mount.source, 0755),
                        fmt::format("error while creating mount source path '{}'", mount.source));
}

Result<std::vector<MountPoint>> resolve_mounts(Context& context, const HostConfig& host,
                                               const std::vector<std::string>& volumes) {
    return Resolver(context).run(host, volumes);
}

}  // namespace hako::engine
