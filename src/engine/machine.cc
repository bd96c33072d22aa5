// What a container's virtual machine is made of, and what it says.
#include "base/fd.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/macos.h"
#include "engine/volumes.h"

namespace hako::engine {
namespace {

constexpr std::size_t kMaxConsole = 2 * kMiB;

// A running container's sandbox, as its shim was told.
Result<runtime::SandboxSpec> sandbox_of(const Context& context, const EntryPtr& entry) {
    auto live = entry->live.lock();
    if (!live->running())
        return fail(ErrorKind::conflict,
                    "container {} is not running: only running containers have a virtual machine",
                    entry->id);
    return runtime::read_sandbox_spec(context.layout.sandbox(live->vm_id()));
}

Result<std::vector<std::string>> command_line(int pid) {
    HAKO_TRY(std::string text, read_file(fmt::format("/proc/{}/cmdline", pid)));
    std::vector<std::string> words;
    while (!text.empty()) {
        const auto end = text.find('\0');
        words.push_back(text.substr(0, end));
        text.erase(0, end == std::string::npos ? end : end + 1);
    }
    return words;
}

}  // namespace

Result<MachineDetails> Engine::machine(std::string_view container) const {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    HAKO_TRY(const auto sandbox, sandbox_of(*context_, entry));
    const auto shim = entry->live.lock()->shim;
    if (!shim) return fail(ErrorKind::conflict, "container {} has just ended", entry->id);
    HAKO_TRY(const runtime::SandboxState state, shim->state());
    MachineDetails details{.pid = state.qemu_pid,
                           .spec_json = dump_json(vmm::to_json(sandbox.machine)),
                           .folder = sandbox.folder};
    HAKO_TRY(details.command, command_line(details.pid));
    return details;
}

Result<void> Engine::control(std::string_view container, const std::string& verb,
                             const std::string& arguments, Writer& out,
                             std::stop_token stop) const {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    if (const Container found = entry->live.lock()->container; !is_macos(found))
        return fail(ErrorKind::invalid, "container {} is no macOS machine", found.name);
    const auto running = [&]() -> std::shared_ptr<runtime::ShimClient> {
        auto live = entry->live.lock();
        return live->running() ? live->shim : nullptr;
    };
    if (const auto shim = running()) return shim->control(verb, arguments, out, std::move(stop));
    const std::lock_guard operation(entry->operation);
    if (const auto shim = running()) return shim->control(verb, arguments, out, std::move(stop));
    Container located = entry->live.lock()->container;
    HAKO_TRY(located.mounts, locate_mounts(*context_, located.mounts));
    HAKO_TRY(const auto answer, control_stopped_macos(located, context_->layout, verb, arguments));
    return out.write(as_bytes(answer));
}

Result<std::string> Engine::console(std::string_view container) const {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    HAKO_TRY(const auto sandbox, sandbox_of(*context_, entry));
    return read_file(sandbox.console_log(), kMaxConsole);
}

}  // namespace hako::engine
