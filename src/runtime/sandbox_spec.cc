#include "runtime/sandbox_spec.h"

namespace hako::runtime {

namespace fs = std::filesystem;

std::string guest_rootfs(std::string_view container) {
    return fmt::format("/run/hako/containers/{}/rootfs", container);
}

Json to_json(const SandboxSpec& spec) {
    return {{"id", spec.id},
            {"machine", vmm::to_json(spec.machine)},
            {"emulated", spec.emulated},
            {"oci_spec", spec.oci_spec},
            {"files", spec.files},
            {"tty", spec.tty},
            {"open_stdin", spec.open_stdin},
            {"seccomp", spec.seccomp},
            {"folder", spec.folder.native()},
            {"log", spec.log.native()},
            {"log_max_bytes", spec.log_limits.max_bytes},
            {"log_max_files", spec.log_limits.max_files},
            {"exit_record", spec.exit_record.native()},
            {"boot_deadline_ms", spec.boot_deadline.count()}};
}

Result<SandboxSpec> sandbox_spec_from_json(const Json& json) {
    SandboxSpec spec;
    const auto path = [&](std::string_view name, fs::path& into) -> Result<void> {
        HAKO_TRY(into, json_field_or<std::string>(json, name, {}));
        if (into.empty()) return fail(ErrorKind::invalid, "field {} is missing", name);
        return {};
    };
    HAKO_TRY(spec.id, json_field_or<std::string>(json, "id", {}));
    HAKO_TRY(const auto machine, json_field_or(json, "machine", Json::object()));
    HAKO_TRY(spec.machine, with_context(vmm::machine_spec_from_json(machine), "field machine"));
    HAKO_TRY(spec.emulated, json_field_or<std::string>(json, "emulated", {}));
    HAKO_TRY(spec.oci_spec, json_field_or<std::string>(json, "oci_spec", {}));
    HAKO_TRY(spec.files, (json_field_or<std::map<std::string, std::string>>(json, "files", {})));
    HAKO_TRY(spec.tty, json_field_or(json, "tty", false));
    HAKO_TRY(spec.open_stdin, json_field_or(json, "open_stdin", false));
    HAKO_TRY(spec.seccomp, json_field_or(json, "seccomp", true));
    HAKO_CHECK(path("folder", spec.folder));
    HAKO_CHECK(path("log", spec.log));
    HAKO_TRY(spec.log_limits.max_bytes, json_field_or<std::uint64_t>(json, "log_max_bytes", 0));
    HAKO_TRY(spec.log_limits.max_files, json_field_or(json, "log_max_files", 1U));
    HAKO_CHECK(path("exit_record", spec.exit_record));
    HAKO_TRY(const auto deadline, json_field_or<std::int64_t>(json, "boot_deadline_ms", 0));
    spec.boot_deadline = std::chrono::milliseconds(deadline);
    return spec;
}

Result<SandboxSpec> read_sandbox_spec(const fs::path& folder) {
    SandboxSpec at;
    at.folder = folder;
    HAKO_TRY(const auto text, read_file(at.spec_file()));
    HAKO_TRY(const auto json, parse_json(text));
    return sandbox_spec_from_json(json);
}

}  // namespace hako::runtime
