#include "oci/runtime_spec.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "base/units.h"

namespace hako::oci {
namespace {

constexpr std::string_view kPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const std::vector<std::string> kMaskedPaths = {
    "/proc/acpi",        "/proc/asound",        "/proc/interrupts", "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap",
};
const std::vector<std::string> kReadonlyPaths = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

constexpr std::array<std::string_view, 15> kRlimits = {
    "as",   "core",   "cpu",   "data", "fsize",  "locks",      "memlock", "msgqueue",
    "nice", "nofile", "nproc", "rss",  "rtprio", "sigpending", "stack",
};

std::string_view key_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

Result<void> check_text(std::string_view what, const std::vector<std::string>& texts) {
    for (const std::string& text : texts)
        if (text.find('\0') != std::string::npos)
            return fail(ErrorKind::invalid, "{} holds a NUL byte", what);
    return {};
}

Result<void> check_absolute(std::string_view what, std::string_view path) {
    if (path.starts_with('/') && path.find('\0') == std::string_view::npos) return {};
    return fail(ErrorKind::invalid, "{} \"{}\" is invalid, it needs to be an absolute path", what,
                path);
}

Result<Json> make_rlimits(const std::vector<Rlimit>& limits) {
    Json list = Json::array();
    for (const Rlimit& limit : limits) {
        if (std::ranges::find(kRlimits, limit.name) == kRlimits.end())
            return fail(ErrorKind::invalid, "invalid ulimit type: {}", limit.name);
        if (limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard))
            return fail(ErrorKind::invalid,
                        "ulimit soft limit must be less than or equal to hard limit: {} > {}",
                        limit.soft, limit.hard);
        std::string type = "RLIMIT_";
        for (const char c : limit.name) type += static_cast<char>(std::toupper(c));
        list.push_back({{"type", std::move(type)},
                        {"soft", static_cast<std::uint64_t>(limit.soft)},
                        {"hard", static_cast<std::uint64_t>(limit.hard)}});
    }
    return list;
}

// What execve(2) leaves a user that is not root: nothing but the bounding set.
bool is_root(std::string_view user) {
    const std::string_view name = user.substr(0, user.find(':'));
    return name.empty() || name == "root" || name == "0";
}

Json make_capabilities(const ProcessSettings& settings) {
    const Json all = settings.capabilities;
    const Json active = is_root(settings.user) ? all : Json::array();
    return {{"bounding", all}, {"effective", active}, {"permitted", active}};
}

Result<Json> make_user(const ProcessSettings& settings) {
    Json user = {{"uid", 0}, {"gid", 0}};
    if (!settings.user.empty()) user["username"] = settings.user;
    for (const std::string& group : settings.groups) {
        std::uint32_t id = 0;
        const auto [end, error] = std::from_chars(group.data(), group.data() + group.size(), id);
        const bool is_number = error == std::errc() && end == group.data() + group.size();
        // The guest knows the container's groups.
        if (is_number) user["additionalGids"].push_back(id);
        else user["additionalGroups"].push_back(group);
    }
    return user;
}

Json make_mount(std::string_view target, std::string_view type, std::string_view source,
                std::vector<std::string> options) {
    return {{"destination", target},
            {"type", type},
            {"source", source},
            {"options", std::move(options)}};
}

// Docker's defaults for --tmpfs, each replaced by its opposite if the user names that.
std::vector<std::string> tmpfs_options(std::string_view wanted) {
    std::vector<std::string> options = {"noexec", "nosuid", "nodev"};
    while (!wanted.empty()) {
        const std::size_t comma = wanted.find(',');
        const std::string option(wanted.substr(0, comma));
        wanted.remove_prefix(comma == std::string_view::npos ? wanted.size() : comma + 1);
        if (option.empty()) continue;
        std::erase(options, "no" + option);
        if (std::ranges::find(options, option) == options.end()) options.push_back(option);
    }
    return options;
}

Result<Json> make_mounts(const RuntimeSettings& settings) {
    const std::string access = settings.privileged ? "rw" : "ro";
    const std::uint64_t shm = settings.shm_size != 0 ? settings.shm_size : 64 * kMiB;
    Json mounts = {
        make_mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
        make_mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
        make_mount("/dev/pts", "devpts", "devpts",
                   {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
        make_mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}),
        make_mount("/sys/fs/cgroup", "cgroup2", "cgroup", {"nosuid", "noexec", "nodev", access}),
        make_mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
    };
    if (settings.shared_memory)
        mounts.push_back(
            make_mount("/dev/shm", "tmpfs", "shm",
                       {"nosuid", "noexec", "nodev", "mode=1777", fmt::format("size={}", shm)}));
    const auto standard = static_cast<std::ptrdiff_t>(mounts.size());
    for (const auto& [path, options] : settings.tmpfs) {
        HAKO_CHECK(check_absolute("mount path", path));
        mounts.push_back(make_mount(path, "tmpfs", "tmpfs", tmpfs_options(options)));
    }
    for (const auto& mount : settings.mounts) {
        HAKO_CHECK(check_absolute("mount path", mount.target));
        mounts.push_back(make_mount(mount.target, mount.type, mount.source, mount.options));
    }
    // What lies in another mount comes after it; the order of the others stays.
    const auto depth = [](const Json& mount) {
        return std::ranges::count(mount["destination"].get_ref<const std::string&>(), '/');
    };
    std::stable_sort(
        mounts.begin() + standard, mounts.end(),
        [&](const Json& first, const Json& second) { return depth(first) < depth(second); });
    for (const auto& [path, device] : settings.devices) {
        HAKO_CHECK(check_absolute("device path", path));
        mounts.push_back(make_mount(path, "bind", device.node, {"bind"}));
    }
    return mounts;
}

}  // namespace

