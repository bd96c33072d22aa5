// From the outside: how a shim comes to life, and what is left to do when it did not end well.
#include <fcntl.h>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/log_file.h"
#include "runtime/sandbox_spec.h"
#include "runtime/shim_record.h"
#include "runtime/socket_relays.h"
#include "vmm/machine.h"

namespace hako::runtime {
namespace {

namespace fs = std::filesystem;

constexpr auto kShimDeadline = std::chrono::seconds(20);
// On a busy host it takes a process a while even to die.
constexpr auto kKillDeadline = std::chrono::seconds(30);

}  // namespace

Result<ProcessIdentity> spawn_shim(const Installation& installation, const SandboxSpec& spec) {
    HAKO_CHECK(make_folders(spec.folder));
    const auto file = spec.spec_file();
    HAKO_CHECK(replace_file(file, dump_json(to_json(spec)), 0600));
    // --detach: a short-lived process in between, so that the shim is no child of ours to reap.
    // A machine without a Linux kernel is one of macOS.
    const auto program =
        spec.machine.kernel.empty() ? installation.mac_shim() : installation.shim();
    const Command command{.argv = {program.native(), "--spec", file.native(), "--detach"}};
    HAKO_TRY(const auto output,
             with_context(run(command, kShimDeadline),
                          fmt::format("cannot start {}", program.filename().native())));
    if (!output.status.success())
        return fail(ErrorKind::internal, "{} does not start ({}): {}", program.filename().native(),
                    to_string(output.status), trim(output.err));
    HAKO_TRY(const auto record, read_shim_record(spec.shim_record()));
    return record.shim;
}

Result<void> end_log(const fs::path& log) {
    std::error_code error;
    if (log.empty() || !fs::exists(log, error)) return {};
    HAKO_TRY(auto writer, LogWriter::open(log));
    return writer.is_open() ? writer.finish() : Result<void>();
}

Result<void> cleanup_sandbox(const Layout& layout, std::string_view id, const fs::path& log) {
    const auto folder = layout.sandbox(id);
    if (const auto record = read_shim_record(folder / "shim.json")) {
        HAKO_CHECK(kill_process(record->shim, kKillDeadline));
        if (record->qemu) HAKO_CHECK(kill_process(*record->qemu, kKillDeadline));
    }
    HAKO_CHECK(vmm::cleanup_machine(id));
    HAKO_CHECK(end_log(log));
    remove_published_sockets(folder / "published");
    std::error_code error;
    fs::remove_all(folder, error);
    if (error) return fail_errno(error.value(), "cannot remove {}", folder.native());
    return {};
}

}  // namespace hako::runtime
