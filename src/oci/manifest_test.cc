#include "oci/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/config.h"

namespace hako::oci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kHex(64, 'a');

Json descriptor(std::string_view type, Json more = Json::object()) {
    more["mediaType"] = type;
    more["digest"] = "sha256:" + kHex;
    more["size"] = 7;
    return more;
}

Json image(std::string_view layer_type = media_type::docker_layer_gzip) {
    return {{"schemaVersion", 2},
            {"mediaType", media_type::docker_manifest},
            {"config", descriptor(media_type::docker_config)},
            {"layers", Json::array({descriptor(layer_type)})}};
}

Json index_of(const std::vector<std::string>& platforms) {
    Json list = Json::array();
    for (const auto& text : platforms) {
        const auto platform =
            text == "unknown" ? Platform{"unknown", "unknown", ""} : *Platform::parse(text);
        auto entry =
            descriptor(media_type::oci_manifest, {{"platform",
                                                   {{"os", platform.os},
                                                    {"architecture", platform.architecture},
                                                    {"variant", platform.variant}}}});
        entry["size"] = list.size();
        list.push_back(std::move(entry));
    }
    return {{"schemaVersion", 2}, {"manifests", std::move(list)}};
}

std::string refusal(const Json& document, std::string_view content_type = "") {
    const auto parsed = parse_manifest(dump_json(document), content_type);
    EXPECT_FALSE(parsed);
    return parsed ? "" : parsed.error().message();
}

TEST(Manifest, ReadsWhatItWrites) {
    for (const auto type :
         {media_type::docker_layer, media_type::docker_layer_gzip, media_type::oci_layer,
          std::string_view("application/vnd.oci.image.layer.v1.tar+zstd")}) {
        const auto parsed = parse_manifest(dump_json(image(type)), media_type::docker_manifest);
        ASSERT_TRUE(parsed) << parsed.error().message();
        auto manifest = std::get<Manifest>(*parsed);
        EXPECT_EQ(manifest.config.digest.hex, kHex);
        EXPECT_EQ(manifest.layers.at(0).size, 7U);
        manifest.config.media_type = media_type::oci_config;
        const auto again = parse_manifest(write_manifest(manifest), media_type::oci_manifest);
        ASSERT_TRUE(again) << again.error().message();
        EXPECT_EQ(std::get<Manifest>(*again).layers.at(0).media_type, type);
    }
}

TEST(Manifest, RefusesWhatCannotBeRun) {
    EXPECT_THAT(refusal({{"schemaVersion", 1}, {"fsLayers", Json::array()}}),
                HasSubstr("schema 1"));
    auto artifact = image();
    artifact["config"]["mediaType"] = "application/vnd.oci.empty.v1+json";
    EXPECT_THAT(refusal(artifact), HasSubstr("artifact"));
    EXPECT_THAT(refusal(image("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")),
                HasSubstr("foreign layer"));
    EXPECT_THAT(refusal(image("text/plain")), HasSubstr("text/plain"));
}

TEST(Manifest, RefusesDocumentsOfTwoKinds) {
    auto both = image();
    both["manifests"] = Json::array();
    EXPECT_THAT(refusal(both), HasSubstr("neither"));
    EXPECT_THAT(refusal(image(), media_type::oci_index), HasSubstr("says that it is"));
    EXPECT_THAT(refusal(index_of({"linux/amd64"}), media_type::oci_manifest),
                HasSubstr("says that it is"));
    auto lying = image();
    lying["mediaType"] = media_type::docker_list;
    EXPECT_THAT(refusal(lying), HasSubstr("says that it is"));
}

