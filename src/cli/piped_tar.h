// A tar that is made while it is read.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/fd.h"
#include "base/result.h"
#include "base/stream.h"
#include "fsimage/tar/writer.h"

namespace hako::cli {

// Used by one thread; another one writes.
class PipedTar : public Reader {
public:
    using Write = std::function<Result<void>(fsimage::TarWriter&)>;

    // write adds the members; its error is the last read's.
    static Result<std::unique_ptr<PipedTar>> start(Write write);
    ~PipedTar() override;

    Result<std::size_t> read(std::span<std::byte> buffer) override;

private:
    PipedTar(Write write, FdPair pipe);

    Fd end_;
    Result<void> written_;  // set before the pipe's other end is closed
    std::jthread writer_;
};

}  // namespace hako::cli
