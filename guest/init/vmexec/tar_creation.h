// Writes files to a tar (pax), from directory descriptors on, so that nothing that changes
// meanwhile leads elsewhere.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

struct archive;
struct archive_entry;

namespace hako::init {

struct TarRules {
    // The only mount that is written; what else is mounted is left empty. None: all.
    std::optional<std::uint64_t> mount;
    // The files are an overlay's upper directory and become a layer (OCI image-spec, layer.md).
    bool layer = false;
    // Leaves an entry out, with all below; by its parent, its name there and its name in the tar.
    std::function<bool(int parent, const std::string& name, const std::string& as)> skips = {};
};

class TarCreation {
public:
    static Result<TarCreation> begin(int fd, TarRules rules = {});

    // name in parent becomes the entry `as`, with everything below.
    Result<void> add(int parent, const std::string& name, const std::string& as);
    // What is in the folder, without the folder itself; `as` may be empty.
    Result<void> add_children(int folder, const std::string& as);
    Result<void> finish();

private:
    struct Free {
        void operator()(::archive* writer) const;
    };
    using Writer = std::unique_ptr<::archive, Free>;

    TarCreation(Writer writer, TarRules rules);
    Result<void> write_header(::archive_entry* entry);
    Result<void> add_marker(const std::string& as);
    Result<void> add_content(const Fd& file, std::uint64_t size);

    Writer writer_;
    TarRules rules_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;  // the first name of hard links
};

// The names in a folder, in order, without "." and "..".
Result<std::vector<std::string>> list_folder(int folder);
// Which mount a path is on; nothing where the kernel does not tell.
std::optional<std::uint64_t> mount_of(int parent, const std::string& name);
// Whether a file of an overlay's upper directory stands for a deleted one.
bool is_whiteout(const struct stat& state);
// The target of a symbolic link; empty where it is none.
std::string read_link(int parent, const std::string& name);

}  // namespace hako::init
