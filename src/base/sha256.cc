#include "base/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <new>
#include <string_view>

namespace hako {

struct Sha256::State {
    EVP_MD_CTX* context = EVP_MD_CTX_new();

    // Both calls fail only where memory is out or OpenSSL was built without SHA-256.
    State() {
        if (context == nullptr) throw std::bad_alloc();
        restart();
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { EVP_MD_CTX_free(context); }

    void restart() {
        if (EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
    }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> data) {
    EVP_DigestUpdate(state_->context, data.data(), data.size());
}

std::string Sha256::hex_digest() {
    std::array<unsigned char, 32> digest{};
    EVP_DigestFinal_ex(state_->context, digest.data(), nullptr);
    state_->restart();

    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    hex.reserve(2 * digest.size());
    for (const unsigned char byte : digest) {
        hex += kDigits[byte >> 4U];
        hex += kDigits[byte & 0xFU];
    }
    return hex;
}

std::string sha256_hex(std::span<const std::byte> data) {
    Sha256 hash;
    hash.update(data);
    return hash.hex_digest();
}

}  // namespace hako
