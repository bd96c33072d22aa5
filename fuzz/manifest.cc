// Documents of images, as registries send them: manifests, indexes, configurations.
#include "oci/manifest.h"
#include "fuzz/target.h"
#include "oci/config.h"

namespace hako::fuzz {
namespace {

constexpr std::string_view kDigest =
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

}  // namespace

std::vector<std::string> seeds() {
    const auto descriptor = [](std::string_view type) {
        return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":123}})", type, kDigest);
    };
    const std::string oci = "application/vnd.oci.image.";
    const std::string docker = "application/vnd.docker.";
    return {
        fmt::format(
            R"({{"schemaVersion":2,"mediaType":"{}manifest.v1+json","config":{},"layers":[{},{}]}})",
            oci, descriptor(oci + "config.v1+json"), descriptor(oci + "layer.v1.tar+gzip"),
            descriptor(oci + "layer.v1.tar+zstd")),
        fmt::format(
            R"({{"schemaVersion":2,"mediaType":"{}distribution.manifest.v2+json","config":{},"layers":[{}]}})",
            docker, descriptor(docker + "container.image.v1+json"),
            descriptor(docker + "image.rootfs.diff.tar.gzip")),
        fmt::format(
            R"({{"schemaVersion":2,"mediaType":"{0}index.v1+json","manifests":[{{"mediaType":"{0}manifest.v1+json","digest":"{1}","size":9,"platform":{{"os":"linux","architecture":"arm","variant":"v7"}}}}]}})",
            oci, kDigest),
        fmt::format(
            R"({{"architecture":"amd64","os":"linux","created":"2026-01-02T03:04:05.6Z","config":{{"Env":["A=b"],"Cmd":["/a"],"Entrypoint":null,"ExposedPorts":{{"80/tcp":{{}}}},"Volumes":{{}},"Labels":{{"a":"b"}},"User":"0:0","WorkingDir":"/","StopSignal":"SIGTERM"}},"rootfs":{{"type":"layers","diff_ids":["{}"]}},"history":[{{"created_by":"x","empty_layer":true}}]}})",
            kDigest)};
}

void run(std::string_view input) {
    const std::string text(input);
    if (const auto document = oci::parse_manifest(text, {})) {
        if (const auto* const index = std::get_if<oci::Index>(&*document))
            (void)oci::choose(*index, oci::Platform::host());
    }
    (void)oci::parse_image_description(text);
}

}  // namespace hako::fuzz
