#include "fsimage/view.h"

#include <array>
#include <charconv>
#include <string>
#include <system_error>
#include <vector>

#include "base/sha256.h"
#include "fsimage/blob_writer.h"
#include "fsimage/erofs/writer.h"
#include "fsimage/index.h"
#include "fsimage/output_file.h"
#include "fsimage/tree.h"

namespace hako::fsimage {
namespace {

// Of what the view is made from and by, as an RFC 9562 UUID version 8.
std::array<std::uint8_t, 16> view_uuid(std::span<const LayerIndex> layers) {
    std::string text = "hako erofs view 1\n";
    for (const LayerIndex& index : layers) text += index.layer().diff_id + "\n";
    const std::string digest = sha256_hex(as_bytes(text));
    std::array<std::uint8_t, 16> uuid{};
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        const char* const pair = digest.data() + 2 * i;
        std::from_chars(pair, pair + 2, uuid[i], 16);
    }
    uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0FU) | 0x80U);
    uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3FU) | 0x80U);
    return uuid;
}

Result<void> check_data(const LayerFiles& files, const LayerIndex& index) {
    std::error_code error;
    const auto size = std::filesystem::file_size(files.data, error);
    if (error) return fail_errno(error.value(), "cannot read {}", files.data.string());
    if (size != index.layer().data_bytes)
        return fail(ErrorKind::corrupt, "{} has {} bytes instead of {}: pull the image again",
                    files.data.string(), size, index.layer().data_bytes);
    return {};
}

}  // namespace

Result<void> write_view(std::span<const LayerFiles> bottom_first,
                        const std::filesystem::path& metadata) {
    std::vector<LayerIndex> layers;
    layers.reserve(bottom_first.size());
    std::uint64_t entries = 0;
    erofs::ImageOptions options;
    for (const LayerFiles& files : bottom_first) {
        HAKO_TRY(LayerIndex index, LayerIndex::load(files.index));
        HAKO_CHECK(check_data(files, index));
        entries += index.layer().entries;
        options.blob_blocks.push_back(index.layer().data_bytes / kBlockSize);
        layers.push_back(std::move(index));
    }
    options.uuid = view_uuid(layers);

    Tree tree;
    tree.reserve(entries);
    for (std::size_t i = 0; i < layers.size(); ++i) {
        HAKO_CHECK(with_context(tree.apply(layers[i], static_cast<std::uint32_t>(i)),
                                fmt::format("cannot apply layer {}", layers[i].layer().diff_id)));
    }
    HAKO_TRY(const std::vector<std::byte> image, erofs::write_metadata(tree, options));
    HAKO_TRY(OutputFile file, OutputFile::create(metadata));
    HAKO_CHECK(write_at(file.fd(), 0, image));
    return file.commit();
}

}  // namespace hako::fsimage
