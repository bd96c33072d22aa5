// What vmm and the library inside QEMU (src/qemu-memory/) agree on.
#pragma once

#include <csignal>
#include <cstddef>

namespace hako::vmm {

// The library's file, in Installation::share.
constexpr char kMemoryLibrary[] = "qemu-memory.so";
// The name of memory that comes as an open descriptor; the descriptor's number follows.
constexpr char kMemoryPath[] = "/hako-memory/";
// Likewise of a copy that other processes can map as well.
constexpr char kMemoryCopyPath[] = "/hako-memory-copy/";
// Has the library give up what an emulated processor's code was translated to. By default a process
// ignores it.
constexpr int kGiveUpSignal = SIGURG;
// Has each thread that gets it stand still for ever (src/qemu-memory/parking.cc).
constexpr int kParkSignal = SIGFPE;
// Before the memory in a template's file (vmm/template_file.h): one line of JSON, filled up.
constexpr std::size_t kTemplateHeaderBytes = 4096;

}  // namespace hako::vmm
