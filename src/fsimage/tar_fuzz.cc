// libFuzzer: any bytes as a layer, unpacked and, where that works, merged into a view on top of a
// small sound layer. Build with clang and -DHAKO_FUZZ=ON.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "fsimage/layer.h"
#include "fsimage/testing/tar_builder.h"
#include "fsimage/view.h"

namespace hako::fsimage {
namespace {

// Files of this run; in memory where the machine has such a folder.
class Folder {
public:
    Folder() {
        const bool memory = std::filesystem::is_directory("/dev/shm");
        folder_ = TempDir::create(memory ? "/dev/shm" : "").value();
        const std::string base = TarBuilder()
                                     .directory("d")
                                     .file("d/f", "contents")
                                     .symlink("s", "d")
                                     .symlink("loop", "loop")
                                     .hardlink("h", "d/f")
                                     .finish();
        if (!unpack(base, bottom())) std::abort();
    }
    LayerFiles bottom() const { return {path("0.data"), path("0.index")}; }
    LayerFiles top() const { return {path("1.data"), path("1.index")}; }
    std::filesystem::path view() const { return path("view"); }

    static bool unpack(std::string tar, const LayerFiles& files) {
        TextReader reader(std::move(tar), 1U << 20U);
        constexpr LayerLimits kLimits{.max_entries = 10'000, .max_bytes = 16 * kMiB};
        return unpack_layer(reader, files.data, files.index, kLimits).has_value();
    }

private:
    std::filesystem::path path(const char* name) const { return folder_->path() / name; }
    std::optional<TempDir> folder_;
};

}  // namespace
}  // namespace hako::fsimage

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hako::fsimage;
    static const Folder folder;
    std::string tar(reinterpret_cast<const char*>(data), size);
    // Checksums of headers are made right: else nothing would get past the first.
    for (std::size_t at = 0; at + 512 <= tar.size(); at += 512) {
        if (tar.compare(at + 257, 5, "ustar") == 0)
            tar.replace(at, 512, TarBuilder::sign(tar.substr(at, 512)));
    }
    if (Folder::unpack(std::move(tar), folder.top())) {
        const std::array layers{folder.bottom(), folder.top()};
        (void)write_view(layers, folder.view());
    }
    return 0;
}
