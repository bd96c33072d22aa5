#include "macos/settings.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "base/text.h"
#include "macos/opencore_config.h"

namespace hako::macos {
namespace {

constexpr std::size_t kMostSataDisks =
    4;  // of six ports: OpenCore and the recovery system have two
constexpr std::uint64_t kLeastBudget = 11;  // QEMU gets the last ten seconds
constexpr std::uint64_t kMostBudget = 3600;
constexpr unsigned kLargeCounts[] = {64, 32, 24, 16};

// One variable after the other; the first fault stays.
class Reader {
public:
    explicit Reader(const Variables& variables) : variables_(variables) {}

    std::optional<std::string> text(const std::string& name) const {
        const auto found = variables_.find(name);
        if (found == variables_.end() || trim(found->second).empty()) return std::nullopt;
        return std::string(trim(found->second));
    }

    template <typename... Args>
    void refuse(const std::string& name, fmt::format_string<Args...> format, Args&&... args) {
        if (!fault)
            fault = Error(ErrorKind::invalid,
                          fmt::format("{}={}: {}", name, text(name).value_or(""),
                                      fmt::format(format, std::forward<Args>(args)...)));
    }

    void read(const std::string& name, bool& into) {
        const auto given = text(name);
        if (!given) return;
        const auto word = to_lower(*given);
        constexpr std::string_view kYes[] = {"y", "yes", "true", "1", "on", "enable", "enabled"};
        constexpr std::string_view kNo[] = {"n", "no",  "none",    "false",
                                            "0", "off", "disable", "disabled"};
        if (std::ranges::find(kYes, word) != std::end(kYes)) into = true;
        else if (std::ranges::find(kNo, word) != std::end(kNo)) into = false;
        else refuse(name, "write Y or N");
    }

    std::optional<std::uint64_t> number(const std::string& name, std::uint64_t least,
                                        std::uint64_t most) {
        const auto given = text(name);
        if (!given) return std::nullopt;
        std::uint64_t value = 0;
        const auto [end, error] =
            std::from_chars(given->data(), given->data() + given->size(), value);
        if (error == std::errc() && end == given->data() + given->size() && value >= least &&
            value <= most)
            return value;
        refuse(name, "write a number from {} to {}", least, most);
        return std::nullopt;
    }

    // Bytes; `all` is what max stands for.
    std::optional<std::uint64_t> bytes(const std::string& name, std::uint64_t least,
                                       std::optional<std::uint64_t> all) {
        const auto given = text(name);
        if (!given) return std::nullopt;
        const auto word = to_lower(*given);
        if (all && (word == "max" || word == "half")) return word == "max" ? *all : *all / 2;
        const auto value = parse_bytes(*given);
        if (value && *value >= least) return *value;
        refuse(name, "write a size of at least {}G, such as {}G{}", least / kGiB, 2 * least / kGiB,
               all ? ", or half or max" : "");
        return std::nullopt;
    }

    template <typename T>
    void choose(const std::string& name, const std::vector<std::pair<std::string_view, T>>& choices,
                T& into) {
        const auto given = text(name);
        if (!given) return;
        std::string known;
        for (const auto& [word, value] : choices) {
            if (word == to_lower(*given)) {
                into = value;
                return;
            }
            known += (known.empty() ? "" : ", ") + std::string(word);
        }
        refuse(name, "choose one of {}", known);
    }

    // Words for QEMU's own option syntax: nothing that begins another option.
    void read_word(const std::string& name, std::string_view more, std::string& into) {
        const auto given = text(name);
        if (!given) return;
        for (const char c : *given) {
            const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
            if (!plain && more.find(c) == std::string_view::npos)
                return refuse(name, "'{}' has no place in it", c);
        }
        into = *given;
    }

