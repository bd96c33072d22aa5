#include "vmm/qemu/disk_node.h"

#include "vmm/qemu/vmdk.h"

namespace hako::vmm {
namespace {

Result<std::uint64_t> size_of(const std::filesystem::path& path) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    if (error) return fail_errno(error.value(), "cannot read the disk file {}", path.native());
    return size;
}

std::string fd_path(int fd) { return fmt::format("/dev/fdset/{}", fd); }

void append(std::string& text, const Json& options, const std::string& prefix) {
    for (const auto& [name, value] : options.items()) {
        if (value.is_object()) {
            append(text, value, prefix + name + ".");
            continue;
        }
        if (!text.empty()) text += ',';
        text += prefix + name + '=';
        if (value.is_boolean()) text += value.get<bool>() ? "on" : "off";
        else text += value.get_ref<const std::string&>();
    }
}

}  // namespace

Result<DiskNode> disk_node(const Disk& disk, const std::string& name, int first_fd) {
    DiskNode node;
    if (disk.bay) {
        node.options = {{"driver", "null-co"},
                        {"size", std::to_string(kBayBytes)},
                        {"read-zeroes", true},
                        {"node-name", name},
                        {"read-only", disk.read_only}};
        return node;
    }
    const auto next_fd = [&] { return first_fd + static_cast<int>(node.files.size()); };
    Json file{{"driver", "file"}};
    if (disk.extents.size() == 1) {
        node.files.push_back({next_fd(), disk.extents.front(), disk.read_only});
        file["discard"] = "unmap";
        node.options = {{"driver", "raw"}, {"discard", "unmap"}};
    } else {
        std::vector<VmdkExtent> extents;
        for (const auto& path : disk.extents) {
            HAKO_TRY(const auto bytes, size_of(path));
            node.files.push_back({next_fd(), path, true});
            extents.push_back({fd_path(node.files.back().fd), bytes});
        }
        HAKO_TRY(auto text, vmdk_descriptor(extents));
        node.files.push_back({next_fd(), {}, true, std::move(text)});
        node.options = {{"driver", "vmdk"}};
    }
    file["filename"] = fd_path(node.files.back().fd);
    node.options["node-name"] = name;
    node.options["read-only"] = disk.read_only;
    node.options["file"] = std::move(file);
    return node;
}

std::string as_option(const Json& options) {
    std::string text;
    append(text, options, "");
    return text;
}

}  // namespace hako::vmm
