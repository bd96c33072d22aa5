#include "macos/settings.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "base/fd.h"
#include "base/sha256.h"
#include "macos/dockurs.h"
#include "macos/opencore_config.h"
#include "macos/variable_reader.h"

namespace hako::macos {
namespace {

constexpr std::uint64_t kLeastBudget = 11;  // QEMU gets the last ten seconds
constexpr std::uint64_t kMostBudget = 3600;
constexpr unsigned kMostCpus = 255;
constexpr std::uint64_t kMostBytes = 1024 * 1024 * kGiB;
constexpr int kMostPorts = 256;  // of one range
constexpr std::uint64_t kMostRotation = 65534;
constexpr std::uint64_t kMostConnections = 16;
constexpr std::uint64_t kLeastMtu = 576;
constexpr std::uint64_t kMostMtu = 65535;
constexpr unsigned kLargeCounts[] = {64, 32, 24, 16};

// The next count below that a topology of powers of two can be made of.
unsigned usable_count(unsigned count) {
    for (const unsigned large : kLargeCounts)
        if (count >= large) return large;
    if (count < 4) return 2;
    if (count == 9) return 8;
    return count / 2 * 2;
}

void read_cpus(VariableReader& reader, const HostSize& host, ParsedSettings& parsed) {
    const auto given = to_lower(reader.text("CPU_CORES").value_or("2"));
    std::uint64_t count = 0;
    if (given == "max" || given == "half") count = given == "max" ? host.cpus : host.cpus / 2;
    else count = reader.number("CPU_CORES", 1, kMostCpus).value_or(2);
    parsed.settings.cpus = usable_count(static_cast<unsigned>(count));
    if (parsed.settings.cpus != count && reader.text("CPU_CORES"))
        parsed.warnings.push_back(
            fmt::format("CPU_CORES={}: macOS gets {} cores; it starts with "
                        "such counts only",
                        given, parsed.settings.cpus));
    if (parsed.settings.cpus > host.cpus)
        parsed.warnings.push_back(
            fmt::format("the machine has {} cores, the host {}: it will be slow",
                        parsed.settings.cpus, host.cpus));
}

// Its first number counts the processors.
void read_smp(VariableReader& reader, MacSettings& settings) {
    reader.read_word("SMP", ",=", settings.smp);
    if (settings.smp.empty()) return;
    const auto& text = settings.smp;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), settings.cpus);
    const bool ends = end == text.data() + text.size() || *end == ',';
    if (error != std::errc() || !ends || settings.cpus < 1 || settings.cpus > kMostCpus)
        reader.refuse("SMP", "write it as 4,sockets=1,cores=4,threads=1, from 1 to {}", kMostCpus);
}

void read_memory(VariableReader& reader, const HostSize& host, ParsedSettings& parsed) {
    auto& memory = parsed.settings.memory;
    memory = reader.bytes("RAM_SIZE", kLeastMemory, kMostBytes, host.memory).value_or(memory);
    if (host.memory >= kLeastMemory && memory > host.memory) {
        parsed.warnings.push_back(
            fmt::format("RAM_SIZE={}: the host has {} MiB, the machine gets "
                        "those",
                        *reader.text("RAM_SIZE"), host.memory / kMiB));
        memory = host.memory;
    }
    memory = memory / kMiB * kMiB;
}

