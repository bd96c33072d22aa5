#include "engine/settings.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/units.h"
#include "engine/health.h"
#include "engine/log_options.h"
#include "engine/names.h"
#include "engine/restart.h"
#include "engine/shares.h"
#include "oci/capabilities.h"
#include "oci/runtime_spec.h"

namespace hako::engine {
namespace {

constexpr std::uint64_t kNanoCpus = 1'000'000'000;
constexpr std::uint64_t kEmulatorMemory = 16 * kMiB;  // what the guest keeps a copy of
constexpr std::uint64_t kDefaultCpuPeriod = 100'000;  // microseconds, the kernel's default

struct SecurityOptions {
    bool no_new_privileges = false;
    std::string seccomp;  // runtime/seccomp.h
};

Result<SecurityOptions> parse_security(const HostConfig& config) {
    SecurityOptions options;
    options.seccomp = config.privileged ? runtime::kNoSeccomp : runtime::kBuiltinSeccomp;
    for (const std::string& option : config.security_opt) {
        const std::size_t separator = option.find_first_of("=:");
        const std::string key = option.substr(0, separator);
        const std::string value =
            separator == std::string::npos ? "" : option.substr(separator + 1);
        if (key == "no-new-privileges" && (value.empty() || value == "true"))
            options.no_new_privileges = true;
        else if (key == "no-new-privileges" && value == "false") options.no_new_privileges = false;
        else if (key == "seccomp" && value == "unconfined") options.seccomp = value;
        else if (key == "seccomp" && value == "builtin") options.seccomp = value;
        else if (key == "seccomp")
            return fail(ErrorKind::unimplemented,
                        "own seccomp profiles are not offered: use builtin or unconfined");
        // The host's security modules do not reach into a VM.
        else if (key != "apparmor" && key != "label" && key != "systempaths")
            return fail(ErrorKind::invalid, "invalid --security-opt 2: \"{}\"", option);
    }
    return options;
}

Result<void> check_cpus(const HostConfig& config, unsigned host_cpus) {
    if (config.nano_cpus > 0 && config.cpu_quota > 0)
        return fail(ErrorKind::invalid,
                    "Conflicting options: Nano CPUs and CPU Period cannot both be set.");
    if (config.nano_cpus != 0 && (config.nano_cpus < kNanoCpus / 100 ||
                                  config.nano_cpus > std::uint64_t{host_cpus} * kNanoCpus))
        return fail(ErrorKind::invalid,
                    "range of CPUs is from 0.01 to {}.00, as there are only {} CPUs available",
                    host_cpus, host_cpus);
    if (config.cpu_quota > 0 && config.cpu_quota < 1000)
        return fail(ErrorKind::invalid, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
    if (config.cpu_period != 0 && (config.cpu_period < 1000 || config.cpu_period > 1'000'000))
        return fail(ErrorKind::invalid,
                    "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. "
                    "1000000)");
    return {};
}

// "name:address", both without what would end a line of /etc/hosts.
Result<void> check_extra_hosts(const std::vector<std::string>& hosts) {
    for (const std::string& host : hosts) {
        const auto colon = host.find(':');
        in6_addr address{};
        const std::string text = colon == std::string::npos ? "" : host.substr(colon + 1);
        const bool is_address = ::inet_pton(AF_INET, text.c_str(), &address) == 1 ||
                                ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
        if (colon == 0 || !is_address || host.find_first_of(" \t\r\n") != std::string::npos ||
            host.find('\0') != std::string::npos)
            return fail(ErrorKind::invalid,
                        "ExtraHosts: invalid IP address in add-host: \"{}\": use name:address",
                        host.substr(0, 64));
    }
    return {};
}

Result<void> check_config(const ContainerConfig& config) {
    if (!config.stop_signal.empty()) HAKO_CHECK(parse_signal(config.stop_signal));
    for (const std::string& entry : config.env)
        if (entry.empty() || entry.starts_with('='))
            return fail(ErrorKind::invalid, "invalid environment variable: {}", entry);
    if (!config.working_dir.empty() && !config.working_dir.starts_with('/'))
        return fail(ErrorKind::invalid,
                    "the working directory '{}' is invalid, it needs to be an absolute path",
                    config.working_dir);
    if (config.hostname.size() > 64)
        return fail(ErrorKind::invalid, "invalid hostname: {}", config.hostname.substr(0, 64));
    return {};
}

Result<ContainerConfig> merge_config(ContainerConfig config, const oci::ImageConfig& image) {
    HAKO_TRY(const oci::Invocation invocation,
             oci::merge_invocation({image.entrypoint, image.cmd}, config.entrypoint, config.cmd));
    config.entrypoint = invocation.entrypoint;
    config.cmd = invocation.cmd;
    config.env = oci::merge_environment(image.env, config.env);
    config.labels.insert(image.labels.begin(), image.labels.end());
    config.volumes.insert(config.volumes.end(), image.volumes.begin(), image.volumes.end());
    if (config.user.empty()) config.user = image.user;
    if (config.working_dir.empty()) config.working_dir = image.working_dir;
    if (config.stop_signal.empty()) config.stop_signal = image.stop_signal;
    std::optional<HealthCheck> from_image;
    if (image.healthcheck.is_object()) {
        HAKO_TRY(from_image, parse_health_check(image.healthcheck));
    }
    config.healthcheck = merge_health_check(config.healthcheck, from_image);
    return config;
}

std::string hostname_of(const Container& container) {
    return container.config.hostname.empty() ? container.id.substr(0, 12)
                                             : container.config.hostname;
}

std::optional<oci::ConsoleSize> console_size(std::optional<WindowSize> size) {
    if (!size || size->columns == 0 || size->rows == 0) return std::nullopt;
    return oci::ConsoleSize{size->columns, size->rows};
}

// What first process and execs have in common.
Result<oci::ProcessSettings> base_process(const Container& container, bool privileged) {
    const HostConfig& host = container.host_config;
    oci::ProcessSettings process;
    process.user = container.config.user;
    process.cwd = container.config.working_dir;
    process.groups = host.group_add;
    HAKO_TRY(process.capabilities,
             oci::select_capabilities(host.cap_add, host.cap_drop, privileged));
    for (const Ulimit& limit : host.ulimits)
        process.rlimits.push_back({limit.name, limit.soft, limit.hard});
    if (host.oom_score_adj != 0) process.oom_score_adj = host.oom_score_adj;
    HAKO_TRY(const SecurityOptions security, parse_security(host));
    process.no_new_privileges = security.no_new_privileges;
    return process;
}

Result<Json> make_spec(const Container& container) {
    const HostConfig& host = container.host_config;
    HAKO_TRY(auto process, base_process(container, host.privileged));
    process.args = container.command;
    process.tty = container.config.tty;
    process.env =
        oci::process_environment(hostname_of(container), process.tty, container.config.env);
    process.console_size = console_size(host.console_size);

    oci::RuntimeSettings settings;
    settings.id = container.id;
    settings.rootfs = runtime::guest_rootfs(container.id);
    settings.hostname = hostname_of(container);
    settings.domainname = container.config.domainname;
    settings.process = std::move(process);
    settings.resources = make_resources(host);
    settings.tmpfs = host.tmpfs;
    settings.mounts = guest_mounts(container);
    settings.sysctls = host.sysctls;
    settings.masked_paths = host.masked_paths;
    settings.readonly_paths = host.readonly_paths;
    settings.shm_size = host.shm_size;
    settings.readonly_rootfs = host.readonly_rootfs;
    settings.privileged = host.privileged;
    settings.init = host.init;
    return oci::make_runtime_spec(settings);
}

std::string hosts_file(const Container& container) {
    const std::string name = hostname_of(container);
    const std::string& domain = container.config.domainname;
    std::string text = fmt::format(
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "127.0.0.1\t{}{}\n",
        domain.empty() ? "" : fmt::format("{}.{} ", name, domain), name);
    for (const std::string& host : container.host_config.extra_hosts) {
        const auto colon = host.find(':');
        text += fmt::format("{}\t{}\n", host.substr(colon + 1), host.substr(0, colon));
    }
    return text;
}

}  // namespace

Result<void> check_host_config(const HostConfig& config, unsigned host_cpus) {
    if (config.memory != 0 && config.memory < kMinimumMemory)
        return fail(ErrorKind::invalid, "Minimum memory limit allowed is 6MB");
    HAKO_CHECK(check_cpus(config, host_cpus));
    HAKO_CHECK(scratch_size(config));
    HAKO_CHECK(parse_security(config));
    HAKO_CHECK(log_limits(config));
    HAKO_CHECK(check_extra_hosts(config.extra_hosts));
    return check_restart_policy(config);
}

oci::Resources make_resources(const HostConfig& config) {
    oci::Resources resources;
    resources.memory_limit = memory_limit(config);
    resources.cpu_shares = config.cpu_shares;
    resources.pids_limit = config.pids_limit;
    if (config.cpu_period != 0) resources.cpu_period = config.cpu_period;
    resources.cpu_quota = config.cpu_quota;
    if (config.nano_cpus != 0) {
        resources.cpu_period = kDefaultCpuPeriod;
        resources.cpu_quota =
            static_cast<std::int64_t>(config.nano_cpus * kDefaultCpuPeriod / kNanoCpus);
    }
    return resources;
}

Result<Container> make_container(const CreateRequest& request, const images::Image& image,
                                 std::string id, unsigned host_cpus) {
    Container container;
    container.id = std::move(id);
    container.image_id = image.id;
    container.host_config = request.host_config;
    container.config_json = request.config_json;
    container.host_config_json = request.host_config_json;
    container.networking_json = request.networking_json;
    HAKO_CHECK(check_host_config(container.host_config, host_cpus));
    HAKO_CHECK(check_config(request.config));
    HAKO_TRY(container.config, merge_config(request.config, image.config));
    container.command = *container.config.entrypoint;
    container.command.insert(container.command.end(), container.config.cmd->begin(),
                             container.config.cmd->end());
    if (const auto kernel = request.host_config.annotations.find(std::string(kKernelAnnotation));
        kernel != request.host_config.annotations.end())
        container.kernel = kernel->second;
    // What is wrong with the rest shows here rather than at the start.
    HAKO_CHECK(make_spec(container));
    return container;
}

std::uint64_t memory_limit(const HostConfig& config) {
    return config.memory != 0 ? config.memory : kDefaultMemory;
}

std::uint64_t machine_memory(std::uint64_t limit) {
    // Kernel, agent and initramfs, and 1/32 for what grows with the memory: page descriptors,
    // slabs, page tables. Whole 2 MiB pages.
    constexpr std::uint64_t kOverhead = 64 * kMiB;
    constexpr std::uint64_t kPage = 2 * kMiB;
    const std::uint64_t wanted = std::max(vmm::kMinimumMemory, limit + limit / 32 + kOverhead);
    return (wanted + kPage - 1) / kPage * kPage;
}

unsigned machine_cpus(const HostConfig& config, vmm::Accelerator accelerator, unsigned host_cpus) {
    std::uint64_t cpus = 0;
    if (config.nano_cpus != 0) {
        cpus = (config.nano_cpus + kNanoCpus - 1) / kNanoCpus;
    } else if (config.cpu_quota > 0) {
        const std::uint64_t period = config.cpu_period != 0 ? config.cpu_period : kDefaultCpuPeriod;
        cpus = (static_cast<std::uint64_t>(config.cpu_quota) + period - 1) / period;
    } else {
        cpus = accelerator == vmm::Accelerator::kvm ? kDefaultCpus : kDefaultEmulatedCpus;
    }
    return static_cast<unsigned>(std::clamp<std::uint64_t>(cpus, 1, std::max(1U, host_cpus)));
}

Result<std::uint64_t> scratch_size(const HostConfig& config) {
    const auto found = config.storage_opt.find("size");
    if (config.storage_opt.size() > (found == config.storage_opt.end() ? 0U : 1U))
        return fail(ErrorKind::invalid, "unknown storage option: the one that there is is size");
    if (found == config.storage_opt.end()) return kDefaultScratchSize;
    HAKO_TRY(const std::uint64_t size, parse_bytes(found->second));
    if (size < kMinimumScratchSize || size > 16 * 1024 * kGiB)
        return fail(ErrorKind::invalid, "storage option size must be from 16m to 16t, not {}",
                    found->second);
    return size;
}

Result<runtime::ContainerSpec> make_sandbox_container(const Container& container,
                                                      const MachineParts& parts,
                                                      const Layout& layout) {
    HAKO_TRY(const Json oci_spec, make_spec(container));
    HAKO_TRY(const SecurityOptions security, parse_security(container.host_config));
    runtime::ContainerSpec spec;
    spec.id = container.id;
    spec.rootfs = {std::string(runtime::kRootfsSerial), parts.rootfs.extents, true};
    spec.scratch = {
        std::string(runtime::kScratchSerial), {layout.container_scratch(container.id)}, false};
    spec.volumes = volume_disks(container);
    if (!container.emulated.empty())
        spec.emulator = runtime::EmulatorSpec{container.emulated, parts.emulator};
    spec.oci_spec = dump_json(oci_spec);
    spec.files = {{"/etc/hostname", hostname_of(container) + "\n"},
                  {"/etc/hosts", hosts_file(container)}};
    for (const auto& mount : container.mounts) spec.files.erase(mount.target);
    spec.tty = container.config.tty;
    spec.open_stdin = container.config.open_stdin;
    spec.seccomp = security.seccomp;
    spec.log = layout.container_log(container.id);
    HAKO_TRY(spec.log_limits, log_limits(container.host_config));
    spec.exit_record = layout.container_exit(container.id);
    return spec;
}

Result<runtime::SandboxSpec> make_sandbox(const Container& container, const MachineParts& parts,
                                          const Layout& layout) {
    runtime::SandboxSpec sandbox;
    sandbox.id = container.id;
    sandbox.folder = layout.sandbox(container.id);
    HAKO_TRY(sandbox.container, make_sandbox_container(container, parts, layout));
    const auto& [rootfs, scratch] = std::tie(sandbox.container.rootfs, sandbox.container.scratch);
    sandbox.machine.id = container.id;
    sandbox.machine.kernel = parts.kernel;
    sandbox.machine.initramfs = parts.initramfs;
    sandbox.machine.memory_bytes = machine_memory(memory_limit(container.host_config));
    if (!container.emulated.empty()) sandbox.machine.memory_bytes += kEmulatorMemory;
    sandbox.machine.cpus = machine_cpus(container.host_config, parts.accelerator, parts.host_cpus);
    sandbox.machine.accelerator = parts.accelerator;
    sandbox.machine.tsc_khz = parts.tsc_khz;
    sandbox.machine.disks = {rootfs, scratch};
    sandbox.machine.shares = shares(container);
    vmm::choose_agent_channel(sandbox.machine);
    HAKO_CHECK(vmm::validate(sandbox.machine));
    return sandbox;
}

Result<Json> make_exec_process(const Container& container, const ExecConfig& config,
                               std::optional<WindowSize> size) {
    HAKO_TRY(auto process,
             base_process(container, config.privileged || container.host_config.privileged));
    process.args = config.cmd;
    process.tty = config.tty;
    if (!config.user.empty()) process.user = config.user;
    if (!config.working_dir.empty()) process.cwd = config.working_dir;
    process.env =
        oci::process_environment(hostname_of(container), config.tty,
                                 oci::merge_environment(container.config.env, config.env));
    process.console_size = console_size(size);
    return oci::make_process(process);
}

}  // namespace hako::engine
