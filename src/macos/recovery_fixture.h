// For tests: a key of our own, images signed with it, and a server that speaks the recovery
// protocol and misbehaves as told.
#pragma once

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/base64.h"
#include "base/sha256.h"
#include "macos/chunklist.h"
#include "oci/fake_server.h"

namespace hako::macos::testing {

inline std::string big_endian(std::uint64_t value, std::size_t bytes) {
    std::string text;
    for (std::size_t i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i) & 0xffU);
    return text;
}
inline std::string little_endian(std::uint64_t value, std::size_t bytes) {
    auto text = big_endian(value, bytes);
    std::ranges::reverse(text);
    return text;
}

class SigningKey {
public:
    SigningKey() : key_(EVP_RSA_gen(2048), EVP_PKEY_free) {}
    std::string modulus() const {
        BIGNUM* n = nullptr;
        EVP_PKEY_get_bn_param(key_.get(), "n", &n);
        const std::unique_ptr<char, decltype(&std::free)> text(BN_bn2hex(n), std::free);
        BN_free(n);
        return text.get();
    }
    std::string sign(std::string_view text) const {
        std::string signature(256, '\0');
        std::size_t size = signature.size();
        EVP_MD_CTX* context = EVP_MD_CTX_new();
        EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_.get());
        EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size());
        EVP_MD_CTX_free(context);
        std::ranges::reverse(signature);
        return signature;
    }

private:
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

inline std::string sum_bytes(std::string_view text) {
    const auto hex = sha256_hex(as_bytes(text));
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return bytes;
}

// Header and pieces; what is to be signed.
inline std::string unsigned_chunklist(std::string_view image, std::size_t piece, char method = 1) {
    std::string chunks;
    std::uint64_t count = 0;
    for (std::size_t at = 0; at < image.size(); at += piece, ++count) {
        const auto data = image.substr(at, piece);
        chunks += little_endian(data.size(), 4) + sum_bytes(data);
    }
    return "CNKL" + little_endian(0x24, 4) + '\1' + '\1' + method + '\0' + little_endian(count, 8) +
           little_endian(0x24, 8) + little_endian(0x24 + chunks.size(), 8) + chunks;
}
inline std::string make_chunklist(std::string_view image, std::size_t piece,
                                  const SigningKey& key) {
    const auto text = unsigned_chunklist(image, piece);
    return text + key.sign(text);
}

// A whole .dmg with this disk in it: a piece of zlib for each run of sectors.
inline std::string make_dmg(std::string_view disk, std::uint32_t kind = 0x80000005) {
    constexpr std::size_t kRun = 128 * 512;
    std::string data;
    std::string chunks;
    std::uint32_t count = 0;
    for (std::size_t at = 0; at < disk.size(); at += kRun, ++count) {
        const auto run = disk.substr(at, kRun);
        uLongf size = compressBound(run.size());
        std::string packed(size, '\0');
        compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                 reinterpret_cast<const Bytef*>(run.data()), run.size());
        packed.resize(size);
        chunks += big_endian(kind, 4) + big_endian(0, 4) + big_endian(at / 512, 8) +
                  big_endian(run.size() / 512, 8) + big_endian(data.size(), 8) +
                  big_endian(packed.size(), 8);
        data += packed;
    }
    chunks += big_endian(0xffffffff, 4) + big_endian(0, 4) + big_endian(disk.size() / 512, 8) +
              big_endian(0, 8) + big_endian(data.size(), 8) + big_endian(0, 8);
    const auto mish = "mish" + big_endian(1, 4) + big_endian(0, 8) +
                      big_endian(disk.size() / 512, 8) + big_endian(0, 8) +
                      big_endian(kRun / 512 + 8, 4) + big_endian(0, 4) + std::string(24, '\0') +
                      std::string(136, '\0') + big_endian(count + 1, 4) + chunks;
    const auto plist =
        "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>resource-fork</key><dict>"
        "<key>blkx</key><array><dict><key>Data</key><data>\n" +
        encode_base64(mish) + "\n</data></dict></array></dict></dict></plist>\n";
    std::string koly = "koly" + big_endian(4, 4) + big_endian(512, 4) + big_endian(1, 4) +
                       big_endian(0, 8) + big_endian(0, 8) + big_endian(data.size(), 8);
    koly.resize(0xd8, '\0');
    koly += big_endian(data.size(), 8) + big_endian(plist.size(), 8);
    koly.resize(0x1ec, '\0');
    koly += big_endian(disk.size() / 512, 8);
    koly.resize(512, '\0');
    return data + plist + koly;
}

// Tokens are good for `uses` answers; then 403 until there is a new session.
class FakeRecoveryServer {
public:
    using Answer = oci::testing::FakeResponse;
    using Change = std::function<void(const oci::testing::FakeRequest&, Answer&)>;

    FakeRecoveryServer(std::string image, std::string chunklist)
        : image_(std::move(image)),
          chunklist_(std::move(chunklist)),
          server_([this](const auto& request) { return answer(request); }) {}

    std::string url() const { return "http://" + server_.address(); }
    std::vector<oci::testing::FakeRequest> requests() const { return server_.requests(); }
    int sessions() const { return sessions_; }

    std::atomic<int> uses = 1 << 30;
    bool ranges = true;
    Change change;  // the last word on every answer; set before the first request

private:
    Answer answer(const oci::testing::FakeRequest& request) {
        Answer result = right_answer(request);
        if (change) change(request, result);
        return result;
    }
    Answer right_answer(const oci::testing::FakeRequest& request) {
        const auto cookie = request.header("cookie");
        if (request.target == "/")
            return {
                .headers = {"Set-Cookie: other=1",
                            "Set-Cookie: session=s" + std::to_string(++sessions_) + "; Path=/"}};
        if (request.target == "/InstallationPayload/RecoveryImage") {
            if (!cookie.starts_with("session=s")) return {.status = 401};
            left_ = uses.load();
            const auto token = cookie.substr(9);
            return {.body = "AP: 001\nAU: " + url() + "/dmg\nAH: 00\nAT: a" + token +
                            "\nCU: " + url() + "/chunklist\nCH: 00\nCT: c" + token + "\n"};
        }
        const auto session = std::to_string(sessions_);
        if (request.target == "/chunklist")
            return cookie == "AssetToken=c" + session ? Answer{.body = chunklist_}
                                                      : Answer{.status = 403};
        if (cookie != "AssetToken=a" + session || left_-- <= 0) return {.status = 403};
        const auto range = request.header("range");
        if (!ranges || range.empty()) return {.body = image_};
        const auto first = std::stoul(range.substr(6));
        const auto last = std::stoul(range.substr(range.find('-') + 1));
        return {.status = 206, .body = image_.substr(first, last - first + 1)};
    }

    std::string image_;
    std::string chunklist_;
    std::atomic<int> sessions_ = 0;
    std::atomic<int> left_ = 0;
    oci::testing::FakeServer server_;
};

}  // namespace hako::macos::testing
