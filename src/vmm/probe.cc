#include "vmm/probe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "vmm/cgroup.h"
#include "vmm/machine.h"
#include "vmm/qemu/binary.h"

namespace hako::vmm {
namespace {

constexpr auto kProbeDeadline = std::chrono::seconds(5);
constexpr std::string_view kProbeName = "probe-";
constexpr std::string_view kTcgIsSlower = "VMs run emulated (TCG), several times slower";

std::string environment_variable(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

// Changes when the host boots and when QEMU is exchanged.
Result<std::string> verdict_key() {
    HAKO_TRY(std::string key, boot_id());
    const auto qemu = find_qemu();
    struct stat status {};
    if (qemu && ::stat(qemu->c_str(), &status) == 0)
        key += fmt::format(" {} {} {}", qemu->native(), status.st_size, status.st_mtim.tv_sec);
    return key;
}

Result<ProbeResult> remembered(const ProbeEnvironment& environment) {
    HAKO_TRY(const auto text, read_file(environment.verdict, 64 * kKiB));
    HAKO_TRY(const auto json, parse_json(text));
    HAKO_TRY(const auto key, json_field_or<std::string>(json, "key", {}));
    if (key != environment.key) return fail(ErrorKind::not_found, "the verdict is of another boot");
    ProbeResult result;
    HAKO_TRY(const auto accelerator, json_field_or<std::string>(json, "accelerator", {}));
    if (accelerator == to_string(Accelerator::kvm)) result.accelerator = Accelerator::kvm;
    HAKO_TRY(result.reason, json_field_or<std::string>(json, "reason", {}));
    HAKO_TRY(result.tsc_khz, json_field_or(json, "tsc_khz", result.tsc_khz));
    return result;
}

void remember(const ProbeEnvironment& environment, const ProbeResult& result) {
    const Json json{{"key", environment.key},
                    {"accelerator", to_string(result.accelerator)},
                    {"reason", result.reason},
                    {"tsc_khz", result.tsc_khz}};
    auto written = make_folders(environment.verdict.parent_path());
    if (written) written = replace_file(environment.verdict, dump_json(json), 0600);
    if (!written) log_warn("the KVM probe is not remembered: {}", written.error().message());
}

ProbeResult decide(const ProbeEnvironment& environment) {
    ProbeResult result{.tsc_khz = measure_tsc_khz()};
    if (const auto device = open_file(environment.kvm_device, O_RDWR); !device) {
        result.reason = fmt::format("{}: {}", device.error().message(), kTcgIsSlower);
    } else if (const auto booted = environment.run(); !booted) {
        result.reason = fmt::format("KVM does not run a VM here ({}): {}", booted.error().message(),
                                    kTcgIsSlower);
    } else {
        result.accelerator = Accelerator::kvm;
        result.reason = "a VM was started with KVM";
    }
    return result;
}

// The machine that containers get, as small as it may be. Its agent's first words (vminitd's side
// of HTTP/2 begins with a SETTINGS frame) prove that the guest runs.
Result<void> boot_with_kvm(const Installation& installation) {
    CgroupTree().remove_empty(kProbeName);
    MachineSpec spec{.id = std::string(kProbeName) + random_id().substr(0, 12),
                     .kernel = installation.kernel(),
                     .initramfs = installation.initramfs(),
                     .memory_bytes = kMinimumMemory,
                     .accelerator = Accelerator::kvm};
    HAKO_TRY(const auto machine,
             Machine::start(spec, {.jail = {installation.shim().native(), "jail"},
                                   .start_deadline = kProbeDeadline}));
    HAKO_TRY(const Fd channel, machine->take_agent_channel(kProbeDeadline));
    HAKO_TRY(const bool spoke, wait_readable(channel.get(), kProbeDeadline));
    std::byte first{};
    if (spoke) {
        HAKO_TRY(const auto count, read_some(channel.get(), {&first, 1}));
        if (count == 1) return {};
    }
    return fail(machine->explain(
        ErrorKind::deadline,
        fmt::format("the guest did not start within {} s", kProbeDeadline.count())));
}

}  // namespace

Result<ProbeResult> probe_accelerator(const ProbeEnvironment& environment) {
    const auto& wanted = environment.override_value;
    if (wanted == "kvm" || wanted == "tcg")
        return ProbeResult{.accelerator = wanted == "kvm" ? Accelerator::kvm : Accelerator::tcg,
                           .reason = fmt::format("HAKO_ACCEL={}", wanted)};
    if (!wanted.empty() && wanted != "auto")
        return fail(ErrorKind::invalid, "HAKO_ACCEL is '{}', but must be kvm, tcg or auto", wanted);
    if (auto known = remembered(environment)) return known;
    auto result = decide(environment);
    if (result.accelerator == Accelerator::tcg) log_warn("{}", result.reason);
    remember(environment, result);
    return result;
}

Result<ProbeResult> probe_accelerator(const Layout& layout, const Installation& installation) {
    HAKO_TRY(auto key, verdict_key());
    return probe_accelerator(ProbeEnvironment{
        .override_value = environment_variable("HAKO_ACCEL"),
        .kvm_device = "/dev/kvm",
        .verdict = layout.probe_verdict(),
        .key = std::move(key),
        .run = [&] { return boot_with_kvm(installation); },
    });
}

}  // namespace hako::vmm
