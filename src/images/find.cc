#include "images/find.h"

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

}  // namespace

Result<Match> find_image(const Catalog& catalog, std::string_view text) {
    const auto digits = id_digits(text);
    const bool is_full_id = digits && digits->size() == 64;
    std::string shown(text);
    if (!is_full_id) {
        HAKO_TRY(const auto name, oci::Reference::parse(text));
        HAKO_TRY(const auto id, catalog.id_of(name));
        if (id) return Match{*id, name};
        shown = name.familiar();
    }
    HAKO_TRY(const auto id, find_by_id(catalog, text));
    if (id) return Match{*id, std::nullopt};
    return fail(ErrorKind::not_found, "No such image: {}", shown);
}

}  // namespace hako::images
