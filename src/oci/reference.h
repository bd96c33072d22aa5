// Names of images as Docker writes and reads them ("busybox", "host:5000/team/app:1.2@sha256:...").
// The grammar is that of the distribution project's reference package.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "oci/digest.h"

namespace hako::oci {

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::string_view kDefaultTag = "latest";

struct Reference {
    std::string domain;            // "docker.io", "localhost:5000", "[::1]:5000"
    std::string path;              // "library/busybox", at most 255 bytes
    std::string tag;               // "latest"; empty only when there is a digest
    std::optional<Digest> digest;  // the manifest's

    // Fills in what is left out: docker.io, library/, and the tag latest where there is no digest.
    // ErrorKind::invalid with Docker's sentences.
    static Result<Reference> parse(std::string_view text);

    // domain/path
    std::string name() const { return domain + "/" + path; }
    // domain/path[:tag][@digest]
    std::string text() const;
    // The short forms that people see: without docker.io/ and library/.
    std::string familiar_name() const;
    std::string familiar() const;
    // What a registry is asked for: the digest if there is one, else the tag.
    std::string manifest_key() const { return digest ? digest->text() : tag; }

    bool operator==(const Reference&) const = default;
};

}  // namespace hako::oci
