#include "engine/settings.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "base/units.h"
#include "engine/health.h"
#include "engine/hosts_file.h"
#include "engine/log_options.h"
#include "engine/names.h"
#include "engine/network_record.h"
#include "engine/restart.h"
#include "engine/shares.h"
#include "engine/sharing.h"
#include "engine/sockets.h"
#include "oci/capabilities.h"
#include "oci/runtime_spec.h"

namespace hako::engine {
namespace {

// What no host has; QEMU would say so in words of its own.
constexpr std::uint64_t kMaximumMemory = 16 * 1024 * kGiB;

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
        else if (key == "seccomp" && value.starts_with('{')) options.seccomp = value;
        else if (key == "seccomp")
            return fail(ErrorKind::invalid,
                        "seccomp={}: give builtin, unconfined or the text of a profile in JSON",
                        value.substr(0, 64));
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

// "0-2,5" -> the highest, 5.
Result<unsigned> highest_of(std::string_view text, std::string_view what) {
    const auto wrong = [&] {
        return fail(ErrorKind::invalid, "Invalid value {} for {}: write it as 0-2 or 0,1",
                    text.substr(0, 64), what);
    };
    unsigned highest = 0;
    for (std::string_view rest = text;;) {
        const auto range = rest.substr(0, rest.find(','));
        unsigned first = 0;
        const auto* end = range.data() + range.size();
        auto [at, error] = std::from_chars(range.data(), end, first);
        unsigned last = first;
        if (error == std::errc() && at != end && *at == '-') {
            const auto second = std::from_chars(at + 1, end, last);
            at = second.ptr;
            error = second.ec;
        }
        if (error != std::errc() || at != end || last < first || last > 4096) return wrong();
        highest = std::max(highest, last);
        if (range.size() == rest.size()) return highest;
        rest.remove_prefix(range.size() + 1);
    }
}

Result<void> check_cpuset(const HostConfig& config, unsigned host_cpus) {
    if (!config.cpuset_cpus.empty()) {
        HAKO_TRY(const unsigned highest, highest_of(config.cpuset_cpus, "cpuset cpus"));
        if (highest >= host_cpus)
            return fail(ErrorKind::invalid,
                        "Requested CPUs are not available - requested {}, available: 0-{}",
                        config.cpuset_cpus, host_cpus - 1);
    }
    if (config.cpuset_mems.empty()) return {};
    HAKO_TRY(const unsigned node, highest_of(config.cpuset_mems, "cpuset mems"));
    if (node == 0) return {};
    return fail(ErrorKind::invalid,
                "Requested memory nodes are not available - requested {}, available: 0: a VM has "
                "one",
                config.cpuset_mems);
}

Result<void> check_devices(const std::vector<Device>& devices) {
    for (const Device& device : devices) {
        if (vmm::names_host_device(device.node)) {
            HAKO_CHECK(vmm::check_host_device(device.node));
            continue;
        }
        if (!device.node.starts_with("/dev/") || device.node.find("..") != std::string::npos)
            return fail(ErrorKind::invalid,
                        "error gathering device information while adding custom device \"{}\": "
                        "name a node of the VM, such as /dev/fuse, or a device of the host: "
                        "/dev/bus/usb/001/004, /dev/vfio/12, hako/usb=046d:c52b or "
                        "hako/pci=0000:01:00.0",
                        device.node.substr(0, 64));
        if (device.permissions.find_first_not_of("rwm") != std::string::npos)
            return fail(ErrorKind::invalid, "invalid device mode: {}", device.permissions);
    }
    return {};
}

// They become lines of /etc/hosts.
bool is_name_letter(char letter) {
    const auto byte = static_cast<unsigned char>(letter);
    return std::isalnum(byte) != 0 || letter == '-' || letter == '.' || letter == '_';
}

// A name below /proc/sys, with dots or slashes.
Result<void> check_sysctls(const StringMap& sysctls) {
    for (const auto& [name, value] : sysctls)
        if (name.empty() || name.starts_with('/') || name.find("..") != std::string::npos ||
            (name + value).find('\0') != std::string::npos)
            return fail(ErrorKind::invalid,
                        "field Sysctls: \"{}\" is no name such as net.core.somaxconn",
                        name.substr(0, 64));
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
    for (const auto& [field, name] :
         {std::pair{"Hostname", &config.hostname}, std::pair{"Domainname", &config.domainname}})
        if (name->size() > 64 || !std::ranges::all_of(*name, is_name_letter))
            return fail(ErrorKind::invalid, "field {}: invalid hostname: {}", field,
                        name->substr(0, 64));
    if (config.stop_timeout && *config.stop_timeout < -1)
        return fail(ErrorKind::invalid, "field StopTimeout must be -1 (for ever) or more");
    return {};
}

// As Docker shows them: the user's first, then what the image adds.
std::vector<std::string> merge_variables(const std::vector<std::string>& image,
                                         const std::vector<std::string>& own) {
    auto merged = oci::merge_environment(image, own);
    std::ranges::stable_partition(merged, [&](const std::string& entry) {
        return std::ranges::find(own, entry) != own.end();
    });
    return merged;
}

Result<ContainerConfig> merge_config(ContainerConfig config, const oci::ImageConfig& image) {
    HAKO_TRY(const oci::Invocation invocation,
             oci::merge_invocation({image.entrypoint, image.cmd}, config.entrypoint, config.cmd));
    config.entrypoint = invocation.entrypoint;
    config.cmd = invocation.cmd;
    config.env = merge_variables(image.env, config.env);
    config.labels.insert(image.labels.begin(), image.labels.end());
    for (const std::string& port : image.exposed_ports)
        if (std::ranges::find(config.exposed_ports, port) == config.exposed_ports.end())
            config.exposed_ports.push_back(port);
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

Result<Json> make_spec(const Container& container, bool alone,
                       const std::vector<vmm::HostDevice>& devices) {
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
    for (const Device& device : host.devices)
        if (!vmm::names_host_device(device.node))
            settings.devices[device.path] = {device.node, device.permissions};
    if (!devices.empty())
        settings.host_devices = static_cast<unsigned>(
            std::ranges::count(devices, vmm::HostDevice::Bus::usb, &vmm::HostDevice::bus));
    settings.mounts = guest_mounts(container);
    settings.device_rules = host.device_cgroup_rules;
    settings.sysctls = host.sysctls;
    settings.masked_paths = host.masked_paths;
    settings.readonly_paths = host.readonly_paths;
    settings.shm_size = host.shm_size;
    settings.shared_memory = host.ipc_mode != "none";
    settings.readonly_rootfs = host.readonly_rootfs;
    settings.privileged = host.privileged;
    settings.init = host.init;
    if (!alone) {
        settings.shared_namespaces = shared_namespaces(host);
        settings.own_network = has_bare_network(host);
    }
    return oci::make_runtime_spec(settings);
}

}  // namespace

Result<void> check_host_config(const HostConfig& config, unsigned host_cpus) {
    if (config.memory != 0 && config.memory < kMinimumMemory)
        return fail(ErrorKind::invalid, "Minimum memory limit allowed is 6MB");
    if (config.memory > kMaximumMemory)
        return fail(ErrorKind::invalid, "field Memory must be at most {} GiB",
                    kMaximumMemory / kGiB);
    HAKO_CHECK(check_cpus(config, host_cpus));
    HAKO_CHECK(check_cpuset(config, host_cpus));
    HAKO_CHECK(check_devices(config.devices));
    for (const auto& rule : config.device_cgroup_rules) HAKO_CHECK(oci::parse_device_rule(rule));
    HAKO_CHECK(scratch_size(config));
    HAKO_TRY(const SecurityOptions security, parse_security(config));
    if (security.seccomp != runtime::kBuiltinSeccomp)  // which takes as long as all the rest
        HAKO_CHECK(runtime::SeccompFilters().find(security.seccomp, "{}"));
    HAKO_CHECK(log_limits(config));
    HAKO_CHECK(check_extra_hosts(config.extra_hosts));
    HAKO_CHECK(check_sysctls(config.sysctls));
    for (const PublishedPort& port : config.port_bindings) HAKO_CHECK(to_binding(port));
    HAKO_CHECK(published_sockets(config));
    return check_restart_policy(config);
}

std::vector<std::string> host_devices(const HostConfig& config) {
    std::vector<std::string> names;
    for (const Device& device : config.devices)
        if (vmm::names_host_device(device.node)) names.push_back(device.node);
    return names;
}

oci::Resources make_resources(const HostConfig& config) {
    oci::Resources resources;
    if (config.memory != 0 || shared_with(config).empty())
        resources.memory_limit = memory_limit(config);
    resources.cpu_shares = config.cpu_shares;
    resources.cpuset_cpus = config.cpuset_cpus;
    resources.cpuset_mems = config.cpuset_mems;
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
    HAKO_CHECK(make_spec(container, false, {}));
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

unsigned asked_cpus(const HostConfig& config) {
    std::uint64_t cpus = 0;
    if (config.nano_cpus != 0) {
        cpus = (config.nano_cpus + kNanoCpus - 1) / kNanoCpus;
    } else if (config.cpu_quota > 0) {
        const std::uint64_t period = config.cpu_period != 0 ? config.cpu_period : kDefaultCpuPeriod;
        cpus = (static_cast<std::uint64_t>(config.cpu_quota) + period - 1) / period;
    }
    if (!config.cpuset_cpus.empty())
        if (const auto highest = highest_of(config.cpuset_cpus, "cpuset cpus"))
            cpus = std::max<std::uint64_t>(cpus, *highest + 1);
    return static_cast<unsigned>(std::min<std::uint64_t>(cpus, UINT32_MAX));
}

unsigned machine_cpus(const HostConfig& config, vmm::Accelerator accelerator, unsigned host_cpus) {
    unsigned cpus = asked_cpus(config);
    if (cpus == 0)
        cpus = accelerator == vmm::Accelerator::kvm ? kDefaultCpus : kDefaultEmulatedCpus;
    return std::clamp(cpus, 1U, std::max(1U, host_cpus));
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
    HAKO_TRY(const Json oci_spec, make_spec(container, parts.alone, parts.devices));
    HAKO_TRY(const SecurityOptions security, parse_security(container.host_config));
    runtime::ContainerSpec spec;
    spec.id = container.id;
    // Beside other containers' disks, told by the id; a serial has 20 characters at most.
    const bool joins = !parts.alone && !shared_with(container.host_config).empty();
    const auto serial = [&](std::string_view own) -> std::string {
        return joins ? fmt::format("{}{}", own.front(), container.id.substr(0, 19))
                     : std::string(own);
    };
    spec.rootfs = {serial(runtime::kRootfsSerial), parts.rootfs.extents, true};
    spec.scratch = {
        serial(runtime::kScratchSerial), {layout.container_scratch(container.id)}, false};
    spec.volumes = volume_disks(container);
    spec.images = image_disks(container);
    spec.shares = shares(container);
    if (!container.emulated.empty())
        spec.emulator = runtime::EmulatorSpec{container.emulated, parts.emulator};
    spec.oci_spec = dump_json(oci_spec);
    spec.files = {{"/etc/hostname", hostname_of(container) + "\n"},
                  {"/etc/hosts", hosts_file(container)}};
    for (const auto& mount : container.mounts) spec.files.erase(mount.target);
    if (!parts.alone) HAKO_CHECK(add_sockets(container, spec));
    spec.tty = container.config.tty;
    spec.open_stdin = container.config.open_stdin;
    spec.seccomp = security.seccomp;
    HAKO_TRY(spec.log, log_setup(container, layout));
    spec.exit_record = layout.container_exit(container.id);
    return spec;
}

Result<runtime::SandboxSpec> make_sandbox(const Container& container, const MachineParts& parts,
                                          const Layout& layout) {
    runtime::SandboxSpec sandbox;
    sandbox.id = container.id;
    sandbox.folder = layout.sandbox(container.id);
    sandbox.shares = !parts.alone && !shared_with(container.host_config).empty();
    HAKO_TRY(sandbox.container, make_sandbox_container(container, parts, layout));
    sandbox.machine.id = container.id;
    sandbox.machine.kernel = parts.kernel;
    sandbox.machine.initramfs = parts.initramfs;
    sandbox.machine.memory_bytes = machine_memory(memory_limit(container.host_config));
    if (!container.emulated.empty()) sandbox.machine.memory_bytes += kEmulatorMemory;
    sandbox.machine.cpus = machine_cpus(container.host_config, parts.accelerator, parts.host_cpus);
    sandbox.machine.accelerator = parts.accelerator;
    sandbox.machine.tsc_khz = parts.tsc_khz;
    sandbox.machine.disks = runtime::disks_of(sandbox.container);
    sandbox.machine.shares = sandbox.container.shares;
    sandbox.machine.takes_shares = is_pod(container);
    sandbox.machine.devices = parts.devices;
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