TEST(Manifest, RefusesMalformedDocuments) {
    for (const auto* text :
         {"", "[]", "{}", "{\"schemaVersion\":2}", "nonsense", "\"\\ud800\"",
          "{\"schemaVersion\":\"2\",\"manifests\":[]}", "{\"schemaVersion\":2,\"manifests\":{}}",
          "{\"schemaVersion\":2,\"manifests\":[1]}", "{\"schemaVersion\":2,\"layers\":[]}"})
        EXPECT_FALSE(parse_manifest(text, "")) << text;
    for (const Json& size : {Json(-1), Json("7"), Json(1.5), Json(nullptr), Json(1e30)}) {
        auto document = image();
        document["layers"][0]["size"] = size;
        EXPECT_FALSE(parse_manifest(dump_json(document), "")) << size;
    }
    auto document = image();
    document["layers"][0]["digest"] = "sha256:../../../etc/passwd";
    EXPECT_FALSE(parse_manifest(dump_json(document), ""));
    EXPECT_FALSE(parse_manifest(std::string(100'000, '['), ""));
    EXPECT_EQ(parse_manifest(std::string(kMaxManifestBytes + 1, ' '), "").error().kind(),
              ErrorKind::too_large);
}

// Entries' sizes count them.
std::string chosen(const std::vector<std::string>& offered, const char* wanted) {
    const auto parsed = parse_manifest(dump_json(index_of(offered)), "");
    const auto best = choose(std::get<Index>(*parsed), *Platform::parse(wanted));
    return best ? offered.at(best->size) : best.error().message();
}

TEST(Index, OffersTheBestMatch) {
    EXPECT_EQ(chosen({"linux/386", "linux/amd64", "linux/arm64"}, "linux/amd64"), "linux/amd64");
    EXPECT_EQ(chosen({"linux/arm/v5", "linux/arm/v6", "linux/arm/v7"}, "linux/arm/v6"),
              "linux/arm/v6");
    EXPECT_EQ(chosen({"linux/arm/v5", "linux/arm/v6"}, "linux/arm/v7"), "linux/arm/v6");
    EXPECT_EQ(chosen({"unknown", "linux/amd64"}, "linux/amd64"), "linux/amd64");
    EXPECT_EQ(chosen({"linux/s390x", "unknown", "linux/arm64"}, "linux/amd64"),
              "no matching manifest for linux/amd64 in the manifest list entries; there are: "
              "linux/s390x, linux/arm64");
    EXPECT_THAT(chosen({}, "linux/amd64"), HasSubstr("there are: none"));
}

TEST(ImageDescription, ReadsAllFields) {
    const auto description = parse_image_description(R"({
        "architecture": "arm64", "os": "linux", "variant": "v8", "author": "ann",
        "created": "2026-01-02T03:04:05Z",
        "config": {"Env": ["A=1"], "Entrypoint": ["/e"], "Cmd": null, "WorkingDir": "/w",
                   "User": "1:2", "Labels": {"k": "v"}, "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
                   "Volumes": {"/data": {}}, "StopSignal": "SIGINT", "Shell": ["/bin/ash"],
                   "Healthcheck": {"Test": ["CMD", "true"]}, "OnBuild": ["RUN x"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:)" +
                                                     kHex + R"("]},
        "history": [{"created_by": "x"}]})");
    ASSERT_TRUE(description) << description.error().message();
    EXPECT_EQ(description->platform, (Platform{"linux", "arm64", "v8"}));
    EXPECT_EQ(description->author, "ann");
    EXPECT_EQ(description->created, "2026-01-02T03:04:05Z");
    EXPECT_EQ(description->diff_ids.at(0).hex, kHex);
    EXPECT_EQ(description->history.size(), 1U);
    const auto& config = description->config;
    EXPECT_THAT(config.env, ElementsAre("A=1"));
    EXPECT_THAT(config.entrypoint, ElementsAre("/e"));
    EXPECT_TRUE(config.cmd.empty());
    EXPECT_EQ(config.working_dir, "/w");
    EXPECT_EQ(config.user, "1:2");
    EXPECT_EQ(config.labels.at("k"), "v");
    EXPECT_THAT(config.exposed_ports, ElementsAre("53/udp", "80/tcp"));
    EXPECT_THAT(config.volumes, ElementsAre("/data"));
    EXPECT_EQ(config.stop_signal, "SIGINT");
    EXPECT_THAT(config.shell, ElementsAre("/bin/ash"));
    EXPECT_EQ(config.healthcheck["Test"][0], "CMD");
    EXPECT_THAT(config.on_build, ElementsAre("RUN x"));
}

TEST(ImageDescription, RefusesWrongTypesByName) {
    const std::string rootfs = R"("rootfs": {"type": "layers", "diff_ids": []})";
    EXPECT_TRUE(parse_image_description("{" + rootfs + "}"));
    const auto wrong = parse_image_description(R"({"config": {"Env": "A=1"}, )" + rootfs + "}");
    EXPECT_THAT(wrong.error().message(), HasSubstr("Env"));
    EXPECT_FALSE(parse_image_description("{}"));
    EXPECT_FALSE(parse_image_description("[]"));
    EXPECT_FALSE(parse_image_description(R"({"rootfs": {"type": "tree", "diff_ids": []}})"));
    EXPECT_FALSE(parse_image_description(R"({"rootfs": {"type": "layers", "diff_ids": ["x"]}})"));
}

}  // namespace
}  // namespace hako::oci
