#include "oci/manifest.h"

#include <algorithm>
#include <array>
#include <limits>

namespace hako::oci {
namespace {

using namespace media_type;

constexpr int kInnerIndexRank = std::numeric_limits<int>::max() - 1;  // behind every image

bool is_index_type(std::string_view type) { return type == oci_index || type == docker_list; }
bool is_manifest_type(std::string_view type) {
    return type == oci_manifest || type == docker_manifest;
}

Result<Platform> read_platform(const Json& object) {
    Platform platform;
    HAKO_TRY(platform.os, json_field_or<std::string>(object, "os", ""));
    HAKO_TRY(platform.architecture, json_field_or<std::string>(object, "architecture", ""));
    HAKO_TRY(platform.variant, json_field_or<std::string>(object, "variant", ""));
    return platform;
}

Result<Descriptor> read_descriptor(const Json& object) {
    Descriptor result;
    HAKO_TRY(result.media_type, json_field_or<std::string>(object, "mediaType", ""));
    HAKO_TRY(const auto digest, json_field_or<std::string>(object, "digest", ""));
    HAKO_TRY(result.digest, Digest::parse(digest));
    HAKO_TRY(const auto size, json_field<std::uint64_t>(object, "size"));
    if (!size || *size > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return fail(ErrorKind::invalid, "descriptor of {} has no usable size", digest);
    result.size = *size;
    using Annotations = std::map<std::string, std::string>;
    HAKO_TRY(result.annotations, json_field_or<Annotations>(object, "annotations", {}));
    HAKO_TRY(result.artifact_type, json_field_or<std::string>(object, "artifactType", ""));
    HAKO_TRY(const auto platform, json_field<Json>(object, "platform"));
    if (platform) {
        HAKO_TRY(result.platform, read_platform(*platform));
    }
    return result;
}

Result<std::vector<Descriptor>> read_descriptors(const Json& list, std::string_view name) {
    if (!list.is_array()) return fail(ErrorKind::invalid, "field {} is not a list", name);
    std::vector<Descriptor> result;
    result.reserve(list.size());
    for (const auto& item : list) {
        HAKO_TRY(auto descriptor, with_context(read_descriptor(item), name));
        result.push_back(std::move(descriptor));
    }
    return result;
}

// A layer's type without what says how it is compressed: that shows in its first bytes.
Result<void> check_layer(const Descriptor& layer) {
    const std::string_view type = layer.media_type;
    if (type.find("foreign") != type.npos || type.find("nondistributable") != type.npos)
        return fail(ErrorKind::invalid,
                    "layer {} is a foreign layer, which its registry does not hold; "
                    "images with such layers (Windows) cannot be run",
                    layer.digest.text());
    const bool known = type == oci_layer || type == docker_layer || type == docker_layer_gzip ||
                       type == "application/vnd.oci.image.layer.v1.tar+gzip" ||
                       type == "application/vnd.oci.image.layer.v1.tar+zstd" ||
                       type == "application/vnd.docker.image.rootfs.diff.tar.zstd";
    if (!known)
        return fail(ErrorKind::invalid, "layer {} has the unknown type \"{}\"", layer.digest.text(),
                    type);
    return {};
}

Result<Manifest> read_manifest(const Json& document) {
    Manifest result;
    HAKO_TRY(result.config, with_context(read_descriptor(document["config"]), "config"));
    const std::string_view type = result.config.media_type;
    if (type != oci_config && type != docker_config)
        return fail(ErrorKind::invalid,
                    "this is an artifact (\"{}\") without a root filesystem, not an image", type);
    HAKO_TRY(result.layers, read_descriptors(document.value("layers", Json()), "layers"));
    for (const auto& layer : result.layers) HAKO_CHECK(check_layer(layer));
    return result;
}

std::optional<int> rank_of(const Descriptor& descriptor, const Index& index,
                           const Platform& wanted) {
    if (descriptor.platform) return platform_rank(wanted, *descriptor.platform);
    // Without a platform only an index of one image is unambiguous.
    if (index.manifests.size() == 1) return 0;
    // What an inner index offers shows only there.
    if (is_index_type(descriptor.media_type)) return kInnerIndexRank;
    return std::nullopt;
}

}  // namespace

Result<ManifestDocument> parse_manifest(std::string_view bytes, std::string_view content_type) {
    HAKO_TRY(const auto document,
             with_context(parse_json(bytes, {.max_bytes = kMaxManifestBytes}), "manifest"));
    if (!document.is_object()) return fail(ErrorKind::invalid, "manifest is not a JSON object");

    HAKO_TRY(const auto schema, json_field_or<int>(document, "schemaVersion", 0));
    if (schema == 1)
        return fail(ErrorKind::invalid,
                    "image has a schema 1 manifest, which is no longer supported; "
                    "push it again with a current tool");
    if (schema != 2) return fail(ErrorKind::invalid, "manifest has no schemaVersion that is known");

    HAKO_TRY(const auto own_type, json_field_or<std::string>(document, "mediaType", ""));
    const bool has_manifest_fields = document.contains("config") || document.contains("layers");
    const bool has_index_fields = document.contains("manifests");
    if (has_manifest_fields == has_index_fields)
        return fail(ErrorKind::invalid, "manifest is neither an image nor an index of images");
    for (const auto& type : {std::string_view(own_type), content_type}) {
        const bool disagrees = has_index_fields ? is_manifest_type(type) : is_index_type(type);
        if (disagrees)
            return fail(ErrorKind::invalid, "manifest says that it is \"{}\", but is not", type);
    }
    if (!own_type.empty() && !is_manifest_type(own_type) && !is_index_type(own_type))
        return fail(ErrorKind::invalid, "manifest has the unknown type \"{}\"", own_type);

    if (has_index_fields) {
        Index index;
        HAKO_TRY(index.manifests, read_descriptors(document["manifests"], "manifests"));
        return index;
    }
    if (!document.contains("config"))
        return fail(ErrorKind::invalid, "manifest names no configuration");
    return read_manifest(document);
}

std::string write_manifest(const Manifest& manifest) {
    const auto write = [](const Descriptor& descriptor) {
        return Json{{"mediaType", descriptor.media_type},
                    {"digest", descriptor.digest.text()},
                    {"size", descriptor.size}};
    };
    Json layers = Json::array();
    for (const auto& layer : manifest.layers) layers.push_back(write(layer));
    return dump_json(Json{{"schemaVersion", 2},
                          {"mediaType", oci_manifest},
                          {"config", write(manifest.config)},
                          {"layers", std::move(layers)}});
}

bool is_attestation(const Descriptor& descriptor) {
    return descriptor.platform && descriptor.platform->os == "unknown";
}

Result<Descriptor> choose(const Index& index, const Platform& wanted) {
    const Descriptor* best = nullptr;
    int best_rank = std::numeric_limits<int>::max();
    std::string offered;
    for (const auto& descriptor : index.manifests) {
        if (is_attestation(descriptor)) continue;
        if (descriptor.platform) {
            if (!offered.empty()) offered += ", ";
            offered += descriptor.platform->text();
        }
        const auto rank = rank_of(descriptor, index, wanted);
        if (rank && *rank < best_rank) {
            best = &descriptor;
            best_rank = *rank;
        }
    }
    if (best == nullptr)
        return fail(ErrorKind::not_found,
                    "no matching manifest for {} in the manifest list entries; there are: {}",
                    wanted.text(), offered.empty() ? "none" : offered);
    return *best;
}

}  // namespace hako::oci
