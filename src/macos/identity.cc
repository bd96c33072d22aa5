#include "macos/identity.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/fd.h"
#include "base/sha256.h"
#include "base/text.h"
#include "macos/serial.h"
#include "store/file.h"

namespace hako::macos {
namespace {

constexpr int kDrawAttempts = 100;
constexpr std::size_t kUuidLength = 36;
constexpr std::string_view kVendor = "00:16:CB";  // a prefix of Apple's

bool is_hex(std::string_view text) {
    return text.find_first_not_of("0123456789ABCDEFabcdef") == std::string_view::npos;
}

Result<void> check_uuid(std::string_view text) {
    bool good = text.size() == kUuidLength;
    for (std::size_t i = 0; good && i < text.size(); ++i)
        good = i == 8 || i == 13 || i == 18 || i == 23 ? text[i] == '-' : is_hex(text.substr(i, 1));
    if (good) return {};
    return fail(ErrorKind::invalid,
                "the UUID \"{}\" is none: write it as "
                "01234567-89AB-CDEF-0123-456789ABCDEF",
                text);
}

// Twelve digits.
Result<std::string> mac_digits(std::string_view text) {
    std::string digits;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (i % 3 != 2) digits += text[i];
        else if (text[i] != ':' && text[i] != '-') return fail(ErrorKind::invalid, "separator");
    if (text.size() != 17 || !is_hex(digits)) return fail(ErrorKind::invalid, "length");
    return to_upper(digits);
}

Result<void> check_mac(std::string_view text) {
    const auto digits = mac_digits(text);
    if (!digits)
        return fail(ErrorKind::invalid,
                    "the MAC address \"{}\" is none: write it as 00:16:CB:01:02:03", text);
    unsigned first = 0;
    std::from_chars(digits->data(), digits->data() + 2, first, 16);
    if ((first & 1U) != 0)
        return fail(ErrorKind::invalid,
                    "the MAC address {} is a multicast address: its first byte must be even", text);
    if (digits->find_first_not_of('0') == std::string::npos)
        return fail(ErrorKind::invalid, "the MAC address {} is empty: give one with bits set",
                    text);
    return {};
}

Result<void> check_rom(std::string_view text) {
    if (text.size() == 12 && is_hex(text)) return {};
    return fail(ErrorKind::invalid, "the ROM \"{}\" is not made of 12 hexadecimal digits", text);
}

std::string write_mac(std::string_view digits) {
    std::string text;
    for (std::size_t i = 0; i < digits.size(); i += 2)
        text += fmt::format("{}{}", text.empty() ? "" : ":", digits.substr(i, 2));
    return text;
}

std::string draw_uuid(const Draw& draw) {
    std::array<std::uint32_t, 16> bytes{};
    for (auto& byte : bytes) byte = draw(256);
    bytes[6] = (bytes[6] & 0x0fU) | 0x40U;  // version 4, RFC 9562
    bytes[8] = (bytes[8] & 0x3fU) | 0x80U;
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += fmt::format("{:02X}", bytes[i]);
    }
    return text;
}

std::string derive_mac(const std::string& uuid) {
    const auto digest = to_upper(sha256_hex(as_bytes(uuid)));
    return fmt::format("{}:{}", kVendor, write_mac(digest.substr(0, 6)));
}

Result<void> draw_serials(Identity& identity, const IdentityParts& parts, const Model& model,
                          const Draw& draw) {
    for (int attempt = 0; attempt < kDrawAttempts; ++attempt) {
        Serial serial = draw_serial(model, draw);
        if (parts.serial) {
            HAKO_TRY(serial, read_serial(*parts.serial, model));
        }
        HAKO_TRY(identity.serial, parts.serial ? *parts.serial : write_serial(serial));
        auto mlb = parts.mlb ? parts.mlb : draw_mlb(model, serial.date, draw);
        if (mlb) {
            identity.mlb = *std::move(mlb);
            return {};
        }
        if (parts.serial) break;
    }
    return fail(ErrorKind::invalid,
                "no board serial (MLB) fits the serial number {}: give an MLB too",
                identity.serial);
}

// With the spelling that is kept: capitals, a MAC with colons.
IdentityParts normalize(const IdentityParts& parts) {
    auto result = parts;
    for (auto* part : {&result.serial, &result.mlb, &result.uuid, &result.mac, &result.rom})
        if (*part) *part = to_upper(trim(**part));
    if (result.mac)
        if (const auto digits = mac_digits(*result.mac)) result.mac = write_mac(*digits);
    return result;
}

}  // namespace

