// Local files to a tar and back, for cp.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/stream.h"

namespace hako::cli {

// A tar of the path and all below it; its first component is called `as` in it. A symbolic link is
// itself, not what it points to; sockets are left out.
Result<std::unique_ptr<Reader>> tar_of(const std::filesystem::path& path, const std::string& as);

// Unpacks into the folder, where the members' first component `from` becomes `to`. Whoever made the
// tar is not trusted: members that would lie outside of the folder, also by way of links, are
// refused. Times and permissions are the tar's; the owner too, if asked for.
struct ExtractOptions {
    std::filesystem::path folder;
    std::string from;
    std::string to;
    bool keep_owner = false;
};
Result<void> extract(Reader& tar, const ExtractOptions& options);

}  // namespace hako::cli
