// The templates of one daemon: a folder of files named by their keys (vmm/template_file.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vmm/template_file.h"

namespace hako::vmm {

struct StoredTemplate {
    TemplateHeader header;
    std::filesystem::path path;
    std::uint64_t bytes = 0;  // on the disk, with its checkpoint: most of the memory is a hole
    WallTime used{};          // last
};

// Any thread may call anything; several daemons may share a folder.
class TemplateStore {
public:
    // limit: how many bytes all files together may have.
    TemplateStore(std::filesystem::path folder, std::uint64_t limit)
        : folder_(std::move(folder)), limit_(limit) {}

    // Makes the folder, and removes what a crash has left half written.
    Result<void> open() const;
    std::filesystem::path path(std::string_view key) const;
    // Of a QEMU that was kept after it loaded that template (vmm/checkpoint.h). It goes with it.
    std::filesystem::path checkpoint(std::string_view key) const;
    // The last used one first. What is no template any more is left out.
    std::vector<StoredTemplate> list() const;
    // ErrorKind::not_found: "No such template: x".
    Result<StoredTemplate> find(std::string_view key) const;
    Result<void> remove(std::string_view key) const;
    // Notes that a start uses it.
    void touch(std::string_view key) const;
    // Removes the longest unused ones until the rest is below the limit; never `keep`.
    void shrink(std::string_view keep) const;

private:
    std::filesystem::path folder_;
    std::uint64_t limit_;
};

}  // namespace hako::vmm
