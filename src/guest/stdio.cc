#include <algorithm>

#include "guest/messages.h"
#include "guest/status.h"
#include "guest/stdio_impl.h"

namespace hako::guest {
namespace {

constexpr std::size_t kMaxData = 64 * kKiB;
// From the guest's last message to the end of the call.
constexpr std::chrono::seconds kEndDeadline{20};

}  // namespace

Stdio::Stdio(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stdio::Stdio(Stdio&&) noexcept = default;
Stdio& Stdio::operator=(Stdio&&) noexcept = default;
Stdio::~Stdio() = default;

Result<void> Stdio::write(std::span<const std::byte> data) {
    agent::v1::StdioInput message;
    while (!data.empty()) {
        const auto part = data.first(std::min(data.size(), kMaxData));
        message.set_data(part.data(), part.size());
        const std::lock_guard lock(impl_->writing);
        if (impl_->input_closed)
            return fail(ErrorKind::conflict, "standard input is closed already");
        if (!impl_->stream->Write(message))
            return fail(ErrorKind::unavailable, "the process takes no more input");
        data = data.subspan(part.size());
    }
    return {};
}

Result<void> Stdio::close_input() {
    const std::lock_guard lock(impl_->writing);
    if (impl_->input_closed) return {};
    impl_->input_closed = true;
    agent::v1::StdioInput message;
    message.set_close(true);
    // A call that ended meanwhile has no input any more, which is what was asked for.
    if (impl_->stream->Write(message)) impl_->stream->WritesDone();
    return {};
}

Result<std::optional<Stdio::Output>> Stdio::read() {
    if (impl_->status) return std::nullopt;
    agent::v1::StdioOutput message;
    if (!impl_->stream->Read(&message)) {
        const auto status = impl_->finish();
        return status.ok() ? fail(ErrorKind::corrupt, "the guest ended the streams half-way")
                           : fail(to_error(status));
    }
    if (message.has_exit()) {
        impl_->exit = from_message(message.exit());
        Patience patience(impl_->context, kEndDeadline, impl_->cut);
        patience.wait([&] {
            (void)close_input();  // which waits for a writer whose bytes the guest does not take
            if (impl_->stream->Read(&message)) cancel();
            return impl_->finish();
        });
        return std::nullopt;
    }
    return Output{message.stream() == agent::v1::StdioOutput::STDERR ? Stream::err : Stream::out,
                  std::move(*message.mutable_data())};
}

std::optional<ProcessExit> Stdio::exit() const { return impl_->exit; }

void Stdio::cancel() { impl_->context.TryCancel(); }

}  // namespace hako::guest
