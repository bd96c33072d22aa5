#include "guest/patience.h"

#include "base/thread.h"

namespace hako::guest {
namespace {

constexpr std::chrono::seconds kCancelled{5};  // for the call to end

}  // namespace

Patience::Patience(grpc::ClientContext& context, std::chrono::milliseconds timeout, Cut cut)
    : context_(context), timeout_(timeout), cut_(std::move(cut)) {
    watcher_ = start_thread("patience", [this](auto) { watch(); });
}

Patience::~Patience() {
    state_.lock()->is_done = true;
    changed_.notify_one();
}

void Patience::begin(unsigned pieces) {
    auto state = state_.lock();
    state->deadline = Clock::now() + pieces * timeout_;
    // A stream has many pieces: a watcher that sleeps until an earlier deadline looks again then.
    if (state->is_idle) changed_.notify_one();
}

void Patience::end() {
    auto state = state_.lock();
    state->deadline.reset();
    if (state->is_over) changed_.notify_one();
}

void Patience::watch() {
    auto state = state_.lock();
    while (!state->is_done && !state->is_over) {
        if (!state->deadline) {
            state->is_idle = true;
            changed_.wait(state.lock());
            state->is_idle = false;
        } else if (Clock::now() < *state->deadline) {
            changed_.wait_until(state.lock(), Clock::time_point(*state->deadline));
        } else {
            state->is_over = true;
            context_.TryCancel();
        }
    }
    const auto has_ended = [&] { return state->is_done || !state->deadline; };
    if (state->is_over && cut_ && !changed_.wait_for(state.lock(), kCancelled, has_ended)) cut_();
}

}  // namespace hako::guest
