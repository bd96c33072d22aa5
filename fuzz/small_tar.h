// A tar with one of each kind, to make disks of.
#pragma once

#include "fsimage/testing/tar_builder.h"

namespace hako::fuzz {

inline std::string small_tar() {
    return fsimage::TarBuilder()
        .directory("d")
        .file("d/f", "contents")
        .file("d/large", std::string(9000, 'x'))
        .symlink("s", "d")
        .symlink("loop", "loop")
        .symlink("long", std::string(500, 't'))
        .hardlink("h", "d/f")
        .add({.path = "null", .type = '3', .major = 1, .minor = 3})
        .add({.path = "attributes", .pax = {{"SCHILY.xattr.user.a", "b"}}})
        .finish();
}

}  // namespace hako::fuzz
