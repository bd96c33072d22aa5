// Names of files in layers, made safe and uniform.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hako::fsimage {

// A name relative to the root, without leading or trailing slashes and without "." components:
// "./a//b/" and "/a/b" are "a/b"; "/" and "." are "". ErrorKind::invalid for a ".." component, a
// NUL, a component over 255 bytes or a path over 4095 (no Linux could hold or reach it).
Result<std::string> normalize_path(std::string_view path);

struct SplitPath {
    std::string_view parent;  // "" is the root
    std::string_view name;    // "" only for the root itself
};
// Of a normalized path.
SplitPath split_path(std::string_view path);

}  // namespace hako::fsimage
