// What a registry holds: tags, repositories, and what refers to an image (OCI distribution-spec
// 1.1, "Content Discovery").
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "oci/registry_options.h"

namespace hako::oci {

// Lists over 100,000 entries are ErrorKind::too_large. Errors as those of RegistryClient.

// In the registry's order.
Result<std::vector<std::string>> list_tags(const Reference& image, RegistryAuth auth,
                                           const RegistryOptions& options, std::stop_token stop);
// domain: "docker.io", "127.0.0.1:5000". Many registries refuse this.
Result<std::vector<std::string>> list_repositories(const std::string& domain, RegistryAuth auth,
                                                   const RegistryOptions& options,
                                                   std::stop_token stop);

// Signatures, SBOMs and the like of a manifest. Where a registry has no referrers API, the tag
// sha256-<hex> stands for it.
Result<std::vector<Descriptor>> list_referrers(const Reference& image, const Digest& manifest,
                                               RegistryAuth auth, const RegistryOptions& options,
                                               std::stop_token stop);

}  // namespace hako::oci
