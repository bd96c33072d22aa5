#include "oci/config.h"

namespace hako::oci {
namespace {

// {"80/tcp": {}, ...}: a set as Go writes it. Some tools write a list.
Result<std::vector<std::string>> read_set(const Json& object, std::string_view name) {
    HAKO_TRY(const auto value, json_field_or<Json>(object, name, Json::object()));
    std::vector<std::string> result;
    if (value.is_object()) {
        for (const auto& [key, ignored] : value.items()) result.push_back(key);
        return result;
    }
    return json_field_or<std::vector<std::string>>(object, name, {});
}

Result<ImageConfig> read_config(const Json& object) {
    using Strings = std::vector<std::string>;
    using Map = std::map<std::string, std::string>;
    ImageConfig result;
    HAKO_TRY(result.env, json_field_or<Strings>(object, "Env", {}));
    HAKO_TRY(result.entrypoint, json_field_or<Strings>(object, "Entrypoint", {}));
    HAKO_TRY(result.cmd, json_field_or<Strings>(object, "Cmd", {}));
    HAKO_TRY(result.working_dir, json_field_or<std::string>(object, "WorkingDir", ""));
    HAKO_TRY(result.user, json_field_or<std::string>(object, "User", ""));
    HAKO_TRY(result.labels, json_field_or<Map>(object, "Labels", {}));
    HAKO_TRY(result.exposed_ports, read_set(object, "ExposedPorts"));
    HAKO_TRY(result.volumes, read_set(object, "Volumes"));
    HAKO_TRY(result.stop_signal, json_field_or<std::string>(object, "StopSignal", ""));
    HAKO_TRY(result.healthcheck, json_field_or<Json>(object, "Healthcheck", Json()));
    HAKO_TRY(result.shell, json_field_or<Strings>(object, "Shell", {}));
    HAKO_TRY(result.on_build, json_field_or<Strings>(object, "OnBuild", {}));
    return result;
}

Result<std::vector<Digest>> read_diff_ids(const Json& document) {
    HAKO_TRY(const auto rootfs, json_field<Json>(document, "rootfs"));
    if (!rootfs) return fail(ErrorKind::invalid, "it describes no root filesystem");
    HAKO_TRY(const auto type, json_field_or<std::string>(*rootfs, "type", ""));
    if (type != "layers")
        return fail(ErrorKind::invalid, "its root filesystem is of the unknown type \"{}\"", type);
    HAKO_TRY(const auto texts, json_field_or<std::vector<std::string>>(*rootfs, "diff_ids", {}));
    std::vector<Digest> result;
    result.reserve(texts.size());
    for (const auto& text : texts) {
        HAKO_TRY(auto digest, Digest::parse(text));
        result.push_back(std::move(digest));
    }
    return result;
}

Result<ImageDescription> read_description(std::string_view bytes) {
    HAKO_TRY(const auto document, parse_json(bytes, {.max_bytes = kMaxConfigBytes}));
    ImageDescription result;
    HAKO_TRY(const auto config, json_field_or<Json>(document, "config", Json::object()));
    HAKO_TRY(result.config, read_config(config));
    HAKO_TRY(result.platform.os, json_field_or<std::string>(document, "os", "linux"));
    HAKO_TRY(result.platform.architecture,
             json_field_or<std::string>(document, "architecture", ""));
    HAKO_TRY(result.platform.variant, json_field_or<std::string>(document, "variant", ""));
    HAKO_TRY(result.created, json_field_or<std::string>(document, "created", ""));
    HAKO_TRY(result.author, json_field_or<std::string>(document, "author", ""));
    HAKO_TRY(result.diff_ids, read_diff_ids(document));
    HAKO_TRY(result.history, json_field_or<Json>(document, "history", Json::array()));
    return result;
}

}  // namespace

Result<ImageDescription> parse_image_description(std::string_view bytes) {
    return with_context(read_description(bytes), "image configuration");
}

}  // namespace hako::oci
