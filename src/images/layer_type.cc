#include "images/layer_type.h"

#include <array>

#include "oci/manifest.h"

namespace hako::images {

Result<std::string> layer_type(const oci::ContentStore& content, const oci::Digest& digest) {
    using oci::media_type::oci_layer;
    HAKO_TRY(const auto file, content.open_blob(digest));
    std::array<std::byte, 4> head{};
    HAKO_TRY(const auto size, read_full(file.get(), head));
    const auto magic = as_text(std::span(head).first(size));
    if (magic.starts_with("\x1f\x8b")) return fmt::format("{}+gzip", oci_layer);
    if (magic == "\x28\xb5\x2f\xfd") return fmt::format("{}+zstd", oci_layer);
    return std::string(oci_layer);
}

}  // namespace hako::images
