#include "viewer/machine.h"

#include <algorithm>
#include <array>

#include "http/client.h"
#include "http/url.h"

namespace hako::viewer {
namespace {

class ContainerMachine : public Machine {
public:
    explicit ContainerMachine(MachinePlaces places)
        : places_(std::move(places)), api_(places_.api) {}

    Result<macos::Progress> progress() const override {
        HAKO_TRY(const auto progress, macos::read_progress(places_.progress));
        return progress.value_or(macos::Progress{.message = "The machine has not begun yet"});
    }

    Result<Fd> screen() const override {
        return http::connect(http::Endpoint::unix_socket(places_.vnc));
    }

    Result<void> power(std::string_view action) override {
        constexpr std::array<std::string_view, 4> kActions{"start", "stop", "restart", "kill"};
        if (std::ranges::find(kActions, action) == kActions.end())
            return fail(ErrorKind::invalid, "unknown action: use start, stop, restart or kill");
        const auto called = api_.call({.method = "POST",
                                       .target = http::make_target(fmt::format(
                                           "/containers/{}/{}", places_.container, action))});
        if (called || called.error().kind() == ErrorKind::not_modified) return {};
        return fail(called.error());
    }

private:
    const MachinePlaces places_;
    const http::Client api_;
};

}  // namespace

std::unique_ptr<Machine> machine_of_container(MachinePlaces places) {
    return std::make_unique<ContainerMachine>(std::move(places));
}

}  // namespace hako::viewer
