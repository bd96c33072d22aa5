#include "init/vminitd/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <limits>
#include <sstream>
#include <thread>

#include "base/log.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

std::uint64_t to_number(std::string_view text) {
    if (text.starts_with("max")) return std::numeric_limits<std::uint64_t>::max();
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// cpu.shares (2 to 262144) -> cpu.weight (1 to 10000), as systemd and others convert.
std::uint64_t weight_of_shares(std::uint64_t shares) {
    shares = std::clamp<std::uint64_t>(shares, 2, 262144);
    return 1 + (shares - 2) * 9999 / 262142;
}

std::string limit_text(std::int64_t limit) { return limit < 0 ? "max" : fmt::format("{}", limit); }

Result<void> add_memory(const Json& memory, std::vector<CgroupSetting>& settings) {
    HAKO_TRY(const auto limit, json_field<std::int64_t>(memory, "limit"));
    HAKO_TRY(const auto reservation, json_field<std::int64_t>(memory, "reservation"));
    HAKO_TRY(const auto swap, json_field<std::int64_t>(memory, "swap"));
    if (limit) settings.push_back({"memory.max", limit_text(*limit)});
    if (reservation) settings.push_back({"memory.low", limit_text(*reservation)});
    // The specification counts memory and swap together, cgroup v2 swap alone.
    if (swap && limit && *limit >= 0)
        settings.push_back(
            {"memory.swap.max",
             *swap < 0 ? "max" : limit_text(std::max<std::int64_t>(*swap - *limit, 0))});
    return {};
}

Result<void> add_cpu(const Json& cpu, std::vector<CgroupSetting>& settings) {
    HAKO_TRY(const auto shares, json_field<std::uint64_t>(cpu, "shares"));
    HAKO_TRY(const auto quota, json_field<std::int64_t>(cpu, "quota"));
    HAKO_TRY(const auto period, json_field_or<std::uint64_t>(cpu, "period", 100'000));
    HAKO_TRY(const auto cpus, json_field_or<std::string>(cpu, "cpus", ""));
    HAKO_TRY(const auto nodes, json_field_or<std::string>(cpu, "mems", ""));
    if (shares && *shares != 0)
        settings.push_back({"cpu.weight", fmt::format("{}", weight_of_shares(*shares))});
    if (quota)
        settings.push_back(
            {"cpu.max", fmt::format("{} {}", *quota <= 0 ? "max" : limit_text(*quota), period)});
    if (!cpus.empty()) settings.push_back({"cpuset.cpus", cpus});
    if (!nodes.empty()) settings.push_back({"cpuset.mems", nodes});
    return {};
}

std::vector<fs::path> with_children(const fs::path& folder) {
    std::vector<fs::path> folders{folder};
    std::error_code error;
    for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error))
        if (entry->is_directory(error)) folders.push_back(entry->path());
    return folders;
}

// Two levels of run queues, and the load of each, at every switch between processes.
constexpr std::string_view kWaiting = "cpu";

void hand_down(const fs::path& folder, std::string_view controller) {
    if (const auto done =
            write_file(folder / "cgroup.subtree_control", fmt::format("+{}", controller));
        !done)
        log_warn("{}", done.error().message());
}

bool is_waiting(const CgroupSetting& setting) {
    return setting.file.starts_with(fmt::format("{}.", kWaiting));
}

Result<void> kill_all(const fs::path& folder) { return write_file(folder / "cgroup.kill", "1"); }

}  // namespace

Result<std::vector<CgroupSetting>> cgroup_settings(const Json& resources) {
    std::vector<CgroupSetting> settings;
    HAKO_TRY(const auto memory, json_field_or<Json>(resources, "memory", Json::object()));
    HAKO_TRY(const auto cpu, json_field_or<Json>(resources, "cpu", Json::object()));
    HAKO_TRY(const auto pids, json_field_or<Json>(resources, "pids", Json::object()));
    HAKO_CHECK(add_memory(memory, settings));
    HAKO_CHECK(add_cpu(cpu, settings));
    HAKO_TRY(const auto pids_limit, json_field<std::int64_t>(pids, "limit"));
    if (pids_limit && *pids_limit != 0) settings.push_back({"pids.max", limit_text(*pids_limit)});
    using Unified = std::map<std::string, std::string>;
    HAKO_TRY(const auto unified, json_field_or<Unified>(resources, "unified", {}));
    for (const auto& [file, value] : unified) {
        if (file.find('/') != std::string::npos)
            return fail(ErrorKind::invalid, "linux.resources.unified names no file: {}", file);
        settings.push_back({file, value});
    }
    return settings;
}

