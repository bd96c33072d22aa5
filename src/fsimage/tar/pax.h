// Extended headers of a tar (IEEE 1003.1, pax, "pax Extended Header"), with the keys that star,
// GNU tar and Go's archive/tar add for extended attributes and sparse files.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fsimage/tar/entry.h"
#include "fsimage/tar/header.h"

namespace hako::fsimage {

// What an extended header says about the next file. Unknown keys are left out.
struct PaxRecords {
    std::optional<std::string> path;
    std::optional<std::string> link;
    std::optional<std::uint64_t> size;
    std::optional<std::int64_t> uid;
    std::optional<std::int64_t> gid;
    std::optional<Timestamp> mtime;
    std::map<std::string, std::string> xattrs;  // SCHILY.xattr.<name>

    // GNU.sparse.*: format 0.0 and 0.1 bring the map here, 1.0 puts it before the contents.
    std::optional<std::uint64_t> sparse_size;
    std::optional<std::string> sparse_name;
    std::vector<SparsePiece> sparse;
    bool sparse_mapped = false;    // 0.0 or 0.1
    bool sparse_in_front = false;  // 1.0
};

// ErrorKind::corrupt for a malformed record, invalid for a name with a NUL.
Result<PaxRecords> parse_pax(std::string_view text);

// Digits only, to the end of the text.
Result<std::uint64_t> parse_tar_decimal(std::string_view text);

}  // namespace hako::fsimage
