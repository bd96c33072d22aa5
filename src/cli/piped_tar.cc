#include "cli/piped_tar.h"

#include <csignal>

#include "base/thread.h"

namespace hako::cli {
namespace {

// Who stops reading must not end us; of this thread only, and for ever.
void block_broken_pipe() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

Result<std::unique_ptr<PipedTar>> PipedTar::start(Write write) {
    HAKO_TRY(auto pipe, make_pipe());
    return std::unique_ptr<PipedTar>(new PipedTar(std::move(write), std::move(pipe)));
}

PipedTar::PipedTar(Write write, FdPair pipe) : end_(std::move(pipe.first)) {
    writer_ = start_thread(
        "tar", [this, write = std::move(write), out = pipe.second.release()](std::stop_token) {
            const Fd closing(out);
            block_broken_pipe();
            FdWriter into(out);
            fsimage::TarWriter tar(into);
            written_ = write(tar);
            if (written_) written_ = tar.finish();
        });
}

PipedTar::~PipedTar() {
    end_.reset();  // or a writer whose reader has gone would wait for ever
}

Result<std::size_t> PipedTar::read(std::span<std::byte> buffer) {
    HAKO_TRY(const auto count, read_some(end_.get(), buffer));
    if (count > 0) return count;
    if (writer_.joinable()) writer_.join();
    if (!written_) return fail(written_.error());
    return std::size_t{0};
}

}  // namespace hako::cli
