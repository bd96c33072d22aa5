#include "cli/session.h"

namespace hako::cli {

Result<const Api*> Session::api() {
    if (api_) return &*api_;
    HAKO_TRY(auto choice, host());
    auto connected = Api::connect(choice.endpoint);
    if (!connected && choice.own && connected.error().kind() == ErrorKind::unavailable) {
        HAKO_CHECK(start_daemon(paths));
        connected = Api::connect(choice.endpoint);
    }
    if (!connected) return fail(std::move(connected.error()));
    api_.emplace(*std::move(connected));
    return &*api_;
}

}  // namespace hako::cli
