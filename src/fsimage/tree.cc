#include "fsimage/tree.h"

#include <algorithm>
#include <string>

namespace hako::fsimage {
namespace {

// In all layers together, replaced ones included; each takes about 250 bytes.
constexpr std::size_t kMaxInodes = 4U << 20U;
constexpr int kMaxSymlinks = 255;

// Cuts the first component off.
std::string_view pop_component(std::string_view& path) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path = slash == std::string_view::npos ? "" : path.substr(slash + 1);
    return name;
}

std::string join(std::string_view parent, std::string_view name) {
    return fmt::format("{}{}/{}", parent.empty() ? "" : "/", parent, name);
}

Inode make_inode(const IndexEntry& entry, std::uint32_t layer) {
    return {entry.type,  entry.mode, entry.uid,   entry.gid, entry.major, entry.minor,
            entry.mtime, entry.size, entry.block, layer,     entry.link,  entry.xattrs};
}

}  // namespace

Tree::Tree() {
    inodes_.emplace_back();
    nodes_.push_back({.parent = kRoot, .directory = new_directory()});
}

void Tree::reserve(std::uint64_t entries) {
    const std::size_t count = std::min<std::uint64_t>(entries, kMaxInodes) + 1;
    nodes_.reserve(count);
    inodes_.reserve(count);
    names_.reserve(count);
}

Result<void> Tree::apply(const LayerIndex& index, std::uint32_t layer) {
    if (index.whiteouts() > 0) HAKO_CHECK(apply_whiteouts(index));
    NodeId parent = kRoot;
    LayerIndex::Cursor cursor = index.entries();
    for (;;) {
        HAKO_TRY(const auto entry, cursor.next());
        if (!entry) return {};
        if (entry->type == EntryType::whiteout || entry->type == EntryType::opaque) {
            // The next entry may lean on this one's parent, which need not exist.
            parent = kNoNode;
            continue;
        }
        // What goes into a directory never removes that directory, so it stays good.
        if (!entry->same_parent || parent == kNoNode) {
            HAKO_TRY(parent, resolve(entry->parent, Missing::create));
        }
        HAKO_CHECK(add(*entry, layer, parent));
    }
}

Result<void> Tree::apply_whiteouts(const LayerIndex& index) {
    LayerIndex::Cursor cursor = index.entries();
    for (;;) {
        HAKO_TRY(const auto entry, cursor.next());
        if (!entry) return {};
        if (entry->type != EntryType::whiteout && entry->type != EntryType::opaque) continue;
        HAKO_TRY(const NodeId parent, resolve(entry->parent, Missing::leave));
        if (parent == kNoNode) continue;
        if (entry->type == EntryType::opaque) {
            clear_directory(parent);
        } else {
            const NodeId hidden = names_.find(nodes_[parent].directory, entry->name);
            if (hidden != kNoNode) detach(hidden);
        }
    }
}

Result<void> Tree::add(const IndexEntry& entry, std::uint32_t layer, NodeId parent) {
    if (entry.type == EntryType::hardlink) return link(parent, entry);
    if (entry.name.empty()) {
        inodes_[nodes_[kRoot].inode] = make_inode(entry, layer);
        return {};
    }
    const NodeId existing = names_.find(nodes_[parent].directory, entry.name);
    if (existing != kNoNode && entry.type == EntryType::directory &&
        inode_of(existing).type == EntryType::directory) {
        inodes_[nodes_[existing].inode] = make_inode(entry, layer);
        return {};
    }
    HAKO_TRY(const InodeId inode, new_inode(make_inode(entry, layer)));
    return place(parent, entry.name, inode);
}

// Gives the name to the inode, whatever had it before.
Result<void> Tree::place(NodeId parent, std::string_view name, InodeId inode) {
    const NodeId existing = names_.find(nodes_[parent].directory, name);
    if (existing != kNoNode) {
        Node& node = nodes_[existing];
        node.inode = inode;
        node.first_child = kNoNode;
        node.directory = inodes_[inode].type == EntryType::directory ? new_directory() : 0;
        return {};
    }
    HAKO_CHECK(new_node(parent, name, inode));
    return {};
}

