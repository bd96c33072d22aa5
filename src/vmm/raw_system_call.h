// A system call without libc: for what is where libc is not, or is another process'.
#pragma once

#include <cstdint>

namespace hako::vmm {

// -errno where it fails.
inline long raw_system_call(long number, std::uint64_t a = 0, std::uint64_t b = 0,
                            std::uint64_t c = 0, std::uint64_t d = 0, std::uint64_t e = 0,
                            std::uint64_t f = 0) {
    register std::uint64_t r10 asm("r10") = d;
    register std::uint64_t r8 asm("r8") = e;
    register std::uint64_t r9 asm("r9") = f;
    long result = number;
    asm volatile("syscall"
                 : "+a"(result)
                 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}
inline bool is_error(long result) {
    constexpr long kLowest = -4095;
    return result < 0 && result >= kLowest;
}

}  // namespace hako::vmm