Json make_resources(const Resources& resources) {
    Json json = Json::object();
    if (resources.memory_limit != 0) json["memory"]["limit"] = resources.memory_limit;
    if (resources.cpu_quota > 0) {
        json["cpu"]["quota"] = resources.cpu_quota;
        json["cpu"]["period"] = resources.cpu_period;
    }
    if (resources.cpu_shares != 0) json["cpu"]["shares"] = resources.cpu_shares;
    if (!resources.cpuset_cpus.empty()) json["cpu"]["cpus"] = resources.cpuset_cpus;
    if (!resources.cpuset_mems.empty()) json["cpu"]["mems"] = resources.cpuset_mems;
    if (resources.pids_limit != 0) json["pids"]["limit"] = resources.pids_limit;
    return json;
}

namespace {

Result<Json> make_linux(const RuntimeSettings& settings) {
    Json namespaces = Json::array();
    for (const char* type : {"pid", "mount", "ipc", "uts", "cgroup"})
        if (!settings.shared_namespaces.contains(type)) namespaces.push_back({{"type", type}});
    for (const auto& [type, container] : settings.shared_namespaces)
        namespaces.push_back({{"type", type}, {"path", "container:" + container}});
    if (settings.own_network) namespaces.push_back({{"type", "network"}});

    // An unprivileged process may bind any port and send pings: the VM is the container's alone.
    Json sysctl = {{"net.ipv4.ip_unprivileged_port_start", "0"},
                   {"net.ipv4.ping_group_range", "0 2147483647"}};
    for (const auto& [key, value] : settings.sysctls) sysctl[key] = value;

    Json resources = make_resources(settings.resources);
    HAKO_TRY(resources["devices"],
             make_device_rules(settings.privileged, settings.devices, settings.device_rules));

    const auto paths = [&](const auto& chosen, const std::vector<std::string>& fallback) {
        if (chosen) return *chosen;
        return settings.privileged ? std::vector<std::string>() : fallback;
    };
    return Json{{"namespaces", std::move(namespaces)},
                {"resources", std::move(resources)},
                {"cgroupsPath", "/hako/" + settings.id},
                {"sysctl", std::move(sysctl)},
                {"maskedPaths", paths(settings.masked_paths, kMaskedPaths)},
                {"readonlyPaths", paths(settings.readonly_paths, kReadonlyPaths)}};
}

}  // namespace

