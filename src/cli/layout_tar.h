// An OCI layout in a folder (image-spec 1.1, image-layout.md), read as the tar that the API takes.
#pragma once

#include <filesystem>
#include <thread>

#include "base/fd.h"
#include "base/result.h"
#include "base/stream.h"

namespace hako::cli {

// The tar is made while it is read. Used by one thread.
class LayoutTar : public Reader {
public:
    // ErrorKind::invalid when the folder is no layout.
    static Result<std::unique_ptr<LayoutTar>> open(const std::filesystem::path& folder);
    ~LayoutTar() override;

    Result<std::size_t> read(std::span<std::byte> buffer) override;

private:
    LayoutTar(const std::filesystem::path& folder, FdPair pipe);

    Fd end_;
    Result<void> written_;  // set before the pipe's other end is closed
    std::jthread writer_;
};

}  // namespace hako::cli
