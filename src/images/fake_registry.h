// For tests: a registry with one repository, "app".
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "images/test_images.h"
#include "oci/fake_server.h"
#include "oci/reference.h"

namespace hako::images::testing {

// Serves what it is given, and counts.
class FakeRegistry {
public:
    FakeRegistry() : server_([this](const auto& request) { return answer(request); }) {}

    void add(const TestImage& image, const std::string& tag) {
        for (const auto& layer : image.layers)
            blobs_["/v2/app/blobs/" + digest_text(layer)] = layer;
        blobs_["/v2/app/blobs/" + image.id()] = image.config;
        add_manifest(image.manifest(), tag);
    }
    void add_manifest(const std::string& manifest, const std::string& tag) {
        blobs_["/v2/app/manifests/" + tag] = manifest;
        blobs_["/v2/app/manifests/" + digest_text(manifest)] = manifest;
    }
    std::map<std::string, std::string>& blobs() { return blobs_; }
    oci::Reference reference(const std::string& tag) const {
        return *oci::Reference::parse(server_.address() + "/app:" + tag);
    }
    std::size_t downloads_of(const std::string& blob) const {
        const auto requests = server_.requests();
        return static_cast<std::size_t>(std::ranges::count(
            requests, "/v2/app/blobs/" + digest_text(blob), &oci::testing::FakeRequest::target));
    }
    std::function<void(const oci::testing::FakeRequest&, oci::testing::FakeResponse&)> spoil =
        nullptr;

private:
    using FakeRequest = oci::testing::FakeRequest;
    using FakeResponse = oci::testing::FakeResponse;

    FakeResponse answer(const FakeRequest& request) {
        const auto found = blobs_.find(request.target);
        if (found == blobs_.end()) return {404};
        FakeResponse response{200, found->second};
        if (spoil) spoil(request, response);
        return response;
    }

    std::map<std::string, std::string> blobs_;
    oci::testing::FakeServer server_;
};

}  // namespace hako::images::testing
