// The configuration of an image (OCI image-spec 1.1, config.md). Its digest is the image's id, so
// the bytes are kept as they came; these are the fields read out of them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "oci/digest.h"
#include "oci/platform.h"

namespace hako::oci {

// What a container of the image starts with ("config").
struct ImageConfig {
    std::vector<std::string> env;  // "NAME=value"
    std::vector<std::string> entrypoint;
    std::vector<std::string> cmd;
    std::string working_dir;
    std::string user;
    std::map<std::string, std::string> labels;
    std::vector<std::string> exposed_ports;  // "80/tcp", sorted
    std::vector<std::string> volumes;        // paths, sorted
    std::string stop_signal;                 // "SIGTERM", "15"; empty: not given
    Json healthcheck;                        // Docker's Healthcheck object, or null
    std::vector<std::string> shell;
    std::vector<std::string> on_build;
};

struct ImageDescription {
    ImageConfig config;
    Platform platform;
    std::string created;  // RFC 3339, as written; may be empty
    std::string author;
    std::vector<Digest> diff_ids;  // of the uncompressed layers, the lowest first
    Json history = Json::array();
};

constexpr std::size_t kMaxConfigBytes = 8U << 20U;

// ErrorKind::invalid, too_large.
Result<ImageDescription> parse_image_description(std::string_view bytes);

}  // namespace hako::oci
