// What makes one Mac another than the next: serial numbers, UUID, MAC address and ROM.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "macos/models.h"
#include "macos/random.h"

namespace hako::macos {

struct Identity {
    std::string product;  // of models.h
    std::string serial;
    std::string mlb;
    std::string uuid;  // upper case
    std::string mac;   // "00:16:CB:01:02:03"
    std::string rom;   // 12 hexadecimal digits: the MAC's bytes
    bool operator==(const Identity&) const = default;
};

// What a user gives of it. Each is checked by itself.
struct IdentityParts {
    std::string product = std::string(kDefaultModel);
    std::optional<std::string> serial = {};
    std::optional<std::string> mlb = {};
    std::optional<std::string> uuid = {};
    std::optional<std::string> mac = {};
    std::optional<std::string> rom = {};
};

// Keeps what is given and draws the rest to fit it. ErrorKind::invalid names the part.
Result<Identity> make_identity(const IdentityParts& parts, const Draw& draw);

// What is wrong with it, a sentence each; nothing when it is good. Parts that are not given are not
// looked at.
std::vector<std::string> check_identity(const IdentityParts& parts);

constexpr std::string_view kIdentity = "identity.json";  // in a machine's folder

Json to_json(const Identity& identity);
// Absent fields are not given.
Result<IdentityParts> identity_parts_from_json(const Json& json);

// That of the machine whose file this is, completed with what is given; drawn, checked and kept
// when there is none. A given part replaces the kept one, and what was derived from it.
Result<Identity> keep_identity(const std::filesystem::path& file, const IdentityParts& parts,
                               const Draw& draw);

}  // namespace hako::macos