Result<void> Tree::link(NodeId parent, const IndexEntry& entry) {
    std::string_view directory;
    std::string_view name = entry.link;
    if (const std::size_t slash = name.rfind('/'); slash != std::string_view::npos) {
        directory = name.substr(0, slash);
        name = name.substr(slash + 1);
    }
    HAKO_TRY(const NodeId target_parent, resolve(directory, Missing::leave));
    const NodeId target =
        target_parent == kNoNode ? kNoNode : names_.find(nodes_[target_parent].directory, name);
    if (target == kNoNode)
        return fail(ErrorKind::invalid, "the layer has a hard link {} to {}, which is not there",
                    join(entry.parent, entry.name), entry.link);
    if (inode_of(target).type == EntryType::directory)
        return fail(ErrorKind::invalid, "the layer has a hard link {} to the folder {}",
                    join(entry.parent, entry.name), entry.link);
    return place(parent, entry.name, nodes_[target].inode);
}

Result<NodeId> Tree::resolve(std::string_view path, Missing missing) {
    NodeId at = kRoot;
    int symlinks = 0;
    std::vector<std::string_view> walk{path};  // the last is walked first
    while (!walk.empty()) {
        if (walk.back().empty()) {
            walk.pop_back();
            continue;
        }
        const std::string_view name = pop_component(walk.back());
        if (name.empty() || name == ".") continue;
        if (name == "..") {
            at = nodes_[at].parent;
            continue;
        }
        const NodeId found = names_.find(nodes_[at].directory, name);
        const EntryType type = found == kNoNode ? EntryType::whiteout : inode_of(found).type;
        if (type == EntryType::directory) {
            at = found;
        } else if (type == EntryType::symlink) {
            if (++symlinks > kMaxSymlinks)
                return fail(ErrorKind::invalid,
                            "the layer has a file in /{}, a loop of symbolic links", path);
            walk.push_back(inode_of(found).link);
            if (walk.back().starts_with('/')) at = kRoot;
        } else if (missing == Missing::create) {
            HAKO_TRY(at, make_directory(at, name));
        } else {
            return kNoNode;
        }
    }
    return at;
}

Result<NodeId> Tree::make_directory(NodeId parent, std::string_view name) {
    HAKO_TRY(const InodeId inode, new_inode({}));
    HAKO_CHECK(place(parent, name, inode));
    return names_.find(nodes_[parent].directory, name);
}

Result<InodeId> Tree::new_inode(const Inode& inode) {
    if (inodes_.size() >= kMaxInodes)
        return fail(ErrorKind::too_large, "the image has more than {} files and folders",
                    kMaxInodes);
    inodes_.push_back(inode);
    return static_cast<InodeId>(inodes_.size() - 1);
}

Result<NodeId> Tree::new_node(NodeId parent, std::string_view name, InodeId inode) {
    if (nodes_.size() >= kMaxInodes)
        return fail(ErrorKind::too_large, "the image has more than {} names", kMaxInodes);
    const auto id = static_cast<NodeId>(nodes_.size());
    Node node{.name = name, .inode = inode, .parent = parent};
    node.next = nodes_[parent].first_child;
    if (inodes_[inode].type == EntryType::directory) node.directory = new_directory();
    nodes_.push_back(node);
    if (node.next != kNoNode) nodes_[node.next].previous = id;
    nodes_[parent].first_child = id;
    names_.insert(nodes_[parent].directory, name, id);
    return id;
}

// Takes the name away; what lies below goes with it.
void Tree::detach(NodeId id) {
    const Node& node = nodes_[id];
    Node& parent = nodes_[node.parent];
    if (node.previous != kNoNode) nodes_[node.previous].next = node.next;
    else parent.first_child = node.next;
    if (node.next != kNoNode) nodes_[node.next].previous = node.previous;
    names_.erase(parent.directory, node.name);
}

void Tree::clear_directory(NodeId id) {
    nodes_[id].first_child = kNoNode;
    nodes_[id].directory = new_directory();
}

}  // namespace hako::fsimage
