#include "vmm/migration.h"

#include <thread>

#include "base/json.h"

namespace hako::vmm {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

}  // namespace

Result<void> leave_out_shared_memory(QmpClient& qmp) {
    const Json left_out = {{"capability", "x-ignore-shared"}, {"state", true}};
    HAKO_TRY([[maybe_unused]] const auto done,
             qmp.execute("migrate-set-capabilities", {{"capabilities", Json::array({left_out})}}));
    return {};
}

Result<void> load_state(QmpClient& qmp, int its_descriptor) {
    HAKO_TRY([[maybe_unused]] const auto begun,
             qmp.execute("migrate-incoming", {{"uri", fmt::format("fd:{}", its_descriptor)}}));
    return {};
}

Result<void> save_state(QmpClient& qmp, int file, milliseconds deadline) {
    const auto end = Clock::now() + deadline;
    // QEMU stops the CPUs at the end itself. Stopped before, they would be so when loaded, too.
    HAKO_TRY([[maybe_unused]] const auto given,
             qmp.execute("getfd", {{"fdname", "state"}}, kQmpDeadline, file));
    // There is no guest to be kind to: as fast as the disk takes it.
    HAKO_TRY([[maybe_unused]] const auto fast,
             qmp.execute("migrate-set-parameters", {{"max-bandwidth", 0}}));
    HAKO_TRY([[maybe_unused]] const auto begun, qmp.execute("migrate", {{"uri", "fd:state"}}));
    for (;;) {
        HAKO_TRY(const auto answer, qmp.execute("query-migrate"));
        HAKO_TRY(const auto status, json_field_or<std::string>(answer, "status", {}));
        if (status == "completed") return {};
        if (status == "failed" || status == "cancelled") {
            HAKO_TRY(const auto reason,
                     json_field_or<std::string>(answer, "error-desc", "QEMU cannot write it"));
            return fail(ErrorKind::internal, "the VM's state is not saved: {}", reason);
        }
        if (Clock::now() > end)
            return fail(ErrorKind::deadline, "the VM's state was not saved in time");
        std::this_thread::sleep_for(milliseconds(5));
    }
}

Result<void> await_loaded(QmpClient& qmp) {
    const auto end = Clock::now() + kLoadDeadline;
    for (;;) {
        HAKO_TRY(const auto answer, qmp.execute("query-status", {}, kLoadDeadline));
        HAKO_TRY(const auto status, json_field_or<std::string>(answer, "status", {}));
        if (status == "running") return {};
        if (status != "inmigrate")
            return fail(ErrorKind::internal, "QEMU is {} after its memory was loaded", status);
        if (Clock::now() > end)
            return fail(ErrorKind::deadline, "the memory was not loaded in time");
        std::this_thread::sleep_for(milliseconds(20));
    }
}

}  // namespace hako::vmm