void read_disks(VariableReader& reader, MacSettings& settings) {
    settings.disks = {64 * kGiB};
    for (std::size_t i = 0; i < kMostDisks; ++i) {
        const auto name = i == 0 ? std::string("DISK_SIZE") : fmt::format("DISK{}_SIZE", i + 1);
        const auto size = reader.bytes(name, i == 0 ? kLeastDisk : kGiB, kMostBytes);
        if (!size) continue;
        settings.disks.resize(std::max(settings.disks.size(), i + 1));
        settings.disks[i] = *size / kMiB * kMiB;
        if (i == 0) settings.sizes_new_disk = false;
    }
    reader.choose<DiskFormat>("DISK_FMT", {{"raw", DiskFormat::raw}, {"qcow2", DiskFormat::qcow2}},
                              settings.disk_format);
    DiskBus bus = DiskBus::blk;
    reader.choose<DiskBus>("DISK_TYPE",
                           {{"blk", DiskBus::blk},
                            {"virtio-blk", DiskBus::blk},
                            {"sata", DiskBus::sata},
                            {"ide", DiskBus::sata},
                            {"nvme", DiskBus::nvme},
                            {"usb", DiskBus::usb},
                            {"scsi", DiskBus::scsi},
                            {"virtio-scsi", DiskBus::scsi}},
                           bus);
    if (reader.text("DISK_TYPE")) settings.disk_bus = bus;
    reader.read("ALLOCATE", settings.allocate);
    reader.choose<std::string>("DISK_CACHE", {{"none", "none"}, {"writeback", "writeback"}},
                               settings.disk_cache);
    reader.choose<std::string>(
        "DISK_IO", {{"native", "native"}, {"threads", "threads"}, {"io_uring", "io_uring"}},
        settings.disk_io);
    reader.choose<std::string>(
        "DISK_DISCARD",
        {{"unmap", "unmap"}, {"ignore", "ignore"}, {"on", "unmap"}, {"off", "ignore"}},
        settings.disk_discard);
    if (const auto rate = reader.number("DISK_ROTATION", 0, kMostRotation))
        settings.disk_rotation = static_cast<unsigned>(*rate);
}

// "22", "5000-5001", "8080:80", "53/udp", by commas.
void read_ports(VariableReader& reader, MacSettings& settings) {
    auto rest = reader.text("USER_PORTS").value_or("");
    std::ranges::replace(rest, ' ', ',');
    while (!rest.empty()) {
        const auto item = rest.substr(0, rest.find(','));
        rest.erase(0, std::min(item.size() + 1, rest.size()));
        if (item.empty()) continue;
        const auto slash = item.find('/');
        const auto protocol = slash == std::string::npos ? "tcp" : item.substr(slash + 1);
        const auto colon = item.substr(0, slash).find(':');
        const auto port = [&](std::string_view text) -> std::uint16_t {
            std::uint16_t value = 0;
            const auto [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), value);
            return error == std::errc() && end == text.data() + text.size() ? value : 0;
        };
        const auto host = item.substr(0, std::min(colon, slash));
        const auto dash = host.find('-');
        const int first = port(host.substr(0, dash));
        const int last = dash == std::string::npos ? first : port(host.substr(dash + 1));
        const auto guest =
            colon == std::string::npos ? host : item.substr(colon + 1, slash - colon - 1);
        const bool is_range = dash != std::string::npos;
        if (first == 0 || last < first || last - first >= kMostPorts ||
            (is_range ? colon != std::string::npos : port(guest) == 0) ||
            (protocol != "tcp" && protocol != "udp"))
            return reader.refuse(
                "USER_PORTS", "\"{}\" is no port: write 8080, 8080:80, 5000-5010 or 53/udp", item);
        for (int number = first; number <= last; ++number) {
            const auto here = static_cast<std::uint16_t>(number);
            settings.ports.push_back({protocol, here, is_range ? here : port(guest)});
        }
    }
}

// Of a key that is no secret, and that we do not have.
constexpr std::string_view kOskSha256 =
    "5c0caad0974db5850bfcff8f1ce4839216cac63eea42e33f0b332bbf26f9c443";

