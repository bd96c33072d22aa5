#include "macos/fat32.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"
#include "fsimage/output_file.h"
#include "macos/gpt.h"
#include "macos/little_endian.h"

namespace hako::macos {
namespace {

constexpr std::uint64_t kReserved = 32;  // sectors before the first FAT
constexpr std::uint64_t kFats = 2;
// With fewer clusters it would be a FAT16, whatever it says.
constexpr std::uint64_t kFewestClusters = 65525;
constexpr std::uint64_t kMostWithSmallClusters = 260 * kMiB;
constexpr std::uint32_t kRootCluster = 2;
constexpr std::uint32_t kEndOfChain = 0x0fffffff;
constexpr std::size_t kEntry = 32;
constexpr std::size_t kLongNamePart = 13;
constexpr std::size_t kLongestName = 255;
constexpr unsigned kDate = 0x0021;  // 1 January 1980, so that builds do not differ
constexpr std::uint8_t kVolumeLabel = 0x08;
constexpr std::uint8_t kFolder = 0x10;
constexpr std::uint8_t kFile = 0x20;
constexpr std::uint8_t kLongName = 0x0f;

struct Geometry {
    std::uint64_t sectors = 0;
    std::uint64_t cluster_sectors = 1;
    std::uint64_t fat_sectors = 0;
    std::uint64_t clusters = 0;

    std::uint64_t cluster_bytes() const { return cluster_sectors * kSector; }
    std::uint64_t first_data() const { return kReserved + kFats * fat_sectors; }
};

Result<Geometry> plan(std::uint64_t bytes) {
    Geometry plan{.sectors = bytes / kSector};
    plan.cluster_sectors = bytes > kMostWithSmallClusters ? 8 : 1;
    if (plan.sectors <= kReserved) return fail(ErrorKind::too_large, "no room for a FAT32");
    // A FAT for all sectors is at most a little too large, which is allowed.
    const auto most = (plan.sectors - kReserved) / plan.cluster_sectors + 2;
    plan.fat_sectors = (most * 4 + kSector - 1) / kSector;
    if (plan.sectors > plan.first_data())
        plan.clusters = (plan.sectors - plan.first_data()) / plan.cluster_sectors;
    if (plan.clusters < kFewestClusters)
        return fail(ErrorKind::too_large,
                    "{} bytes are too few for a FAT32: it needs {} clusters; make the disk larger",
                    bytes, kFewestClusters);
    return plan;
}

struct Node {
    std::string name;
    std::string short_name;  // 11 characters, padded
    bool needs_long_name = false;
    bool is_folder = false;
    const std::string* content = nullptr;
    std::map<std::string, Node> children = {};  // by their name in capitals
    std::uint32_t cluster = 0;
    std::uint64_t bytes = 0;

