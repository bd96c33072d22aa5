#include "macos/opencore_config.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace hako::macos {
namespace {

using Array = Plist::Array;
using Dict = Plist::Dict;
using Data = Plist::Data;

constexpr std::string_view kAcpi = "EFI/OC/ACPI/";
constexpr std::string_view kDrivers = "EFI/OC/Drivers/";
constexpr std::string_view kKexts = "EFI/OC/Kexts/";
constexpr std::string_view kWantedDrivers[] = {"OpenRuntime.efi", "OpenHfsPlus.efi",
                                               "OpenCanopy.efi", "ResetNvramEntry.efi",
                                               "ToggleSipEntry.efi"};
constexpr std::string_view kCanopy = "OpenCanopy.efi";
constexpr std::string_view kCanopyImages = "EFI/OC/Resources/Image";
constexpr std::string_view kBootGuid = "7C436110-AB2A-4BBB-A880-FE41995C9F82";
constexpr std::int64_t kDisplayLevel = 0x80000042;  // errors, warnings, notes
constexpr int kPickerSeconds = 60;
constexpr int kQuickSeconds = 2;

// A kext that is loaded in this order, for kernels from `least` on.
struct Kext {
    std::string_view bundle;
    std::string_view least = "";
};
constexpr Kext kKnownKexts[] = {
    {"Lilu.kext"},
    {"VirtualSMC.kext"},
    {"WhateverGreen.kext"},
    {"VMHide.kext"},
    {"VoodooPS2Controller.kext", "15.0.0"},
    {"VoodooPS2Controller.kext/Contents/PlugIns/VoodooPS2Keyboard.kext", "15.0.0"},
    {"AppleMCEReporterDisabler.kext", "21.0.0"},
};

std::string rom_bytes(std::string_view digits) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        unsigned byte = 0;
        std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
        bytes += static_cast<char>(byte);
    }
    return bytes;
}

bool has_folder(const FileTree& tree, const std::string& folder) {
    const auto found = tree.lower_bound(folder + "/");
    return found != tree.end() && found->first.starts_with(folder + "/");
}

Plist kext_entry(const FileTree& tree, const std::string& bundle, std::string_view least) {
    // A bundle may hold no program, only a list.
    const auto name = bundle.substr(bundle.rfind('/') + 1);
    const auto program = "Contents/MacOS/" + name.substr(0, name.rfind('.'));
    const bool has_program = tree.contains(fmt::format("{}{}/{}", kKexts, bundle, program));
    return Dict{{"Arch", "Any"},
                {"BundlePath", bundle},
                {"Comment", ""},
                {"Enabled", true},
                {"ExecutablePath", has_program ? program : ""},
                {"MaxKernel", ""},
                {"MinKernel", std::string(least)},
                {"PlistPath", "Contents/Info.plist"}};
}

Array kexts(const FileTree& tree) {
    Array list;
    std::set<std::string> known;
    for (const auto& kext : kKnownKexts) {
        const std::string bundle(kext.bundle);
        known.insert(bundle.substr(0, bundle.find('/')));
        if (has_folder(tree, std::string(kKexts) + bundle))
            list.push_back(kext_entry(tree, bundle, kext.least));
    }
    std::set<std::string> others;
    for (const auto& [path, content] : tree) {
        if (!path.starts_with(kKexts)) continue;
        const auto bundle =
            path.substr(kKexts.size(), path.find('/', kKexts.size()) - kKexts.size());
        if (bundle.ends_with(".kext") && !known.contains(bundle)) others.insert(bundle);
    }
    for (const auto& bundle : others) list.push_back(kext_entry(tree, bundle, ""));
    return list;
}

Array acpi_tables(const FileTree& tree) {
    Array list;
    for (const auto& [path, content] : tree)
        if (path.starts_with(kAcpi) && path.ends_with(".aml"))
            list.push_back(
                Dict{{"Comment", ""}, {"Enabled", true}, {"Path", path.substr(kAcpi.size())}});
    return list;
}

