#include "oci/digest_folder.h"

#include <algorithm>
#include <system_error>

namespace hako::oci {

Result<DigestFolder> list_digests(const std::filesystem::path& folder) {
    DigestFolder result;
    std::error_code error;
    std::filesystem::directory_iterator entries(folder, error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        auto digest = Digest::parse("sha256:" + entries->path().filename().string());
        if (digest) result.digests.push_back(*std::move(digest));
        else result.others.push_back(entries->path());
    }
    if (error) return fail_errno(error.value(), "cannot list {}", folder.string());
    return result;
}

Result<std::vector<std::filesystem::path>> list_strays(const std::filesystem::path& folder,
                                                       const std::filesystem::path& ingest) {
    HAKO_TRY(auto named, list_digests(folder));
    std::erase(named.others, ingest);
    HAKO_TRY(auto arriving, list_digests(ingest));
    std::ranges::move(arriving.others, std::back_inserter(named.others));
    // A layer that is being removed waits there under a random name that looks like a digest.
    for (const auto& digest : arriving.digests) named.others.push_back(ingest / digest.hex);
    return std::move(named.others);
}

}  // namespace hako::oci