void read_pass_through(VariableReader& reader, MacSettings& settings) {
    for (std::size_t i = 0; i < kMostDisks; ++i) {
        const auto device = reader.text(device_variable(i));
        if (!device) continue;
        if (!device->starts_with('/'))
            reader.refuse(device_variable(i), "name a disk of the host by its whole path");
        settings.disks.resize(std::max(settings.disks.size(), i + 1));
        settings.host_disks[i] = *device;
    }
    const auto usb = parse_usb(reader.text("USB").value_or(""));
    if (usb) settings.usb = *usb;
    else reader.refuse("USB", "{}", usb.error().message());
    if (const auto key = reader.text("OSK")) {
        settings.osk = *key;
        if (!is_osk(*key, kOskSha256))
            reader.hide("OSK", "is not the key of a Mac: it has 64 characters");
    }
    reader.read("AUDIO", settings.audio);
}

// What is plugged into it needs it.
void check_usb(VariableReader& reader, const MacSettings& settings) {
    if (settings.usb.on) return;
    if (!settings.usb.devices.empty())
        reader.refuse("USB", "devices of the host are plugged into the USB: leave it out");
    if (settings.audio)
        reader.refuse("USB", "the sound card of AUDIO=Y is on the USB: leave one of them out");
    const auto bus =
        settings.disk_bus.value_or(settings.version.disk == "blk" ? DiskBus::blk : DiskBus::sata);
    if (bus == DiskBus::usb || bus == DiskBus::sata)
        reader.refuse("USB",
                      "the machine boots from the USB, but with DISK_TYPE=blk, nvme or scsi");
}

void read_network(VariableReader& reader, ParsedSettings& parsed) {
    const auto given = to_lower(reader.text("NETWORK").value_or("user"));
    bool on = true;
    if (given == "nat")
        parsed.warnings.push_back(
            "NETWORK=nat: the machine gets the user network, which needs no rights of the host");
    else if (given != "user" && given != "passt" && given != "slirp") reader.read("NETWORK", on);
    bool dhcp = false;
    reader.read("DHCP", dhcp);
    parsed.settings.network = !on ? Network::none : dhcp ? Network::lan : Network::user;
    read_ports(reader, parsed.settings);
    reader.read_word("ADAPTER", "", parsed.settings.adapter);
    const auto& settings = parsed.settings;
    const auto& card = settings.adapter.empty() ? settings.version.nic : settings.adapter;
    const auto mtu = reader.number("MTU", kLeastMtu, kMostMtu);
    if (mtu && card.starts_with("virtio-net"))
        parsed.settings.mtu = static_cast<std::uint16_t>(*mtu);
    else if (mtu)
        parsed.warnings.push_back(
            fmt::format("MTU={}: the network card {} cannot tell it: set it in macOS", *mtu, card));
}

void read_identity(VariableReader& reader, MacSettings& settings) {
    auto& parts = settings.identity;
    if (const auto model = reader.text("MODEL")) parts.product = *model;
    // By itself each, so that the message can name the variable.
    const auto read = [&](const char* name, std::optional<std::string> IdentityParts::*part) {
        IdentityParts alone{.product = parts.product};
        alone.*part = parts.*part = reader.text(name);
        if (const auto faults = check_identity(alone); !faults.empty())
            reader.refuse(name, "{}", faults.front());
    };
    if (const auto known = find_model(parts.product); !known)
        return reader.refuse("MODEL", "{}", known.error().message());
    read("SN", &IdentityParts::serial);
    read("MLB", &IdentityParts::mlb);
    read("UUID", &IdentityParts::uuid);
    read("MAC", &IdentityParts::mac);
}

