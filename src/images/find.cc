#include "images/find.h"

#include <algorithm>
#include <limits>

namespace hako::images {
namespace {

constexpr std::string_view kAlgorithmPrefix = "sha256:";

// The hex digits if the text can be (the beginning of) an id.
std::optional<std::string_view> id_digits(std::string_view text) {
    if (text.starts_with(kAlgorithmPrefix)) text.remove_prefix(kAlgorithmPrefix.size());
    if (text.empty() || text.size() > 64 || !oci::is_lower_hex(text)) return std::nullopt;
    return text;
}

Result<std::optional<oci::Digest>> find_by_id(const Catalog& catalog, std::string_view text) {
    const auto digits = id_digits(text);
    if (!digits) return std::optional<oci::Digest>();
    HAKO_TRY(const auto ids, catalog.ids_with_prefix(*digits));
    if (ids.size() != 1) return std::optional<oci::Digest>();
    return std::optional(ids.front());
}

// How well an image runs on this host; a high number for not at all.
int rank_here(const oci::Platform& platform) {
    return oci::platform_rank(oci::Platform::host(), platform)
        .value_or(std::numeric_limits<int>::max());
}

}  // namespace

Result<Match> find_images(const Catalog& catalog, std::string_view text) {
    const auto digits = id_digits(text);
    const bool is_full_id = digits && digits->size() == 64;
    std::string shown(text);
    if (!is_full_id) {
        HAKO_TRY(const auto name, oci::Reference::parse(text));
        HAKO_TRY(auto images, catalog.images_of(name));
        // Stable: of equals, the one tagged last stays first.
        std::ranges::stable_sort(images, {},
                                 [](const NamedImage& image) { return rank_here(image.platform); });
        if (!images.empty()) return Match{name, std::move(images)};
        shown = name.familiar();
    }
    HAKO_TRY(const auto id, find_by_id(catalog, text));
    if (!id) return fail(ErrorKind::not_found, "No such image: {}", shown);
    HAKO_TRY(const auto record, catalog.image(*id));
    return Match{std::nullopt, {NamedImage{*id, record.platform, record.manifest}}};
}

Result<NamedImage> choose_image(const Match& match, std::string_view text,
                                const std::optional<oci::Platform>& platform) {
    if (!platform) return match.images.front();
    const NamedImage* best = nullptr;
    int best_rank = std::numeric_limits<int>::max();
    std::string present;
    for (const auto& image : match.images) {
        present += (present.empty() ? "" : ", ") + image.platform.text();
        const auto rank = oci::platform_rank(*platform, image.platform);
        if (!rank || *rank >= best_rank) continue;
        best = &image;
        best_rank = *rank;
    }
    if (best == nullptr)
        return fail(ErrorKind::not_found,
                    "image with reference {} was found but does not provide the specified platform "
                    "({}); it is here for {}",
                    text, platform->text(), present);
    return *best;
}

}  // namespace hako::images