Result<Cgroup> Cgroup::create(const fs::path& parent, const std::string& name) {
    const auto path = parent / name;
    std::error_code error;
    if (!fs::create_directory(path, error))
        return fail_errno(error ? error.value() : EEXIST, "cannot make the cgroup {}",
                          path.string());
    HAKO_TRY(Fd folder, open_file(path, O_RDONLY | O_DIRECTORY));
    return Cgroup(path, std::move(folder));
}

void Cgroup::add_controllers() const {
    std::istringstream offered(read_file(path_.parent_path() / "cgroup.controllers").value_or(""));
    for (std::string name; offered >> name;)
        if (name == kWaiting) hand_down(path_.parent_path(), name);
}

Result<void> Cgroup::apply(const std::vector<CgroupSetting>& settings) const {
    if (std::ranges::any_of(settings, is_waiting)) add_controllers();
    for (const auto& setting : settings) {
        auto fd = open_file(path_ / setting.file, O_WRONLY);
        if (!fd) {
            log_warn("{}={} is not applied: {}", setting.file, setting.value, fd.error().message());
            continue;
        }
        HAKO_CHECK(with_context(write_all(fd->get(), setting.value),
                                fmt::format("cannot set {} to {}", setting.file, setting.value)));
    }
    return {};
}

Result<std::string> Cgroup::read(const std::string& file) const { return read_file(path_ / file); }

std::uint64_t Cgroup::read_number(const std::string& file) const {
    const auto text = read(file);
    return text ? to_number(*text) : 0;
}

std::map<std::string, std::uint64_t> Cgroup::read_table(const std::string& file) const {
    std::map<std::string, std::uint64_t> table;
    std::istringstream lines(read(file).value_or(""));
    std::string name, value;
    while (lines >> name >> value) table[name] = to_number(value);
    return table;
}

std::vector<pid_t> Cgroup::processes() const {
    std::vector<pid_t> pids;
    for (const auto& folder : with_children(path_)) {
        std::istringstream lines(read_file(folder / "cgroup.procs").value_or(""));
        for (pid_t pid = 0; lines >> pid;) pids.push_back(pid);
    }
    return pids;
}

Result<void> Cgroup::signal_all(int number) const {
    if (number == SIGKILL) return kill_all(path_);
    for (const auto pid : processes())
        if (::kill(pid, number) != 0 && errno != ESRCH)
            return fail_errno(errno, "cannot signal process {}", pid);
    return {};
}

Result<void> remove_cgroup(const fs::path& folder) {
    using namespace std::chrono_literals;
    std::error_code error;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (fs::exists(folder, error)) {
        (void)kill_all(folder);
        // Deepest first; it works as soon as nothing is left in them.
        auto folders = with_children(folder);
        std::ranges::sort(folders, std::greater{});
        for (const auto& child : folders) ::rmdir(child.c_str());
        if (!fs::exists(folder, error)) break;
        if (std::chrono::steady_clock::now() > deadline)
            return fail(ErrorKind::deadline, "processes in {} do not die", folder.string());
        std::this_thread::sleep_for(5ms);
    }
    return {};
}

Result<fs::path> find_cgroup2() {
    HAKO_TRY(const auto mounts, read_file("/proc/self/mounts"));
    std::istringstream lines(mounts);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string source, target, type;
        fields >> source >> target >> type;
        if (type == "cgroup2") return fs::path(target);
    }
    return fail(ErrorKind::not_found, "no cgroup2 file system is mounted");
}

void delegate_controllers(const fs::path& folder) {
    std::istringstream names(read_file(folder / "cgroup.controllers").value_or(""));
    // One by one: what one controller cannot do here must not stop the others.
    for (std::string name; names >> name;)
        if (name != kWaiting) hand_down(folder, name);
}

}  // namespace hako::init
