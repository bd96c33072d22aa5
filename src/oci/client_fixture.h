// For tests: a client that does not wait long, and what it fetches.
#pragma once

#include <string>

#include "base/json.h"
#include "base/stream.h"
#include "oci/fake_server.h"
#include "oci/registry_client.h"

namespace hako::oci::testing {

inline const RegistryOptions kQuick{.connect_timeout = std::chrono::milliseconds(2000),
                                    .stall_timeout = std::chrono::seconds(2),
                                    .attempts = 3,
                                    .backoff = std::chrono::milliseconds(1)};

inline Reference image_on(const std::string& address) {
    return *Reference::parse(address + "/team/app:1");
}

inline const std::string kManifest =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"})";
inline const std::string kBlob(300'000, 'b');
inline const Descriptor kDescriptor{"", Digest::of(as_bytes(kBlob)), kBlob.size()};

inline FakeResponse registry_says(int status, const std::string& code, const std::string& message) {
    return {status,
            dump_json(Json{{"errors", Json::array({{{"code", code}, {"message", message}}})}})};
}

inline Result<FetchedManifest> fetch_manifest(const FakeServer& server, RegistryAuth auth = {}) {
    RegistryClient client(image_on(server.address()), std::move(auth), kQuick);
    return client.manifest("1", {});
}

inline Result<std::string> fetch_blob(const std::string& address, RegistryAuth auth = {},
                                      const RegistryOptions& options = kQuick,
                                      std::stop_token stop = {}) {
    RegistryClient client(image_on(address), std::move(auth), options);
    TextWriter sink;
    HAKO_CHECK(client.blob(kDescriptor, sink, std::move(stop)));
    return sink.text;
}

}  // namespace hako::oci::testing
