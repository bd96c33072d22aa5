#include "init/vmexec/changes.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/fd.h"
#include "init/vmexec/tar_creation.h"

namespace hako::init {
namespace {

Fd open_folder(int parent, const std::string& name) {
    return Fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Which entries of the upper directory are ours, not the container's.
class Hidden {
public:
    explicit Hidden(const Overlay& overlay)
        : paths_(overlay.hidden.begin(), overlay.hidden.end()) {}

    bool hides(int parent, const std::string& name, const std::string& as) const {
        if (paths_.contains("/" + as)) return true;
        // Without one below it, a folder need not be looked into.
        const auto below = paths_.lower_bound("/" + as + "/");
        if (below == paths_.end() || !below->starts_with("/" + as + "/")) return false;
        const Fd folder = open_folder(parent, name);
        if (!folder) return false;
        const auto children = list_folder(folder.get());
        if (!children || children->empty()) return false;
        return std::ranges::all_of(*children, [&](const std::string& child) {
            return hides(folder.get(), child, as + "/" + child);
        });
    }

private:
    std::set<std::string> paths_;
};

class Listing {
public:
    Listing(const Hidden& hidden, Fd lower, int out)
        : hidden_(hidden), lower_(std::move(lower)), out_(out) {}

    Result<void> list(int folder, const std::string& path) {
        HAKO_TRY(const auto names, list_folder(folder));
        for (const auto& name : names)
            HAKO_CHECK(list_one(folder, name, path.empty() ? name : path + "/" + name));
        return {};
    }
    Result<void> finish() { return write_all(out_, std::exchange(text_, {})); }

private:
    static constexpr std::size_t kFlushAt = 64U << 10U;

    Result<void> list_one(int parent, const std::string& name, const std::string& path) {
        if (hidden_.hides(parent, name, path)) return {};
        struct stat state {};
        if (::fstatat(parent, name.c_str(), &state, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? Result<void>() : fail_errno(errno, "cannot look at {}", path);
        const char kind = is_whiteout(state) ? 'D' : is_below(path) ? 'C' : 'A';
        text_ += fmt::format("{}/{}", kind, path);
        text_ += '\0';
        if (text_.size() >= kFlushAt) HAKO_CHECK(finish());
        if (!S_ISDIR(state.st_mode)) return {};
        const Fd folder = open_folder(parent, name);
        if (!folder) return fail_errno(errno, "cannot open {}", path);
        return list(folder.get(), path);
    }

    // Links are not followed: what lies behind one is no part of the image at this path.
    bool is_below(const std::string& path) const {
        open_how how{};
        how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
        how.resolve = RESOLVE_NO_SYMLINKS;
        const Fd found(static_cast<int>(
            ::syscall(SYS_openat2, lower_.get(), path.c_str(), &how, sizeof(how))));
        return static_cast<bool>(found);
    }

    const Hidden& hidden_;
    const Fd lower_;
    const int out_;
    std::string text_;
};

}  // namespace

Result<void> list_changes(const Overlay& overlay, int fd) {
    HAKO_TRY(const Fd upper, open_file(overlay.upper, O_RDONLY | O_DIRECTORY));
    HAKO_TRY(Fd lower, open_file(overlay.lower, O_RDONLY | O_DIRECTORY));
    const Hidden hidden(overlay);
    Listing listing(hidden, std::move(lower), fd);
    HAKO_CHECK(listing.list(upper.get(), ""));
    return listing.finish();
}

Result<void> create_layer(const Overlay& overlay, int fd) {
    HAKO_TRY(const Fd upper, open_file(overlay.upper, O_RDONLY | O_DIRECTORY));
    const Hidden hidden(overlay);
    HAKO_TRY(auto tar,
             TarCreation::begin(
                 fd, {.layer = true, .skips = [&](int parent, const auto& name, const auto& as) {
                          return hidden.hides(parent, name, as);
                      }}));
    HAKO_CHECK(tar.add_children(upper.get(), ""));
    return tar.finish();
}

}  // namespace hako::init
