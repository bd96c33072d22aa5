// Folders whose entries are called after digests: <folder>/<hex>.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"
#include "oci/digest.h"

namespace hako::oci {

struct DigestFolder {
    std::vector<Digest> digests;
    std::vector<std::filesystem::path> others;  // that are no digests
};
Result<DigestFolder> list_digests(const std::filesystem::path& folder);

// The others, except the folder of what is on its way in, and what lies in that.
Result<std::vector<std::filesystem::path>> list_strays(const std::filesystem::path& folder,
                                                       const std::filesystem::path& ingest);

}  // namespace hako::oci
