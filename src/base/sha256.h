// SHA-256 (FIPS 180-4) over a stream, with the CPU's own instructions where it has them.
// Link hako_sha256 to use it: the rest of base does without OpenSSL, for the static guest.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace hako {

// Not thread-safe; one stream at a time.
class Sha256 {
public:
    Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    ~Sha256();

    void update(std::span<const std::byte> data);
    // 64 lower-case hexadecimal digits over all that was given; starts anew afterwards.
    std::string hex_digest();

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Of one piece in memory.
std::string sha256_hex(std::span<const std::byte> data);

}  // namespace hako