const std::vector<std::string>& default_masked_paths() { return kMaskedPaths; }
const std::vector<std::string>& default_readonly_paths() { return kReadonlyPaths; }

Result<Json> make_process(const ProcessSettings& settings) {
    if (settings.args.empty()) return fail(ErrorKind::invalid, "No command specified");
    HAKO_CHECK(check_text("the command", settings.args));
    HAKO_CHECK(check_text("the environment", settings.env));
    HAKO_CHECK(check_text("the user", {settings.user}));
    HAKO_CHECK(check_text("a group", settings.groups));
    const std::string cwd = settings.cwd.empty() ? "/" : settings.cwd;
    HAKO_CHECK(check_absolute("the working directory", cwd));
    HAKO_TRY(Json user, make_user(settings));
    HAKO_TRY(Json rlimits, make_rlimits(settings.rlimits));

    Json process = {{"terminal", settings.tty},
                    {"user", std::move(user)},
                    {"args", settings.args},
                    {"env", settings.env},
                    {"cwd", cwd},
                    {"capabilities", make_capabilities(settings)},
                    {"rlimits", std::move(rlimits)},
                    {"noNewPrivileges", settings.no_new_privileges}};
    if (settings.oom_score_adj) process["oomScoreAdj"] = *settings.oom_score_adj;
    if (settings.tty && settings.console_size)
        process["consoleSize"] = {{"width", settings.console_size->columns},
                                  {"height", settings.console_size->rows}};
    return process;
}

Result<Json> make_runtime_spec(const RuntimeSettings& settings) {
    HAKO_TRY(Json process, make_process(settings.process));
    HAKO_TRY(Json mounts, make_mounts(settings));
    HAKO_TRY(Json linux_part, make_linux(settings));
    Json spec = {{"ociVersion", "1.1.0"},
                 {"process", std::move(process)},
                 {"root", {{"path", settings.rootfs}, {"readonly", settings.readonly_rootfs}}},
                 {"mounts", std::move(mounts)},
                 {"linux", std::move(linux_part)}};
    if (settings.init) spec["annotations"]["io.hako.init"] = "true";
    if (settings.privileged) spec["annotations"]["io.hako.devices"] = "all";
    if (settings.host_devices)
        spec["annotations"]["io.hako.host-devices"] = std::to_string(*settings.host_devices);
    if (settings.shared_namespaces.contains("uts")) return spec;
    spec["hostname"] = settings.hostname;
    if (!settings.domainname.empty()) spec["domainname"] = settings.domainname;
    return spec;
}

Result<Invocation> merge_invocation(const Invocation& image,
                                    const std::optional<std::vector<std::string>>& entrypoint,
                                    const std::optional<std::vector<std::string>>& cmd) {
    Invocation merged;
    merged.entrypoint = entrypoint.value_or(image.entrypoint);
    merged.cmd = cmd.value_or(std::vector<std::string>());
    const bool own_entrypoint = entrypoint && !entrypoint->empty();
    if (merged.cmd.empty() && !own_entrypoint) merged.cmd = image.cmd;
    if (merged.entrypoint == std::vector<std::string>{""}) merged.entrypoint.clear();
    if (merged.entrypoint.empty() && merged.cmd.empty())
        return fail(ErrorKind::invalid, "No command specified");
    return merged;
}

std::vector<std::string> merge_environment(std::vector<std::string> base,
                                           const std::vector<std::string>& over) {
    for (const std::string& entry : over) {
        const auto same = std::ranges::find(base, key_of(entry), key_of);
        const bool removes = entry.find('=') == std::string::npos;
        if (same == base.end()) {
            if (!removes) base.push_back(entry);
        } else if (removes) {
            base.erase(same);
        } else {
            *same = entry;
        }
    }
    return base;
}

std::vector<std::string> process_environment(std::string_view hostname, bool tty,
                                             const std::vector<std::string>& env) {
    std::vector<std::string> base = {std::string(kPath), fmt::format("HOSTNAME={}", hostname)};
    if (tty) base.emplace_back("TERM=xterm");
    return merge_environment(std::move(base), env);
}

}  // namespace hako::oci
