#include "macos/chunklist.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <memory>

#include "base/fd.h"
#include "macos/table.h"

namespace hako::macos {
namespace {

constexpr std::string_view kAppleKeys =
#include "apple_keys.inc"
    ;

constexpr std::string_view kMagic = "CNKL";
constexpr std::size_t kHeaderBytes = 0x24;
constexpr std::size_t kChunkBytes = 4 + 32;
constexpr std::size_t kSignatureBytes = 256;
constexpr std::uint8_t kFileVersion = 1;
constexpr std::uint8_t kChunkMethod = 1;  // length and SHA-256
constexpr std::uint8_t kSigned = 1;       // RSA-2048, PKCS#1 v1.5, SHA-256
constexpr std::uint8_t kBareSum = 2;      // says nothing of who made it
constexpr std::uint64_t kMaxChunks = 1U << 20U;
constexpr std::uint32_t kMaxChunkBytes = 64U << 20U;
constexpr unsigned kExponent = 65537;

std::uint64_t number(std::span<const std::byte> data, std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes; i-- > 0;)
        value = value << 8U | std::to_integer<std::uint64_t>(data[at + i]);
    return value;
}

tl::unexpected<Error> broken(std::string_view why) {
    return fail(ErrorKind::corrupt, "the chunklist is broken: {}", why);
}

template <auto Free>
struct Freer {
    template <typename T>
    void operator()(T* pointer) const {
        Free(pointer);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

Key public_key(const std::string& modulus) {
    const std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
    BIGNUM* raw = nullptr;
    if (BN_hex2bn(&raw, modulus.c_str()) == 0) return {};
    const std::unique_ptr<BIGNUM, Freer<BN_free>> n(raw);
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_uint(builder.get(), OSSL_PKEY_PARAM_RSA_E, kExponent);
    const std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>> parameters(
        OSSL_PARAM_BLD_to_param(builder.get()));
    const std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>> context(
        EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
        return {};
    return Key(key);
}

bool verifies(const std::string& modulus, std::span<const std::byte> text,
              std::span<const unsigned char> signature) {
    const auto key = public_key(modulus);
    const std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
    return key && context &&
           EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                            reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
}

std::string hex(std::span<const std::byte> data) {
    std::string text;
    for (const auto byte : data) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    return text;
}

}  // namespace

const TrustedKeys& apple_keys() {
    static const TrustedKeys keys = [] {
        TrustedKeys list;
        for (auto& row : parse_table(kAppleKeys)) list.push_back(std::move(row.at(0)));
        return list;
    }();
    return keys;
}

Result<Chunklist> read_chunklist(std::span<const std::byte> data, const TrustedKeys& keys) {
    if (data.size() < kHeaderBytes || as_text(data.first(kMagic.size())) != kMagic)
        return broken("it does not begin with CNKL");
    const auto method = std::to_integer<std::uint8_t>(data[10]);
    const auto count = number(data, 0x0c, 8);
    if (number(data, 4, 4) != kHeaderBytes || number(data, 8, 1) != kFileVersion ||
        number(data, 9, 1) != kChunkMethod || number(data, 0x14, 8) != kHeaderBytes)
        return broken("it is of a kind that is not known; is there a newer hako?");
    if (method != kSigned && method != kBareSum) return broken("its signature is of no known kind");
    if (count == 0 || count > kMaxChunks)
        return broken(fmt::format("it tells of {} pieces", count));
    const auto text = data.first(std::min(data.size(), kHeaderBytes + count * kChunkBytes));
    const auto signature = data.subspan(text.size());
    if (number(data, 0x1c, 8) != kHeaderBytes + count * kChunkBytes ||
        signature.size() != (method == kSigned ? kSignatureBytes : 32))
        return broken("its length is wrong");

    Chunklist list;
    std::uint64_t offset = 0;
    for (std::size_t at = kHeaderBytes; at < text.size(); at += kChunkBytes) {
        const auto length = static_cast<std::uint32_t>(number(data, at, 4));
        if (length == 0 || length > kMaxChunkBytes)
            return broken(fmt::format("it has a piece of {} bytes", length));
        list.chunks.push_back({offset, length, hex(data.subspan(at + 4, 32))});
        offset += length;
    }
    if (method == kSigned) {
        // Kept with the least byte first.
        std::array<unsigned char, kSignatureBytes> big_endian{};
        std::ranges::transform(signature, big_endian.rbegin(),
                               [](std::byte b) { return std::to_integer<unsigned char>(b); });
        list.is_signed = std::ranges::any_of(
            keys, [&](const auto& key) { return verifies(key, text, big_endian); });
    }
    return list;
}

}  // namespace hako::macos
