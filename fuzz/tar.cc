// Any bytes as a layer: unpacked and, where that works, merged into a view on top of a small sound
// layer.
#include <cstdlib>

#include "fsimage/layer.h"
#include "fsimage/testing/compress.h"
#include "fsimage/testing/tar_builder.h"
#include "fsimage/view.h"
#include "fuzz/folder.h"
#include "fuzz/target.h"

namespace hako::fuzz {
namespace {

using fsimage::LayerFiles;
using fsimage::TarBuilder;

LayerFiles layer(const char* name) {
    return {folder() / (std::string(name) + ".data"), folder() / (std::string(name) + ".index")};
}

bool unpack(std::string tar, const LayerFiles& files) {
    TextReader reader(std::move(tar), 1U << 20U);
    constexpr fsimage::LayerLimits kLimits{.max_entries = 10'000, .max_bytes = 16 * kMiB};
    return unpack_layer(reader, files.data, files.index, kLimits).has_value();
}

LayerFiles bottom() {
    static const LayerFiles files = [] {
        const LayerFiles made = layer("bottom");
        const TarBuilder tar = TarBuilder()
                                   .directory("d")
                                   .file("d/f", "contents")
                                   .symlink("s", "d")
                                   .symlink("loop", "loop")
                                   .hardlink("h", "d/f");
        if (!unpack(tar.finish(), made)) std::abort();
        return made;
    }();
    return files;
}

}  // namespace

std::vector<std::string> seeds() {
    const std::string sparse = "1\n1024\n3\n" + std::string(503, '\0') + "abc";
    const TarBuilder all =
        TarBuilder()
            .directory("d/", 0700)
            .file("d/.wh.f")
            .file("s/.wh..wh..opq")
            .hardlink("d/link", "h")
            .add({.path = "null", .type = '3', .major = 1, .minor = 3})
            .add({.path = std::string(300, 'n').replace(100, 1, "/").replace(200, 1, "/"),
                  .content = "x",
                  .pax = {{"mtime", "-1.5"}, {"uid", "70000"}, {"SCHILY.xattr.user.a", "b"}}})
            .add({.path = "sparse",
                  .content = sparse,
                  .pax = {{"GNU.sparse.major", "1"},
                          {"GNU.sparse.minor", "0"},
                          {"GNU.sparse.name", "s/holes"},
                          {"GNU.sparse.realsize", "2000"}}})
            .add({.path = "long", .type = 'L', .content = std::string(200, 'l')})
            .file("short");
    return {all.finish(), fsimage::gzip(all.finish()), fsimage::zstd(all.finish()),
            TarBuilder().finish()};
}

void run(std::string_view input) {
    std::string tar(input);
    // Checksums of headers are made right: else nothing would get past the first.
    for (std::size_t at = 0; at + 512 <= tar.size(); at += 512) {
        if (tar.compare(at + 257, 5, "ustar") == 0)
            tar.replace(at, 512, TarBuilder::sign(tar.substr(at, 512)));
    }
    const std::array layers{bottom(), layer("top")};
    if (unpack(std::move(tar), layers[1])) (void)write_view(layers, folder() / "view");
}

}  // namespace hako::fuzz
