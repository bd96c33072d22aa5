#include "engine/macos.h"

#include <algorithm>
#include <utility>

#include "engine/log_options.h"
#include "engine/sharing.h"
#include "engine/sockets.h"
#include "images/machine_image.h"
#include "macos/disk_verbs.h"
#include "macos/machine_request.h"
#include "volume/volume.h"

namespace hako::engine {
namespace {

// From the guest's end of its own budget to the end of the container's.
constexpr std::chrono::seconds kAfterBudget{15};
constexpr std::uint64_t kNanoCpus = 1'000'000'000;

bool names_memory(const Container& container) {
    return std::ranges::any_of(container.config.env, [](const std::string& entry) {
        return entry.starts_with("RAM_SIZE=");
    });
}

// Those that the container sees, and Docker's limits where they say nothing.
macos::Variables variables_of(const Container& container) {
    macos::Variables variables;
    for (const std::string& entry : container.config.env) {
        const auto equals = entry.find('=');
        if (equals != std::string::npos)
            variables[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
    const HostConfig& host = container.host_config;
    if (host.memory != 0) variables.try_emplace("RAM_SIZE", fmt::format("{}M", host.memory / kMiB));
    if (const auto cpus = host.nano_cpus / kNanoCpus; cpus != 0)
        variables.try_emplace("CPU_CORES", std::to_string(cpus));
    if (on_no_network(container)) variables["NETWORK"] = "N";
    return variables;
}

Result<macos::ParsedSettings> parse(const Container& container) {
    return macos::parse_settings(variables_of(container), macos::host_size());
}

// What a machine has mounted is for hako, not for the guest.
struct Place {
    std::string_view target;
    void (*take)(macos::MachineRequest&, std::filesystem::path);
    bool is_folder = true;
    bool is_written = false;
};
using Request = macos::MachineRequest;
using Path = std::filesystem::path;
constexpr Place kPlaces[] = {
    {"/storage", [](Request& to, Path path) { to.storage = std::move(path); }, true, true},
    {"/shared", [](Request& to, Path path) { to.share = std::move(path); }},
    {"/opencore", [](Request& to, Path path) { to.opencore = std::move(path); }},
    {"/boot.dmg", [](Request& to, Path path) { to.recovery = std::move(path); }, false},
    {"/custom.plist", [](Request& to, Path path) { to.custom_config = std::move(path); }, false},
};

const Place* place_of(std::string_view target) {
    const auto* found = std::ranges::find(kPlaces, target, &Place::target);
    return found == std::end(kPlaces) ? nullptr : found;
}

// Of /disk1 to /disk6, counted from 0: images and disks of the host.
std::optional<std::size_t> disk_at(std::string_view target) {
    for (std::size_t i = 0; i < macos::kMostDisks; ++i)
        if (target == fmt::format("/disk{}", i + 1)) return i;
    return std::nullopt;
}

// Of /storage2 to /storage6: where that disk lies.
std::optional<std::size_t> storage_at(std::string_view target) {
    for (std::size_t i = 1; i < macos::kMostDisks; ++i)
        if (target == fmt::format("/storage{}", i + 1)) return i;
    return std::nullopt;
}

Path source_of(const MountPoint& mount) {
    return mount.subpath.empty() ? Path(mount.source) : Path(mount.source) / mount.subpath;
}

}  // namespace

std::filesystem::path own_storage(const Layout& layout, std::string_view container) {
    return layout.container(container) / "storage";
}

namespace {

macos::MachineRequest make_request(const Container& container, const Layout& layout) {
    macos::MachineRequest request{.name = container.name,
                                  .variables = variables_of(container),
                                  .storage = own_storage(layout, container.id),
                                  .cache = layout.macos(),
                                  .api = "unix://" + layout.socket().native()};
    if (const auto given = request.variables.find("RECOVERY");
        given != request.variables.end() && !given->second.empty())
        request.recovery = given->second;
    if (const auto from = request.variables.find("FROM");
        from != request.variables.end() && !from->second.empty())
        request.from = from->second;
    for (const MountPoint& mount : container.mounts) {
        if (const Place* place = place_of(mount.target)) place->take(request, source_of(mount));
        if (const auto disk = disk_at(mount.target))
            request.variables[macos::device_variable(*disk)] = source_of(mount);
        if (const auto disk = storage_at(mount.target))
            request.disk_folders[*disk] = source_of(mount);
    }
    return request;
}

}  // namespace

bool on_no_network(const Container& container) {
    return container.host_config.network_mode == "none";
}

bool is_macos(const Container& container) {
    return images::machine_of_image(container.config.image) == images::kMacosMachine;
}

bool wants_lan(const Container& container) {
    const auto parsed = parse(container);
    return parsed && parsed->settings.network == macos::Network::lan;
}

bool works_while_stopped(const Container& container, const ExecConfig& command) {
    return is_macos(container) && !command.cmd.empty() && macos::is_disk_verb(command.cmd.front());
}

images::Image macos_image(images::Image image) {
    std::erase_if(image.config.env,
                  [](const std::string& entry) { return !entry.starts_with("VERSION="); });
    return image;
}

Result<std::vector<std::string>> complete_macos(Container& container) {
    const auto memory = container.host_config.memory;
    if (memory != 0 && std::cmp_less(memory, macos::kLeastMemory) && !names_memory(container))
        return fail(ErrorKind::invalid,
                    "a macOS machine needs {}G of memory at least, not {} MiB: --memory 4g, or "
                    "leave it out",
                    macos::kLeastMemory / kGiB, memory / kMiB);
    HAKO_TRY(const auto parsed, parse(container));
    HAKO_CHECK(macos::check_named_files(variables_of(container)));
    if (!shared_with(container.host_config).empty())
        return fail(ErrorKind::invalid,
                    "a macOS machine is no Linux VM that containers share: leave out container:");
    if (container.host_config.annotations.contains(std::string(kPublishSocketAnnotation)))
        return fail(ErrorKind::unimplemented,
                    "a macOS machine has no agent that its sockets could be published by: leave "
                    "out --publish-socket");
    container.config.labels.try_emplace("io.hako.machine", images::kMacosMachine);
    container.config.labels.try_emplace("io.hako.macos.version", parsed.settings.version.number);
    // Long enough for the guest's question to pass, which a user who is asked may not answer.
    if (!container.config.stop_timeout)
        container.config.stop_timeout =
            static_cast<int>((parsed.settings.stop_budget + kAfterBudget).count());
    return parsed.warnings;
}

Result<void> check_macos_mounts(const std::vector<MountPoint>& mounts,
                                std::vector<std::string>& warnings) {
    std::string known;
    for (const Place& place : kPlaces) known += fmt::format(" {}", place.target);
    for (const MountPoint& mount : mounts) {
        const Place* place = place_of(mount.target);
        const auto disk = disk_at(mount.target);
        const auto storage = storage_at(mount.target);
        if (place == nullptr && !disk && !storage) {
            warnings.push_back(
                fmt::format("{}: macOS sees nothing of it; a machine uses what is mounted at{} "
                            "/storage2 /disk1",
                            mount.target, known));
            continue;
        }
        const bool is_folder = storage || (place != nullptr && place->is_folder);
        const bool is_written = disk || storage || place->is_written;
        std::error_code error;
        const bool block = mount.driver == volume::kBlock;
        if (block || (mount.type != MountType::bind && mount.type != MountType::volume))
            return fail(ErrorKind::invalid,
                        "{} of a macOS machine is a folder of the host or a local volume, no {}",
                        mount.target, block ? "block volume" : to_string(mount.type));
        if (std::filesystem::is_directory(source_of(mount), error) != is_folder)
            return fail(ErrorKind::invalid, "{}: {} is {} folder", mount.target,
                        source_of(mount).native(), is_folder ? "no" : "a");
        if (is_written && mount.read_only)
            return fail(ErrorKind::invalid,
                        "what is mounted at {} is written by the machine: mount it without ro",
                        mount.target);
    }
    return {};
}

Result<std::filesystem::path> macos_folder(const Container& container, const Layout& layout) {
    HAKO_TRY(const auto parsed, parse(container));
    return make_request(container, layout).storage / parsed.settings.version.number;
}

Result<runtime::SandboxSpec> make_macos_sandbox(const Container& container,
                                                const vmm::ProbeResult& probe,
                                                const Layout& layout) {
    HAKO_TRY(const auto parsed, parse(container));
    if (parsed.settings.use_kvm && probe.accelerator != vmm::Accelerator::kvm)
        return fail(ErrorKind::unavailable,
                    "macOS needs KVM, which cannot be used here: enable virtualisation in the "
                    "firmware and load kvm_intel or kvm_amd, or emulate with -e KVM=N, which takes "
                    "hours ({})",
                    probe.reason);
    runtime::SandboxSpec sandbox;
    sandbox.id = container.id;
    sandbox.folder = layout.sandbox(container.id);
    sandbox.machine.id = container.id;
    sandbox.machine.memory_bytes = parsed.settings.memory;
    sandbox.machine.cpus = parsed.settings.cpus;
    sandbox.machine.accelerator =
        parsed.settings.use_kvm ? vmm::Accelerator::kvm : vmm::Accelerator::tcg;
    sandbox.container.id = container.id;
    sandbox.container.tty = container.config.tty;
    sandbox.container.open_stdin = container.config.open_stdin;
    HAKO_TRY(sandbox.container.log, log_setup(container, layout));
    sandbox.container.exit_record = layout.container_exit(container.id);
    sandbox.container.oci_spec = macos::machine_config(make_request(container, layout));
    return sandbox;
}

}  // namespace hako::engine