    std::size_t entries() const {
        return 1 + (needs_long_name ? (name.size() + kLongNamePart - 1) / kLongNamePart : 0);
    }
};

Result<void> check_name(std::string_view name) {
    const bool plain = std::ranges::all_of(name, [](unsigned char c) {
        return c >= 0x20 && c < 0x7f &&
               std::string_view("\"*/:<>?\\|").find(static_cast<char>(c)) == std::string_view::npos;
    });
    if (!plain || name.empty() || name.size() > kLongestName || name == "." || name == ".." ||
        name.ends_with('.') || name.ends_with(' '))
        return fail(ErrorKind::invalid, "FAT holds no file with the name \"{}\": rename it", name);
    return {};
}

Result<void> add_file(Node& root, std::string_view path, const std::string& content) {
    Node* at = &root;
    for (std::string_view rest = path; !rest.empty();) {
        const auto name = rest.substr(0, rest.find('/'));
        rest.remove_prefix(std::min(name.size() + 1, rest.size()));
        HAKO_CHECK(check_name(name));
        const auto [found, is_new] = at->children.try_emplace(to_upper(name));
        Node& child = found->second;
        const bool clash = child.name != name || rest.empty() || child.content != nullptr;
        if (!is_new && clash)
            return fail(ErrorKind::invalid, "{} is there twice: FAT does not tell case apart",
                        path);
        if (is_new) {
            child.name = name;
            child.is_folder = !rest.empty();
            child.content = rest.empty() ? &content : nullptr;
        }
        at = &child;
    }
    return {};
}

// Capitals, digits and a few signs; others become '_'.
std::string short_part(std::string_view text) {
    std::string result;
    for (const char c : to_upper(text)) {
        const bool good = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (c != ' ' && c != '.') result += good ? c : '_';
    }
    return result;
}

void name_children(Node& folder) {
    std::set<std::string> taken;
    const auto padded = [](std::string_view stem, std::string_view extension) {
        return fmt::format("{:<8.8}{:<3.3}", stem, extension);
    };
    for (auto& [key, child] : folder.children) {
        const auto dot = child.name.rfind('.');
        const auto stem = child.name.substr(0, dot);
        const auto extension = dot == std::string::npos ? "" : child.name.substr(dot + 1);
        child.needs_long_name = short_part(stem) != stem || short_part(extension) != extension ||
                                stem.empty() || stem.size() > 8 || extension.size() > 3 ||
                                (dot != std::string::npos && extension.empty());
        child.short_name = padded(short_part(stem), short_part(extension));
        for (int number = 1; child.needs_long_name; ++number) {
            const auto tail = fmt::format("~{}", number);
            child.short_name =
                padded(short_part(stem).substr(0, 8 - tail.size()) + tail, short_part(extension));
            if (!taken.contains(child.short_name)) break;
        }
        taken.insert(child.short_name);
        if (child.is_folder) name_children(child);
    }
}

class Writer32 {
public:
    Writer32(const Fat32Place& place, const Geometry& plan) : place_(place), plan_(plan) {}

    Result<void> write(Node& root) {
        fat_.assign(plan_.fat_sectors * kSector, '\0');
        put(fat_, 0, 0x0ffffff8, 4);
        put(fat_, 4, kEndOfChain, 4);
        HAKO_CHECK(allocate(root, 1));  // the label
        HAKO_CHECK(write_folder(root, nullptr));
        for (std::uint64_t i = 0; i < kFats; ++i)
            HAKO_CHECK(at_sector(kReserved + i * plan_.fat_sectors, fat_));
        return write_head();
    }

private:
    Result<void> at_sector(std::uint64_t sector, std::string_view data) const {
        return fsimage::write_at(place_.fd, place_.offset + sector * kSector, as_bytes(data));
    }
    Result<void> at_cluster(std::uint32_t cluster, std::string_view data) const {
        return at_sector(plan_.first_data() + (cluster - kRootCluster) * plan_.cluster_sectors,
                         data);
    }

    // Gives the node and all below it clusters that follow each other.
    Result<void> allocate(Node& node, std::size_t own_entries) {
        std::uint64_t entries = own_entries;
        for (const auto& [key, child] : node.children) entries += child.entries();
        node.bytes = node.is_folder ? entries * kEntry : node.content->size();
        const auto count = (node.bytes + plan_.cluster_bytes() - 1) / plan_.cluster_bytes();
        if (next_ + count > plan_.clusters + kRootCluster)
            return fail(ErrorKind::too_large, "the files do not fit: make the disk larger");
        if (count > 0) node.cluster = next_;
        for (std::uint64_t i = 0; i < count; ++i, ++next_)
            put(fat_, next_ * 4, i + 1 == count ? kEndOfChain : next_ + 1, 4);
        for (auto& [key, child] : node.children)
            HAKO_CHECK(allocate(child, child.is_folder ? 2 : 0));  // "." and ".."
        return {};
    }

    static std::string entry(std::string_view name, std::uint8_t kind, std::uint32_t cluster,
                             std::uint64_t bytes) {
        std::string text(kEntry, '\0');
        put(text, 0, name);
        put(text, 11, kind, 1);
        for (const std::size_t at : {16U, 18U, 24U}) put(text, at, kDate, 2);
        put(text, 20, cluster >> 16U, 2);
        put(text, 26, cluster & 0xffffU, 2);
        put(text, 28, bytes, 4);
        return text;
    }

