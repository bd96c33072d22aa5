#include "runtime/sandbox_spec.h"

namespace hako::runtime {
namespace {

namespace fs = std::filesystem;

Result<void> read_path(const Json& json, std::string_view name, fs::path& into) {
    HAKO_TRY(into, json_field_or<std::string>(json, name, {}));
    if (into.empty()) return fail(ErrorKind::invalid, "field {} is missing", name);
    return {};
}

Result<void> read_disk(const Json& json, std::string_view name, vmm::Disk& into) {
    HAKO_TRY(const auto disk, json_field_or(json, name, Json::object()));
    HAKO_TRY(into, with_context(vmm::disk_from_json(disk), fmt::format("field {}", name)));
    return {};
}

Json to_json(const std::vector<RelayedSocket>& sockets) {
    Json list = Json::array();
    for (const auto& socket : sockets)
        list.push_back({{"host", socket.host.native()}, {"guest", socket.guest}});
    return list;
}

Result<void> read_sockets(const Json& json, std::string_view name,
                          std::vector<RelayedSocket>& into) {
    HAKO_TRY(const auto list, json_field_or(json, name, Json::array()));
    for (const Json& item : list) {
        RelayedSocket socket;
        HAKO_CHECK(read_path(item, "host", socket.host));
        HAKO_TRY(socket.guest, json_field_or<std::string>(item, "guest", {}));
        into.push_back(std::move(socket));
    }
    return {};
}

}  // namespace

std::string guest_rootfs(std::string_view container) {
    return fmt::format("/run/hako/containers/{}/rootfs", container);
}

std::vector<vmm::Disk> disks_of(const ContainerSpec& spec) {
    std::vector<vmm::Disk> disks{spec.rootfs, spec.scratch};
    for (const auto* more : {&spec.volumes, &spec.images})
        disks.insert(disks.end(), more->begin(), more->end());
    return disks;
}

Result<std::string> first_process(const ContainerSpec& spec) {
    HAKO_TRY(const auto json, with_context(parse_json(spec.oci_spec), "config.json"));
    HAKO_TRY(const auto process, json_field<Json>(json, "process"));
    if (!process) return fail(ErrorKind::invalid, "config.json has no process");
    return dump_json(*process);
}

Json to_json(const NetworkSpec& spec) {
    Json interfaces = Json::array();
    for (const auto& one : spec.interfaces)
        interfaces.push_back({{"name", one.name},
                              {"mac", one.mac},
                              {"card", one.card},
                              {"sysctls", one.sysctls},
                              {"mtu", one.mtu},
                              {"addresses", one.addresses}});
    Json routes = Json::array();
    for (const auto& route : spec.routes)
        routes.push_back({{"destination", route.destination},
                          {"gateway", route.gateway},
                          {"interface", route.interface}});
    Json lines = Json::array();
    for (const auto& file : spec.lines)
        lines.push_back({{"container", file.container},
                         {"path", file.path},
                         {"gone", file.gone},
                         {"come", file.come}});
    return {{"interfaces", interfaces}, {"routes", routes}, {"lines", lines}};
}

Result<NetworkSpec> network_spec_from_json(const Json& json) {
    NetworkSpec spec;
    HAKO_TRY(const auto interfaces, json_field_or(json, "interfaces", Json::array()));
    for (const Json& item : interfaces) {
        NetworkSpec::Interface one;
        HAKO_TRY(one.name, json_field_or<std::string>(item, "name", {}));
        HAKO_TRY(one.mac, json_field_or<std::string>(item, "mac", {}));
        HAKO_TRY(one.card, json_field_or<std::string>(item, "card", {}));
        using Sysctls = std::map<std::string, std::string>;
        HAKO_TRY(one.sysctls, json_field_or<Sysctls>(item, "sysctls", {}));
        HAKO_TRY(one.mtu, json_field_or(item, "mtu", 0U));
        HAKO_TRY(one.addresses, json_field_or<std::vector<std::string>>(item, "addresses", {}));
        spec.interfaces.push_back(std::move(one));
    }
    HAKO_TRY(const auto routes, json_field_or(json, "routes", Json::array()));
    for (const Json& item : routes) {
        NetworkSpec::Route route;
        HAKO_TRY(route.destination, json_field_or<std::string>(item, "destination", {}));
        HAKO_TRY(route.gateway, json_field_or<std::string>(item, "gateway", {}));
        HAKO_TRY(route.interface, json_field_or<std::string>(item, "interface", {}));
        spec.routes.push_back(std::move(route));
    }
    HAKO_TRY(const auto lines, json_field_or(json, "lines", Json::array()));
    for (const Json& item : lines) {
        NetworkSpec::Lines file;
        HAKO_TRY(file.container, json_field_or<std::string>(item, "container", {}));
        HAKO_TRY(file.path, json_field_or<std::string>(item, "path", {}));
        HAKO_TRY(file.gone, json_field_or<std::vector<std::string>>(item, "gone", {}));
        HAKO_TRY(file.come, json_field_or<std::vector<std::string>>(item, "come", {}));
        spec.lines.push_back(std::move(file));
    }
    return spec;
}

Json to_json(const ContainerSpec& spec) {
    Json json{{"id", spec.id},
              {"rootfs", vmm::to_json(spec.rootfs)},
              {"scratch", vmm::to_json(spec.scratch)},
              {"volumes", Json::array()},
              {"shares", vmm::to_json(spec.shares)},
              {"oci_spec", spec.oci_spec},
              {"files", spec.files},
              {"sockets", to_json(spec.sockets)},
              {"published_sockets", to_json(spec.published_sockets)},
              {"tty", spec.tty},
              {"open_stdin", spec.open_stdin},
              {"seccomp", spec.seccomp},
              {"log", spec.log.file.native()},
              {"log_max_bytes", spec.log.limits.max_bytes},
              {"log_max_files", spec.log.limits.max_files},
              {"journal", spec.log.journal},
              {"exit_record", spec.exit_record.native()}};
    for (const auto& disk : spec.volumes) json["volumes"].push_back(vmm::to_json(disk));
    for (const auto& disk : spec.images) json["images"].push_back(vmm::to_json(disk));
    if (spec.emulator)
        json["emulator"] = {{"architecture", spec.emulator->architecture},
                            {"program", spec.emulator->program.native()}};
    return json;
}

Result<ContainerSpec> container_spec_from_json(const Json& json) {
    ContainerSpec spec;
    HAKO_TRY(spec.id, json_field_or<std::string>(json, "id", {}));
    HAKO_CHECK(read_disk(json, "rootfs", spec.rootfs));
    HAKO_CHECK(read_disk(json, "scratch", spec.scratch));
    for (const auto& [key, disks] :
         {std::pair("volumes", &spec.volumes), std::pair("images", &spec.images)}) {
        HAKO_TRY(const auto list, json_field_or(json, key, Json::array()));
        for (const auto& item : list) {
            HAKO_TRY(auto disk, vmm::disk_from_json(item));
            disks->push_back(std::move(disk));
        }
    }
    HAKO_TRY(const auto shares, json_field_or(json, "shares", Json::array()));
    HAKO_TRY(spec.shares, vmm::shares_from_json(shares));
    HAKO_TRY(spec.oci_spec, json_field_or<std::string>(json, "oci_spec", {}));
    HAKO_TRY(spec.files, (json_field_or<std::map<std::string, std::string>>(json, "files", {})));
    HAKO_CHECK(read_sockets(json, "sockets", spec.sockets));
    HAKO_CHECK(read_sockets(json, "published_sockets", spec.published_sockets));
    HAKO_TRY(spec.tty, json_field_or(json, "tty", false));
    HAKO_TRY(spec.open_stdin, json_field_or(json, "open_stdin", false));
    HAKO_TRY(spec.seccomp, json_field_or<std::string>(json, "seccomp", std::move(spec.seccomp)));
    HAKO_CHECK(read_path(json, "log", spec.log.file));
    HAKO_TRY(spec.log.limits.max_bytes, json_field_or<std::uint64_t>(json, "log_max_bytes", 0));
    HAKO_TRY(spec.log.limits.max_files, json_field_or(json, "log_max_files", 1U));
    HAKO_TRY(spec.log.journal,
             (json_field_or<std::map<std::string, std::string>>(json, "journal", {})));
    HAKO_CHECK(read_path(json, "exit_record", spec.exit_record));
    HAKO_TRY(const auto emulator, json_field<Json>(json, "emulator"));
    if (emulator) {
        spec.emulator.emplace();
        HAKO_TRY(spec.emulator->architecture,
                 json_field_or<std::string>(*emulator, "architecture", {}));
        HAKO_CHECK(read_path(*emulator, "program", spec.emulator->program));
    }
    return spec;
}

Json to_json(const SandboxSpec& spec) {
    return {{"id", spec.id},
            {"machine", vmm::to_json(spec.machine)},
            {"network", to_json(spec.network)},
            {"container", spec.container.id.empty() ? Json::object() : to_json(spec.container)},
            {"waits", spec.waits},
            {"keeps", spec.keeps.native()},
            {"folder", spec.folder.native()},
            {"boot_deadline_ms", spec.boot_deadline.count()}};
}

Result<SandboxSpec> sandbox_spec_from_json(const Json& json) {
    SandboxSpec spec;
    HAKO_TRY(spec.id, json_field_or<std::string>(json, "id", {}));
    HAKO_TRY(const auto machine, json_field_or(json, "machine", Json::object()));
    HAKO_TRY(spec.machine, with_context(vmm::machine_spec_from_json(machine), "field machine"));
    HAKO_TRY(const auto network, json_field_or(json, "network", Json::object()));
    HAKO_TRY(spec.network, with_context(network_spec_from_json(network), "field network"));
    HAKO_TRY(spec.waits, json_field_or(json, "waits", false));
    HAKO_TRY(spec.keeps, json_field_or<std::string>(json, "keeps", {}));
    HAKO_TRY(const auto container, json_field_or(json, "container", Json::object()));
    if (!spec.waits || !container.empty()) {
        HAKO_TRY(spec.container,
                 with_context(container_spec_from_json(container), "field container"));
    }
    HAKO_CHECK(read_path(json, "folder", spec.folder));
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