void read_screen(VariableReader& reader, MacSettings& settings) {
    const auto side = [&](const char* name, unsigned& into) {
        into =
            static_cast<unsigned>(reader.number(name, kSmallestSide, kLargestSide).value_or(into));
    };
    side("WIDTH", settings.width);
    side("HEIGHT", settings.height);
    reader.read("PICKER", settings.show_picker);
    reader.choose<Display>("DISPLAY",
                           {{"web", Display::web},
                            {"vnc", Display::vnc},
                            {"disabled", Display::none},
                            {"none", Display::none}},
                           settings.display);
    if (const auto port = reader.number("WEB_PORT", 0, 65535))
        settings.web_port = static_cast<std::uint16_t>(*port);
    reader.read_word("VGA", "", settings.vga);
    // QEMU's older names of displays, which dockur has.
    constexpr std::pair<std::string_view, std::string_view> kOlder[] = {{"vmware", "vmware-svga"},
                                                                        {"std", "VGA"},
                                                                        {"cirrus", "cirrus-vga"},
                                                                        {"qxl", "qxl-vga"},
                                                                        {"virtio", "virtio-vga"}};
    for (const auto& [older, device] : kOlder)
        if (settings.vga == older) settings.vga = device;
}

}  // namespace

std::string device_variable(std::size_t disk) {
    return disk == 0 ? std::string("DEVICE") : fmt::format("DEVICE{}", disk + 1);
}

bool is_osk(std::string_view key, std::string_view sha256) {
    return key.size() == 64 && sha256_hex(as_bytes(key)) == sha256;
}

HostSize host_size() {
    struct sysinfo info {};
    ::sysinfo(&info);
    return {.cpus = std::thread::hardware_concurrency(),
            .memory = static_cast<std::uint64_t>(info.totalram) * info.mem_unit};
}

Result<std::vector<std::string>> split_arguments(std::string_view text) {
    std::vector<std::string> words;
    bool in_word = false;
    char quote = '\0';
    for (const char c : text) {
        if (quote != '\0') {
            if (c == quote) quote = '\0';
            else words.back() += c;
            continue;
        }
        const bool blank = c == ' ' || c == '\t' || c == '\n';
        if (!blank && !in_word) words.emplace_back();
        in_word = !blank;
        if (c == '"' || c == '\'') quote = c;
        else if (!blank) words.back() += c;
    }
    if (quote != '\0') return fail(ErrorKind::invalid, "a quote is not closed");
    return words;
}

Result<ParsedSettings> parse_settings(const Variables& variables, const HostSize& host) {
    VariableReader reader(variables);
    const auto wanted = reader.text("VERSION").value_or(std::string(kDefaultVersion));
    const auto version = find_version(wanted);
    if (!version)
        return fail(ErrorKind::invalid, "VERSION={}: {}", wanted, version.error().message());
    ParsedSettings parsed{.settings = {.version = *version}};
    auto& settings = parsed.settings;
    read_identity(reader, settings);
    read_screen(reader, settings);
    read_cpus(reader, host, parsed);
    read_smp(reader, settings);
    reader.read_word("CPU_MODEL", "", settings.cpu_model);
    reader.read_word("CPU_FLAGS", "+,=", settings.cpu_flags);
    read_memory(reader, host, parsed);
    read_disks(reader, settings);
    read_pass_through(reader, settings);
    read_network(reader, parsed);
    if (const auto budget = reader.number("TIMEOUT", kLeastBudget, kMostBudget))
        settings.stop_budget = std::chrono::seconds(*budget);
    reader.read("KVM", settings.use_kvm);
    reader.read("ALLOW_UNVERIFIED", settings.allow_unverified);
    settings.recovery_server = reader.text("RECOVERY_SERVER").value_or("");
    if (const auto connections = reader.number("CONNECTIONS", 1, kMostConnections))
        settings.connections = static_cast<std::size_t>(*connections);
    reader.read("BALLOONING", settings.balloon);
    const auto arguments = split_arguments(reader.text("ARGUMENTS").value_or(""));
    if (arguments) settings.arguments = take_usb(*arguments, settings.usb.devices);
    else reader.refuse("ARGUMENTS", "{}", arguments.error().message());
    check_usb(reader, settings);
    if (reader.fault) return fail(*reader.fault);
    for (auto& warning : warn_of_dockurs(variables)) parsed.warnings.push_back(std::move(warning));
    return parsed;
}

}  // namespace hako::macos
