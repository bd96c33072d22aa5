// Image manifests and indexes: OCI image-spec 1.1 and Docker's schema 2, which mean the same.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "oci/digest.h"
#include "oci/platform.h"

namespace hako::oci {

// Registries cap manifests at 4 MiB; so do we.
constexpr std::size_t kMaxManifestBytes = 4U << 20U;
constexpr int kMaxIndexDepth = 4;  // an index may hold indexes

namespace media_type {
constexpr std::string_view oci_manifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view oci_index = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view oci_config = "application/vnd.oci.image.config.v1+json";
constexpr std::string_view oci_layer = "application/vnd.oci.image.layer.v1.tar";
constexpr std::string_view docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view docker_list =
    "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr std::string_view docker_config = "application/vnd.docker.container.image.v1+json";
constexpr std::string_view docker_layer = "application/vnd.docker.image.rootfs.diff.tar";
constexpr std::string_view docker_layer_gzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
}  // namespace media_type

struct Descriptor {
    std::string media_type;
    Digest digest;
    std::uint64_t size = 0;  // bytes
    std::optional<Platform> platform = {};
    std::map<std::string, std::string> annotations = {};
    std::string artifact_type = {};  // of what refers to an image: a signature, an SBOM
};

// An image that can be run: its configuration and its layers, the lowest first.
struct Manifest {
    Descriptor config;
    std::vector<Descriptor> layers;
};
struct Index {
    std::vector<Descriptor> manifests;
};
using ManifestDocument = std::variant<Manifest, Index>;

// Reads a manifest or an index. content_type is what the registry said it is; empty where nobody
// said. Refused as ErrorKind::invalid: schema 1, artifacts that hold no root filesystem, foreign
// layers, and documents that could be read as both kinds or that name another kind than
// content_type (CVE-2021-41190).
Result<ManifestDocument> parse_manifest(std::string_view bytes, std::string_view content_type);

// A manifest as it is written into a layout or sent to a registry (OCI media types).
std::string write_manifest(const Manifest& manifest);

// What builders attach to an index about its images; it is no image.
bool is_attestation(const Descriptor& descriptor);

// The best match for a platform; an index without one, where nothing matches. ErrorKind::not_found
// names the platforms that there are.
Result<Descriptor> choose(const Index& index, const Platform& wanted);

}  // namespace hako::oci