std::vector<std::string> check_identity(const IdentityParts& given) {
    const auto parts = normalize(given);
    std::vector<std::string> faults;
    const auto note = [&](const Result<void>& checked) {
        if (!checked) faults.push_back(checked.error().message());
    };
    const auto model = find_model(parts.product);
    if (!model) faults.push_back(model.error().message());
    if (parts.serial && model) {
        const auto serial = read_serial(*parts.serial, *model);
        if (!serial) faults.push_back(serial.error().message());
    }
    if (parts.mlb) note(check_mlb(*parts.mlb));
    if (parts.uuid) note(check_uuid(*parts.uuid));
    if (parts.mac) note(check_mac(*parts.mac));
    if (parts.rom) note(check_rom(*parts.rom));
    return faults;
}

Result<Identity> make_identity(const IdentityParts& given, const Draw& draw) {
    const auto parts = normalize(given);
    if (const auto faults = check_identity(parts); !faults.empty())
        return fail(ErrorKind::invalid, "{}", faults.front());
    HAKO_TRY(const Model model, find_model(parts.product));
    Identity identity{.product = model.product};
    HAKO_CHECK(draw_serials(identity, parts, model, draw));
    identity.uuid = parts.uuid ? *parts.uuid : draw_uuid(draw);
    identity.mac = parts.mac ? *parts.mac : derive_mac(identity.uuid);
    identity.rom = parts.rom ? *parts.rom : mac_digits(identity.mac).value();
    return identity;
}

Json to_json(const Identity& identity) {
    return {{"product", identity.product}, {"serial", identity.serial}, {"mlb", identity.mlb},
            {"uuid", identity.uuid},       {"mac", identity.mac},       {"rom", identity.rom}};
}

Result<IdentityParts> identity_parts_from_json(const Json& json) {
    IdentityParts parts;
    HAKO_TRY(parts.product, json_field_or(json, "product", parts.product));
    HAKO_TRY(parts.serial, json_field<std::string>(json, "serial"));
    HAKO_TRY(parts.mlb, json_field<std::string>(json, "mlb"));
    HAKO_TRY(parts.uuid, json_field<std::string>(json, "uuid"));
    HAKO_TRY(parts.mac, json_field<std::string>(json, "mac"));
    HAKO_TRY(parts.rom, json_field<std::string>(json, "rom"));
    return parts;
}

Result<Identity> keep_identity(const std::filesystem::path& file, const IdentityParts& given,
                               const Draw& draw) {
    IdentityParts parts = given;
    std::error_code error;
    if (std::filesystem::exists(file, error)) {
        HAKO_TRY(const auto text, read_file(file));
        HAKO_TRY(const auto json, with_context(parse_json(text), file.native()));
        HAKO_TRY(auto kept, identity_parts_from_json(json));
        const auto faults = check_identity(kept);
        if (!faults.empty())
            return fail(ErrorKind::corrupt,
                        "the machine's identity in {} is damaged: {}. Put it right, or remove the "
                        "file for a new one",
                        file.native(), faults.front());
        // Serials belong to a model, MAC and ROM follow what they are derived from.
        const bool same_model = kept.product == given.product;
        const bool same_uuid = !given.uuid || to_upper(*given.uuid) == *kept.uuid;
        if (same_model && !parts.serial) parts.serial = kept.serial;
        if (same_model && !parts.mlb) parts.mlb = kept.mlb;
        if (!parts.uuid) parts.uuid = kept.uuid;
        if (!parts.mac && same_uuid) parts.mac = kept.mac;
        if (!parts.rom && !given.mac && same_uuid) parts.rom = kept.rom;
    }
    HAKO_TRY(auto identity, make_identity(parts, draw));
    HAKO_CHECK(store::write_file_atomic(file, dump_json(to_json(identity)) + "\n"));
    return identity;
}

}  // namespace hako::macos
