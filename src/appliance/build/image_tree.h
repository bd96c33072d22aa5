// The root file system of an appliance, as the kernel unpacks it into memory (initramfs).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>

#include "base/result.h"

namespace hako::appliance {

class ImageTree {
public:
    // Paths begin with a slash. Files are read when the tree is packed.
    void add_file(const std::filesystem::path& path, const std::filesystem::path& from);
    void add_program(const std::filesystem::path& path, const std::filesystem::path& from);
    void add_text(const std::filesystem::path& path, std::string text, mode_t mode = 0644);
    void add_link(const std::filesystem::path& path, const std::filesystem::path& target);
    bool contains(const std::filesystem::path& path) const { return nodes_.contains(path); }

    // An archive of kind newc, with zstd. The same tree gives the same bytes.
    Result<std::string> pack() const;

private:
    enum class Kind { folder, file, text, link };
    struct Node {
        Kind kind = Kind::folder;
        std::string content;  // a file's source, a link's target
        mode_t mode = 0755;
    };
    void add(const std::filesystem::path& path, Node node);

    std::map<std::filesystem::path, Node> nodes_;
};

}  // namespace hako::appliance
