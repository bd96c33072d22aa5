#include "vmm/mount_tree.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <cerrno>

namespace hako::vmm {

Result<Fd> clone_mounts(int fd, std::uint64_t attributes) {
    Fd tree(
        ::open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH));
    if (!tree) return fail_errno(errno, "cannot copy a mount");
    mount_attr change{};
    change.attr_set = attributes;
    if (attributes != 0 &&
        ::mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &change, sizeof change) != 0)
        return fail_errno(errno, "cannot change a mount's attributes");
    return tree;
}

Result<void> attach_mounts(const Fd& tree, const std::filesystem::path& target) {
    if (::move_mount(tree.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return fail_errno(errno, "cannot put a mount onto {}", target.native());
    return {};
}

}  // namespace hako::vmm