    std::optional<Error> fault;

private:
    const Variables& variables_;
};

// The next count below that a topology of powers of two can be made of.
unsigned usable_count(unsigned count) {
    for (const unsigned large : kLargeCounts)
        if (count >= large) return large;
    if (count < 4) return 2;
    if (count == 9) return 8;
    return count / 2 * 2;
}

void read_cpus(Reader& reader, const HostSize& host, ParsedSettings& parsed) {
    const auto given = to_lower(reader.text("CPU_CORES").value_or("2"));
    std::uint64_t count = 0;
    if (given == "max" || given == "half") count = given == "max" ? host.cpus : host.cpus / 2;
    else count = reader.number("CPU_CORES", 1, 255).value_or(2);
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

void read_memory(Reader& reader, const HostSize& host, ParsedSettings& parsed) {
    auto& memory = parsed.settings.memory;
    memory = reader.bytes("RAM_SIZE", kLeastMemory, host.memory).value_or(memory);
    if (host.memory >= kLeastMemory && memory > host.memory) {
        parsed.warnings.push_back(
            fmt::format("RAM_SIZE={}: the host has {} MiB, the machine gets "
                        "those",
                        *reader.text("RAM_SIZE"), host.memory / kMiB));
        memory = host.memory;
    }
    memory = memory / kMiB * kMiB;
}

void read_disks(Reader& reader, MacSettings& settings) {
    settings.disks = {64 * kGiB};
    for (std::size_t i = 0; i < kMostDisks; ++i) {
        const auto name = i == 0 ? std::string("DISK_SIZE") : fmt::format("DISK{}_SIZE", i + 1);
        const auto size = reader.bytes(name, i == 0 ? kLeastDisk : kGiB, std::nullopt);
        if (!size) continue;
        settings.disks.resize(std::max(settings.disks.size(), i + 1));
        settings.disks[i] = *size / kMiB * kMiB;
    }
    reader.choose<DiskFormat>("DISK_FMT", {{"raw", DiskFormat::raw}, {"qcow2", DiskFormat::qcow2}},
                              settings.disk_format);
    DiskBus bus = DiskBus::blk;
    reader.choose<DiskBus>("DISK_TYPE",
                           {{"blk", DiskBus::blk},
                            {"sata", DiskBus::sata},
                            {"ide", DiskBus::sata},
                            {"nvme", DiskBus::nvme},
                            {"usb", DiskBus::usb},
                            {"scsi", DiskBus::scsi}},
                           bus);
    if (reader.text("DISK_TYPE")) settings.disk_bus = bus;
    else if (settings.version.disk == "sata") bus = DiskBus::sata;
    if (bus == DiskBus::sata && settings.disks.size() > kMostSataDisks)
        reader.refuse(fmt::format("DISK{}_SIZE", settings.disks.size()),
                      "a machine has at most {} SATA disks: use DISK_TYPE=blk, or fewer",
                      kMostSataDisks);
    reader.read("ALLOCATE", settings.allocate);
}

// "22", "5000-5001", "8080:80", "53/udp", by commas.
void read_ports(Reader& reader, MacSettings& settings) {
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
        const auto guest =
            colon == std::string::npos ? host : item.substr(colon + 1, slash - colon - 1);
        if (port(host) == 0 || port(guest) == 0 || (protocol != "tcp" && protocol != "udp"))
            return reader.refuse("USER_PORTS", "\"{}\" is no port: write 8080, 8080:80 or 53/udp",
                                 item);
        settings.ports.push_back({protocol, port(host), port(guest)});
    }
}

void read_network(Reader& reader, ParsedSettings& parsed) {
    const auto given = to_lower(reader.text("NETWORK").value_or("user"));
    bool on = true;
    if (given == "nat")
        parsed.warnings.push_back(
            "NETWORK=nat: the machine gets the user network, which needs no rights of the host");
    else if (given != "user" && given != "passt" && given != "slirp") reader.read("NETWORK", on);
    parsed.settings.network = on ? Network::user : Network::none;
    bool dhcp = false;
    reader.read("DHCP", dhcp);
    if (dhcp) reader.refuse("DHCP", "an address of the LAN is not offered yet: leave it out");
    read_ports(reader, parsed.settings);
    reader.read_word("ADAPTER", "", parsed.settings.adapter);
}

void read_identity(Reader& reader, MacSettings& settings) {
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

void read_screen(Reader& reader, MacSettings& settings) {
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
}

}  // namespace

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
    Reader reader(variables);
    const auto wanted = reader.text("VERSION").value_or(std::string(kDefaultVersion));
    const auto version = find_version(wanted);
    if (!version)
        return fail(ErrorKind::invalid, "VERSION={}: {}", wanted, version.error().message());
    ParsedSettings parsed{.settings = {.version = *version}};
    auto& settings = parsed.settings;
    read_identity(reader, settings);
    read_screen(reader, settings);
    read_cpus(reader, host, parsed);
    reader.read_word("CPU_MODEL", "", settings.cpu_model);
    reader.read_word("CPU_FLAGS", "+,=", settings.cpu_flags);
    read_memory(reader, host, parsed);
    read_disks(reader, settings);
    read_network(reader, parsed);
    if (const auto budget = reader.number("TIMEOUT", kLeastBudget, kMostBudget))
        settings.stop_budget = std::chrono::seconds(*budget);
    reader.read("KVM", settings.use_kvm);
    reader.read("ALLOW_UNVERIFIED", settings.allow_unverified);
    reader.read("BALLOONING", settings.balloon);
    const auto arguments = split_arguments(reader.text("ARGUMENTS").value_or(""));
    if (arguments) settings.arguments = *arguments;
    else reader.refuse("ARGUMENTS", "{}", arguments.error().message());
    if (reader.fault) return fail(*reader.fault);
    return parsed;
}

}  // namespace hako::macos
