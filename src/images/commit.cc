#include "images/commit.h"

#include "base/units.h"
#include "images/layer_type.h"
#include "images/new_image.h"

namespace hako::images {
namespace {

struct Base {
    Json config;  // all of its configuration
    std::vector<oci::Descriptor> layers;
};

Result<Base> read_base(const Stores& stores, const std::string& id) {
    HAKO_TRY(const auto digest, oci::Digest::parse(id));
    HAKO_TRY(const auto record, stores.catalog.image(digest));
    HAKO_TRY(const auto bytes, stores.content.read(record.manifest, oci::kMaxManifestBytes));
    HAKO_TRY(const auto document, oci::parse_manifest(bytes, ""));
    const auto* manifest = std::get_if<oci::Manifest>(&document);
    if (manifest == nullptr)
        return fail(ErrorKind::corrupt, "the manifest of image {} is an index", digest.text());
    HAKO_TRY(const auto text, stores.content.read(digest, oci::kMaxConfigBytes));
    HAKO_TRY(auto config, parse_json(text, {.max_bytes = oci::kMaxConfigBytes}));
    return Base{std::move(config), manifest->layers};
}

}  // namespace

Result<oci::Digest> commit_image(Stores& stores, const CommitOptions& options,
                                 const std::function<Result<void>(Writer&)>& write_layer) {
    HAKO_TRY(auto base, read_base(stores, options.base));
    HAKO_TRY(auto blob, stores.content.ingest());
    HAKO_CHECK(write_layer(*blob));
    HAKO_TRY(auto layer, add_layer(stores, *blob));

    const auto time = format_time(now());
    Json& config = base.config;
    Json history{{"created", time}, {"created_by", options.created_by}};
    if (!options.author.empty()) history["author"] = options.author;
    if (!options.comment.empty()) history["comment"] = options.comment;
    config["created"] = time;
    config["author"] = options.author;
    config["config"] = options.config;
    config["rootfs"]["diff_ids"].push_back(layer.diff_id.text());
    if (!config["history"].is_array()) config["history"] = Json::array();
    config["history"].push_back(std::move(history));
    for (const auto* docker_only :
         {"container", "container_config", "docker_version", "id", "parent"})
        config.erase(docker_only);

    std::vector<oci::Descriptor> layers;
    for (auto& below : base.layers) {
        // Docker's media types become OCI's: a manifest has one family only.
        HAKO_TRY(below.media_type, layer_type(stores.content, below.digest));
        layers.push_back(std::move(below));
    }
    layers.push_back(std::move(layer.descriptor));
    return add_image(stores, config, std::move(layers), options.name);
}

}  // namespace hako::images
