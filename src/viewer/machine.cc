#include "viewer/machine.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "http/client.h"
#include "http/url.h"

namespace hako::viewer {
namespace {

class PlacedMachine : public Machine {
public:
    explicit PlacedMachine(MachinePlaces places) : places_(std::move(places)) {}

    Result<macos::Progress> progress() const override {
        HAKO_TRY(const auto progress, macos::read_progress(places_.progress));
        return progress.value_or(macos::Progress{.message = "The machine has not begun yet"});
    }

    Result<Fd> screen() const override {
        return http::connect(http::Endpoint::unix_socket(places_.vnc));
    }

    bool has_sound() const override { return places_.has_sound; }

    std::string starter() const override { return places_.starter; }

    Result<void> power(std::string_view action) override {
        constexpr std::array<std::string_view, 4> kActions{"start", "stop", "restart", "kill"};
        if (std::ranges::find(kActions, action) == kActions.end())
            return fail(ErrorKind::invalid, "unknown action: use start, stop, restart or kill");
        return do_power(action);
    }

private:
    virtual Result<void> do_power(std::string_view action) = 0;

    const MachinePlaces places_;
};

class ContainerMachine : public PlacedMachine {
public:
    ContainerMachine(MachinePlaces places, http::Endpoint api, std::string container)
        : PlacedMachine(std::move(places)),
          api_(std::move(api)),
          container_(std::move(container)) {}

private:
    Result<void> do_power(std::string_view action) override {
        const auto called = api_.call(
            {.method = "POST",
             .target = http::make_target(fmt::format("/containers/{}/{}", container_, action))});
        if (called || called.error().kind() == ErrorKind::not_modified) return {};
        return fail(called.error());
    }

    const http::Client api_;
    const std::string container_;
};

class ParentMachine : public PlacedMachine {
public:
    ParentMachine(MachinePlaces places, pid_t process)
        : PlacedMachine(std::move(places)), process_(process) {}

private:
    Result<void> do_power(std::string_view action) override {
        if (action == "start" || action == "restart")
            return fail(ErrorKind::unimplemented, "start this machine with `hako macos boot`");
        HAKO_TRY(const auto state, progress());
        if (action == "kill") HAKO_CHECK(send(SIGINT));
        // The second one would end it at once.
        else if (state.stage == macos::Stage::stopping) return {};
        return send(SIGTERM);
    }

    Result<void> send(int signal) const {
        if (::getppid() == process_ && ::kill(process_, signal) == 0) return {};
        return fail(ErrorKind::conflict, "the machine has ended");
    }

    const pid_t process_;
};

class ShimMachine : public PlacedMachine {
public:
    ShimMachine(MachinePlaces places, Fd power)
        : PlacedMachine(std::move(places)), power_(std::move(power)) {}

private:
    Result<void> do_power(std::string_view action) override {
        if (action == "start")
            return fail(ErrorKind::unimplemented, "start this machine's container");
        return with_context(write_all(power_.get(), fmt::format("{}\n", action)),
                            "the machine has ended");
    }

    const Fd power_;
};

}  // namespace

std::unique_ptr<Machine> machine_of_shim(MachinePlaces places, Fd power) {
    return std::make_unique<ShimMachine>(std::move(places), std::move(power));
}

std::unique_ptr<Machine> machine_of_container(MachinePlaces places, http::Endpoint api,
                                              std::string container) {
    return std::make_unique<ContainerMachine>(std::move(places), std::move(api),
                                              std::move(container));
}

std::unique_ptr<Machine> machine_of_parent(MachinePlaces places, pid_t process) {
    return std::make_unique<ParentMachine>(std::move(places), process);
}

Result<void> end_with_parent(pid_t process) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() == process) return {};
    return fail(ErrorKind::cancelled, "process {} is not our parent, or has ended", process);
}

}  // namespace hako::viewer