// The graphical picker needs its images, which releases come without (OcBinaryData has them).
bool has_canopy(const FileTree& tree) {
    return tree.contains(fmt::format("{}{}", kDrivers, kCanopy)) &&
           has_folder(tree, std::string(kCanopyImages));
}

Array drivers(const FileTree& tree) {
    Array list;
    for (const auto driver : kWantedDrivers)
        if (tree.contains(fmt::format("{}{}", kDrivers, driver)) &&
            (driver != kCanopy || has_canopy(tree)))
            list.push_back(Dict{{"Arguments", ""},
                                {"Comment", ""},
                                {"Enabled", true},
                                {"HideVerbose", false},
                                {"LoadEarly", false},
                                {"Path", std::string(driver)}});
    return list;
}

Dict kernel(const FileTree& tree) {
    return {{"Add", kexts(tree)},
            {"Block", Array{}},
            {"Emulate", Dict{{"Cpuid1Data", Data{}},
                             {"Cpuid1Mask", Data{}},
                             {"DummyPowerManagement", true},
                             {"MaxKernel", ""},
                             {"MinKernel", ""}}},
            {"Force", Array{}},
            {"Patch", Array{}},
            {"Quirks", Dict{{"DisableLinkeditJettison", true},
                            {"ForceSecureBootScheme", true},
                            {"ProvideCurrentCpuInfo", true},
                            {"SetApfsTrimTimeout", -1}}},
            {"Scheme", Dict{{"CustomKernel", false},
                            {"FuzzyMatch", true},
                            {"KernelArch", "Auto"},
                            {"KernelCache", "Auto"}}}};
}

Dict misc(const OpenCoreSettings& settings, const FileTree& tree) {
    return {{"BlessOverride", Array{}},
            {"Boot", Dict{{"HideAuxiliary", true},
                          {"HibernateMode", "None"},
                          {"LauncherOption", "Disabled"},
                          {"PickerAttributes", 1},
                          {"PickerAudioAssist", false},
                          {"PickerMode", has_canopy(tree) ? "External" : "Builtin"},
                          {"PickerVariant", "Auto"},
                          {"PollAppleHotKeys", true},
                          {"ShowPicker", settings.show_picker},
                          {"Timeout", settings.show_picker ? kPickerSeconds : kQuickSeconds}}},
            {"Debug", Dict{{"AppleDebug", false},
                           {"ApplePanic", false},
                           {"DisableWatchDog", false},
                           {"DisplayDelay", 0},
                           {"DisplayLevel", kDisplayLevel},
                           {"LogModules", "*"},
                           {"SysReport", false},
                           {"Target", 3}}},
            {"Entries", Array{}},
            {"Security", Dict{{"AllowSetDefault", true},
                              {"ApECID", 0},
                              {"AuthRestart", false},
                              {"BlacklistAppleUpdate", true},
                              {"DmgLoading", "Signed"},
                              {"EnablePassword", false},
                              {"ExposeSensitiveData", 6},
                              {"HaltLevel", std::int64_t{0x80000000}},
                              {"PasswordHash", Data{}},
                              {"PasswordSalt", Data{}},
                              {"ScanPolicy", 0},
                              {"SecureBootModel", "Disabled"},
                              {"Vault", "Optional"}}},
            {"Serial", Dict{{"Init", false}, {"Override", false}}},
            {"Tools", Array{}}};
}

Dict nvram(const OpenCoreSettings& settings) {
    return {{"Add",
             Dict{{std::string(kBootGuid), Dict{{"boot-args", settings.boot_arguments},
                                                {"csr-active-config", Data{std::string(4, '\0')}},
                                                {"prev-lang:kbd", Data{}},
                                                {"run-efi-updater", "No"}}}}},
            {"Delete", Dict{{std::string(kBootGuid),
                             Array{"boot-args", "csr-active-config", "prev-lang:kbd"}}}},
            {"LegacyOverwrite", false},
            {"LegacySchema", Dict{}},
            {"WriteFlash", true}};
}

