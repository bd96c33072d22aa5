#include "runtime/guest_mounts.h"
#include "runtime/sandbox.h"

// What of a sandbox is the guest agent's to do: one call each.
namespace hako::runtime {

Result<std::string> Sandbox::statistics() {
    HAKO_TRY(const auto agent, this->agent());
    return agent->statistics(spec_.id);
}

Result<std::string> Sandbox::list_processes() {
    HAKO_TRY(const auto agent, this->agent());
    return agent->list_processes(spec_.id);
}

Result<void> Sandbox::copy_in(const std::string& path, bool no_overwrite_dir_non_dir, Reader& tar) {
    HAKO_TRY(const auto agent, this->agent());
    HAKO_CHECK(agent->copy_in({spec_.id, path, no_overwrite_dir_non_dir}, tar));
    // A VM that runs nothing is killed when it is not needed any more.
    HAKO_TRY(const auto first, process(""));
    return first->started() ? Result<void>() : agent->sync();
}

Result<void> Sandbox::update(const std::string& resources) {
    HAKO_TRY(const auto agent, this->agent());
    return agent->update_container(spec_.id, resources);
}

Result<void> Sandbox::copy_out(const std::string& path, Writer& tar) {
    HAKO_TRY(const auto agent, this->agent());
    const auto ignore = [](const guest::PathStat&) { return Result<void>(); };
    return agent->copy_out(spec_.id, path, ignore, tar);
}

Result<guest::PathStat> Sandbox::stat_path(const std::string& path) {
    HAKO_TRY(const auto agent, this->agent());
    return agent->stat_path(spec_.id, path);
}

Result<void> Sandbox::changes(bool list, Writer& out) {
    HAKO_TRY(const auto agent, this->agent());
    return agent->changes({.container = spec_.id,
                           .upper = scratch_path("upper"),
                           .lower = std::string(kRootfsMount),
                           .list = list},
                          out);
}

}  // namespace hako::runtime
