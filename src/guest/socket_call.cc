#include <sys/socket.h>

#include "guest/socket_call_impl.h"
#include "guest/socket_relay.h"
#include "guest/status.h"

namespace hako::guest {

SocketCall::SocketCall(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SocketCall::SocketCall(SocketCall&&) noexcept = default;
SocketCall& SocketCall::operator=(SocketCall&&) noexcept = default;
SocketCall::~SocketCall() = default;

Result<void> SocketCall::open() {
    Impl& impl = *impl_;
    impl.stream = impl.stub.RelaySocket(&impl.context);
    const auto is_open = [&] {
        agent::v1::SocketData opened;
        return impl.stream->Write(impl.first) && impl.stream->Read(&opened);
    };
    std::optional<Patience> patience;
    if (impl.patience) patience.emplace(impl.context, *impl.patience, impl.cut);
    if (patience ? patience->wait(is_open) : is_open()) return {};
    const auto status = impl.finish();
    if (patience && patience->is_over())
        return fail(ErrorKind::deadline, "the guest agent does not answer");
    return status.ok() ? fail(ErrorKind::corrupt, "the guest refused the socket without a reason")
                       : fail(to_error(status));
}

void SocketCall::relay(Fd socket) {
    Impl& impl = *impl_;
    {
        auto use = impl.use.lock();
        if (use->cancelled) return;
        use->socket = socket.get();
    }
    relay_socket(
        socket.get(),
        {.read =
             [&](agent::v1::SocketData& message) {
                 const bool read = impl.stream->Read(&message);
                 if (!read || message.end()) impl.guest_ended = true;
                 return read;
             },
         .write = [&](const agent::v1::SocketData& message) { return impl.stream->Write(message); },
         .done = [&] { impl.stream->WritesDone(); }});
    (void)impl.finish();
    impl.use.lock()->socket = -1;
}

bool SocketCall::guest_ended() const { return impl_->guest_ended; }

void SocketCall::cancel() {
    auto use = impl_->use.lock();
    use->cancelled = true;
    impl_->context.TryCancel();
    if (use->socket >= 0) ::shutdown(use->socket, SHUT_RDWR);
}

}  // namespace hako::guest
