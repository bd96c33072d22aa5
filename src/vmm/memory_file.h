// A guest's memory in a file: what is zero in it is a hole.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace hako::vmm {

bool is_zero(std::span<const std::byte> page);

// Each page of the file's `bytes` from `begin` on that is not all zero, in order, with its number.
Result<void> for_each_page(
    int file, std::uint64_t begin, std::uint64_t bytes,
    const std::function<Result<void>(std::uint64_t number, std::span<const std::byte> page)>& use);
// Of one file into another one, which is empty there.
Result<void> copy_memory(int from, std::uint64_t from_begin, int to, std::uint64_t to_begin,
                         std::uint64_t bytes);

// The memory of a running QEMU that has it as a memory-backend-memfd, for reading.
Result<Fd> open_memory_of(pid_t qemu);

}  // namespace hako::vmm