Dict platform_info(const Identity& identity) {
    return {{"Automatic", true},
            {"CustomMemory", false},
            {"Generic", Dict{{"AdviseFeatures", false},
                             {"MLB", identity.mlb},
                             {"MaxBIOSVersion", false},
                             {"ProcessorType", 0},
                             {"ROM", Data{rom_bytes(identity.rom)}},
                             {"SpoofVendor", true},
                             {"SystemMemoryStatus", "Auto"},
                             {"SystemProductName", identity.product},
                             {"SystemSerialNumber", identity.serial},
                             {"SystemUUID", identity.uuid}}},
            {"UpdateDataHub", true},
            {"UpdateNVRAM", true},
            {"UpdateSMBIOS", true},
            {"UpdateSMBIOSMode", "Create"},
            {"UseRawUuidEncoding", false}};
}

Dict uefi(const OpenCoreSettings& settings, const FileTree& tree) {
    return {
        {"APFS", Dict{{"EnableJumpstart", true},
                      {"GlobalConnect", false},
                      {"HideVerbose", true},
                      {"JumpstartHotPlug", false},
                      {"MinDate", -1},
                      {"MinVersion", -1}}},
        {"ConnectDrivers", true},
        {"Drivers", drivers(tree)},
        {"Input", Dict{{"KeySupport", true}, {"KeySupportMode", "Auto"}}},
        {"Output", Dict{{"ConsoleMode", ""},
                        {"ProvideConsoleGop", true},
                        {"Resolution", fmt::format("{}x{}@32", settings.width, settings.height)},
                        {"TextRenderer", "BuiltinGraphics"}}},
        {"ProtocolOverrides", Dict{}},
        {"Quirks", Dict{{"EnableVectorAcceleration", true}, {"RequestBootVarRouting", true}}},
        {"ReservedMemory", Array{}}};
}

}  // namespace

Result<void> validate(const OpenCoreSettings& settings) {
    for (const auto side : {settings.width, settings.height})
        if (side < kSmallestSide || side > kLargestSide)
            return fail(ErrorKind::invalid,
                        "a screen of {}x{} is not possible: each side has {} to {} pixels",
                        settings.width, settings.height, kSmallestSide, kLargestSide);
    for (const unsigned char c : settings.boot_arguments)
        if (c < 0x20 || c > 0x7e)
            return fail(ErrorKind::invalid, "boot arguments are one line of plain text");
    return {};
}

Plist opencore_config(const OpenCoreSettings& settings, const FileTree& tree) {
    return Dict{
        {"ACPI", Dict{{"Add", acpi_tables(tree)},
                      {"Delete", Array{}},
                      {"Patch", Array{}},
                      {"Quirks", Dict{}}}},
        {"Booter",
         Dict{{"MmioWhitelist", Array{}},
              {"Patch", Array{}},
              {"Quirks", Dict{{"AvoidRuntimeDefrag", true}, {"EnableWriteUnprotector", true}}}}},
        {"DeviceProperties", Dict{{"Add", Dict{}}, {"Delete", Dict{}}}},
        {"Kernel", kernel(tree)},
        {"Misc", misc(settings, tree)},
        {"NVRAM", nvram(settings)},
        {"PlatformInfo", platform_info(settings.identity)},
        {"UEFI", uefi(settings, tree)}};
}

std::vector<std::string> missing_parts(const FileTree& tree) {
    std::vector<std::string> missing;
    for (const std::string bundle : {"Lilu.kext", "VirtualSMC.kext"})
        if (!has_folder(tree, std::string(kKexts) + bundle))
            missing.push_back(
                fmt::format("there is no {}: macOS does not start without it; add its "
                            "folder or ZIP with another --opencore",
                            bundle));
    for (const std::string_view driver : {"OpenRuntime.efi", "OpenHfsPlus.efi"})
        if (!tree.contains(fmt::format("{}{}", kDrivers, driver)))
            missing.push_back(
                fmt::format("there is no driver {}: the recovery system cannot be read "
                            "without it",
                            driver));
    return missing;
}

}  // namespace hako::macos