    // The parts of a long name, the last one first.
    static std::string long_name(const Node& node) {
        std::uint8_t sum = 0;
        for (const char c : node.short_name)
            sum =
                static_cast<std::uint8_t>((sum << 7U | sum >> 1U) + static_cast<unsigned char>(c));
        std::string text;
        const std::size_t parts = node.entries() - 1;
        for (std::size_t part = parts; part > 0; --part) {
            std::string item(kEntry, '\0');
            put(item, 0, part | (part == parts ? 0x40U : 0U), 1);
            put(item, 11, kLongName, 1);
            put(item, 13, sum, 1);
            for (std::size_t i = 0; i < kLongNamePart; ++i) {
                const std::size_t at = (part - 1) * kLongNamePart + i;
                const std::size_t place = i < 5 ? 1 + 2 * i : i < 11 ? 4 + 2 * i : 6 + 2 * i;
                const unsigned character = at < node.name.size()
                                               ? static_cast<unsigned char>(node.name[at])
                                           : at == node.name.size() ? 0U
                                                                    : 0xffffU;
                put(item, place, character, 2);
            }
            text += item;
        }
        return text;
    }

    Result<void> write_folder(const Node& node, const Node* parent) {
        std::string text;
        if (parent == nullptr) {
            text += entry(fmt::format("{:<11.11}", place_.label), kVolumeLabel, 0, 0);
        } else {
            // The root is written as 0 in "..".
            text += entry(fmt::format("{:<11}", "."), kFolder, node.cluster, 0);
            text += entry(fmt::format("{:<11}", ".."), kFolder,
                          parent->cluster == kRootCluster ? 0 : parent->cluster, 0);
        }
        for (const auto& [key, child] : node.children) {
            if (child.needs_long_name) text += long_name(child);
            text += entry(child.short_name, child.is_folder ? kFolder : kFile, child.cluster,
                          child.is_folder ? 0 : child.bytes);
        }
        HAKO_CHECK(at_cluster(node.cluster, text));
        for (const auto& [key, child] : node.children) {
            if (child.is_folder) HAKO_CHECK(write_folder(child, &node));
            else if (child.bytes > 0) HAKO_CHECK(at_cluster(child.cluster, *child.content));
        }
        return {};
    }

    // Boot sector, counts of free clusters, and the copies of both.
    Result<void> write_head() const {
        std::string boot(kSector, '\0');
        put(boot, 0, "\xeb\x58\x90HAKO    ");
        put(boot, 11, kSector, 2);
        put(boot, 13, plan_.cluster_sectors, 1);
        put(boot, 14, kReserved, 2);
        put(boot, 16, kFats, 1);
        put(boot, 21, 0xf8, 1);  // a fixed disk
        put(boot, 24, 63, 2);    // sectors of a track, heads: of no use today
        put(boot, 26, 255, 2);
        put(boot, 28, place_.offset / kSector, 4);
        put(boot, 32, plan_.sectors, 4);
        put(boot, 36, plan_.fat_sectors, 4);
        put(boot, 44, kRootCluster, 4);
        put(boot, 48, 1, 2);  // where the counts are
        put(boot, 50, 6, 2);  // where the copies are
        put(boot, 64, 0x80, 1);
        put(boot, 66, 0x29, 1);
        put(boot, 67, place_.volume_id, 4);
        put(boot, 71, fmt::format("{:<11.11}FAT32   ", place_.label));
        put(boot, 510, 0xaa55, 2);
        std::string counts(kSector, '\0');
        put(counts, 0, "RRaA");
        put(counts, 484, "rrAa");
        put(counts, 488, plan_.clusters + kRootCluster - next_, 4);
        put(counts, 492, next_, 4);
        put(counts, 510, 0xaa55, 2);
        for (const std::uint64_t sector : {0U, 6U}) {
            HAKO_CHECK(at_sector(sector, boot));
            HAKO_CHECK(at_sector(sector + 1, counts));
        }
        return {};
    }

    const Fat32Place& place_;
    const Geometry& plan_;
    std::string fat_;
    std::uint32_t next_ = kRootCluster;
};

}  // namespace

Result<void> write_fat32(const Fat32Place& place, const FileTree& tree) {
    HAKO_TRY(const auto geometry, plan(place.bytes));
    Node root{.is_folder = true};
    for (const auto& [path, content] : tree) HAKO_CHECK(add_file(root, path, content));
    name_children(root);
    return Writer32(place, geometry).write(root);
}

}  // namespace hako::macos
