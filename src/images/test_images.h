// For tests: small images and archives of them, made in memory.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/stream.h"
#include "oci/manifest.h"

namespace hako::images::testing {

struct Entry {
    std::string name;
    std::string content = {};
    std::string symlink = {};
    std::string hardlink = {};
};

enum class Packing { plain, gzip, zstd };

inline std::string pack_tar(const std::vector<Entry>& entries, Packing packing = Packing::plain) {
    archive* writer = archive_write_new();
    archive_write_set_format_ustar(writer);
    archive_write_set_bytes_in_last_block(writer, 1);
    if (packing == Packing::gzip) {
        archive_write_add_filter_gzip(writer);
        archive_write_set_filter_option(writer, "gzip", "timestamp", nullptr);
    }
    if (packing == Packing::zstd) archive_write_add_filter_zstd(writer);
    std::string buffer(16U << 20U, '\0');
    std::size_t used = 0;
    archive_write_open_memory(writer, buffer.data(), buffer.size(), &used);
    for (const auto& item : entries) {
        archive_entry* entry = archive_entry_new();
        archive_entry_set_pathname(entry, item.name.c_str());
        const bool folder = item.name.ends_with('/');
        archive_entry_set_filetype(entry, !item.symlink.empty() ? AE_IFLNK
                                          : folder              ? AE_IFDIR
                                                                : AE_IFREG);
        archive_entry_set_perm(entry, folder ? 0755 : 0644);
        archive_entry_set_mtime(entry, 1'700'000'000, 0);
        if (!item.symlink.empty()) archive_entry_set_symlink(entry, item.symlink.c_str());
        if (!item.hardlink.empty()) archive_entry_set_hardlink(entry, item.hardlink.c_str());
        archive_entry_set_size(entry, static_cast<la_int64_t>(item.content.size()));
        archive_write_header(writer, entry);
        archive_write_data(writer, item.content.data(), item.content.size());
        archive_entry_free(entry);
    }
    archive_write_close(writer);
    archive_write_free(writer);
    buffer.resize(used);
    return buffer;
}

inline std::string digest_text(std::string_view bytes) {
    return oci::Digest::of(as_bytes(bytes)).text();
}
inline std::string digest_hex(std::string_view bytes) {
    return oci::Digest::of(as_bytes(bytes)).hex;
}

// Layers and a configuration that fit together.
struct TestImage {
    std::vector<std::string> layers;  // as they are in the archive or registry
    std::string config;

    std::string id() const { return digest_text(config); }
    std::string manifest() const {
        oci::Manifest result;
        result.config = describe(oci::media_type::oci_config, config);
        for (const auto& layer : layers)
            result.layers.push_back(describe("application/vnd.oci.image.layer.v1.tar+gzip", layer));
        return oci::write_manifest(result);
    }
    static oci::Descriptor describe(std::string_view type, std::string_view bytes) {
        return {std::string(type), oci::Digest::of(as_bytes(bytes)), bytes.size()};
    }
};

inline const std::string kHost = oci::Platform::host().architecture;

// note makes images with the same layers differ.
inline TestImage make_image(const std::vector<std::vector<Entry>>& layers,
                            Packing packing = Packing::plain, std::string_view note = "",
                            const std::string& architecture = kHost) {
    TestImage image;
    Json diff_ids = Json::array();
    for (const auto& entries : layers) {
        diff_ids.push_back(digest_text(pack_tar(entries)));
        image.layers.push_back(pack_tar(entries, packing));
    }
    image.config =
        dump_json(Json{{"architecture", architecture},
                       {"os", "linux"},
                       {"author", note},
                       {"config", {{"Env", {"PATH=/bin"}}, {"Cmd", {"sh"}}}},
                       {"rootfs", {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}}});
    return image;
}

// Manifests by the architecture they are for.
inline std::string index_of(const std::vector<std::pair<std::string, std::string>>& images) {
    Json manifests = Json::array();
    for (const auto& [architecture, manifest] : images)
        manifests.push_back({{"mediaType", oci::media_type::oci_manifest},
                             {"digest", digest_text(manifest)},
                             {"size", manifest.size()},
                             {"platform", {{"os", "linux"}, {"architecture", architecture}}}});
    return dump_json(Json{{"schemaVersion", 2},
                          {"mediaType", oci::media_type::oci_index},
                          {"manifests", std::move(manifests)}});
}

// As `docker save` up to version 24 writes it.
inline std::vector<Entry> docker_archive(const TestImage& image,
                                         const std::vector<std::string>& tags) {
    std::vector<Entry> entries;
    Json layers = Json::array();
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
        const auto name = "layer" + std::to_string(i) + "/layer.tar";
        entries.push_back({name, image.layers[i]});
        layers.push_back(name);
    }
    const auto config = digest_hex(image.config) + ".json";
    entries.push_back({config, image.config});
    entries.push_back({"manifest.json",
                       dump_json(Json::array(
                           {Json{{"Config", config}, {"RepoTags", tags}, {"Layers", layers}}}))});
    return entries;
}

inline std::vector<Entry> oci_layout(const TestImage& image, const Json& annotations) {
    const auto manifest = image.manifest();
    const Json index = {
        {"schemaVersion", 2},
        {"manifests", Json::array({Json{{"mediaType", oci::media_type::oci_manifest},
                                        {"digest", digest_text(manifest)},
                                        {"size", manifest.size()},
                                        {"annotations", annotations}}})}};
    std::vector<Entry> entries{{"oci-layout", R"({"imageLayoutVersion":"1.0.0"})"},
                               {"index.json", dump_json(index)}};
    const auto add = [&](const std::string& bytes) {
        entries.push_back({"blobs/sha256/" + digest_hex(bytes), bytes});
    };
    add(manifest);
    add(image.config);
    for (const auto& layer : image.layers) add(layer);
    return entries;
}

}  // namespace hako::images::testing
