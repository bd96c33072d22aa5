// The merged file tree of an image, built from layer indexes bottom-first (OCI image spec 1.0,
// "Applying Changesets").
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fsimage/index.h"
#include "fsimage/name_table.h"
#include "fsimage/tar/entry.h"

namespace hako::fsimage {

using InodeId = std::uint32_t;

// A file, whatever its names. Texts are borrowed from the layer indexes.
struct Inode {
    EntryType type = EntryType::directory;  // never hardlink, whiteout, opaque
    std::uint32_t mode = 0755;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    Timestamp mtime;
    std::uint64_t size = 0;
    std::uint64_t block = 0;  // in the data blob of that layer
    std::uint32_t layer = 0;
    std::string_view link;
    std::string_view xattrs;
};

// A name in a directory.
struct Node {
    std::string_view name;
    InodeId inode = 0;
    NodeId parent = kNoNode;
    NodeId previous = kNoNode;  // siblings, in no order
    NodeId next = kNoNode;
    NodeId first_child = kNoNode;  // of directories
    DirectoryId directory = 0;     // 0 for all else
};

// Rules beyond the specification, as containerd and umoci have them:
// - Whiteouts hide what lower layers have, whatever their place in their own layer.
// - A directory over a directory keeps its contents; anything else replaces all that was there.
// - Folders that no entry names are 0755, 0:0, of 1970.
// - A symbolic link inside the path of an entry is followed within the tree, where ".." stops at
//   the root; the last component never is. Where it leads to nothing folders are made, where it
//   leads to a file that is replaced by one.
// - A hard link shares the inode that its target has at that moment, and its own metadata is
//   ignored. No target, or a folder as target, is ErrorKind::invalid.
class Tree {
public:
    Tree();
    void reserve(std::uint64_t entries);
    // `layer` counts from the bottom and goes into the inodes. The index must outlive the tree.
    Result<void> apply(const LayerIndex& index, std::uint32_t layer);

    static constexpr NodeId kRoot = 0;
    const Node& node(NodeId id) const { return nodes_[id]; }
    const Inode& inode(InodeId id) const { return inodes_[id]; }
    const Inode& inode_of(NodeId id) const { return inodes_[nodes_[id].inode]; }
    std::size_t inodes() const { return inodes_.size(); }  // those without a name included

private:
    Result<void> apply_whiteouts(const LayerIndex& index);
    Result<void> add(const IndexEntry& entry, std::uint32_t layer, NodeId parent);
    Result<void> place(NodeId parent, std::string_view name, InodeId inode);
    Result<void> link(NodeId parent, const IndexEntry& entry);

    enum class Missing { create, leave };
    // The directory that a path leads to; kNoNode where nothing is there and it is to be left so.
    Result<NodeId> resolve(std::string_view path, Missing missing);
    Result<NodeId> make_directory(NodeId parent, std::string_view name);

    Result<InodeId> new_inode(const Inode& inode);
    Result<NodeId> new_node(NodeId parent, std::string_view name, InodeId inode);
    void detach(NodeId id);
    void clear_directory(NodeId id);
    DirectoryId new_directory() { return ++directories_; }

    std::vector<Node> nodes_;
    std::vector<Inode> inodes_;
    NameTable names_;
    DirectoryId directories_ = 0;
};

}  // namespace hako::fsimage
