#include "macos/opencore_files.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>

#include "base/fd.h"
#include "base/sha256.h"
#include "base/text.h"
#include "base/units.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxBytes = 512 * kMiB;
constexpr std::size_t kMaxFiles = 20'000;
constexpr std::size_t kSumDigits = 64;
constexpr std::string_view kNeeded[] = {"EFI/BOOT/BOOTx64.efi", "EFI/OC/OpenCore.efi"};
constexpr std::string_view kLegacyBoot = "Utilities/LegacyBoot/";
constexpr std::string_view kDuetFile = "boot";
constexpr std::string_view kDuet[] = {"bootX64", "bootx64"};
constexpr std::string_view kAcpiSamples = "Docs/AcpiSamples/Binaries/";
constexpr std::string_view kAcpiTables[] = {"SSDT-EC.aml", "SSDT-USBX.aml"};
// Of VirtualSMC's release: they read sensors and batteries that no VM has.
constexpr std::string_view kSensors[] = {"SMCBatteryManager.kext/", "SMCDellSensors.kext/",
                                         "SMCLightSensor.kext/", "SMCProcessor.kext/",
                                         "SMCSuperIO.kext/"};
// Of OcBinaryData: what OpenCore's graphical menu shows.
constexpr std::string_view kPictures[] = {"Resources/Font/", "Resources/Image/",
                                          "Resources/Label/"};
constexpr std::string_view kFinderFiles = "__MACOSX/";  // attributes, in ZIPs that macOS made

// Counts while files come in: a bomb ends here.
class Collector {
public:
    Result<void> add(std::string path, std::string content) {
        bytes_ += content.size();
        if (bytes_ > kMaxBytes || tree_.size() >= kMaxFiles)
            return fail(ErrorKind::too_large, "it holds more than an OpenCore release does");
        tree_.insert_or_assign(std::move(path), std::move(content));
        return {};
    }
    FileTree take() { return std::move(tree_); }

private:
    FileTree tree_;
    std::uint64_t bytes_ = 0;
};

bool is_release(const fs::path& folder) {
    std::error_code error;
    return fs::is_directory(folder / "EFI", error) || fs::is_directory(folder / "X64/EFI", error);
}

fs::path without_slash(const fs::path& path) {
    return path.has_filename() ? path : path.parent_path();
}

Result<FileTree> read_folder(const fs::path& folder) {
    Collector files;
    // The name of a kext's folder, or of one of a release, says what its files are.
    const auto base = is_release(folder) ? folder : folder.parent_path();
    std::error_code error;
    for (auto at = fs::recursive_directory_iterator(folder, error);
         !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
        if (!at->is_regular_file(error)) continue;
        HAKO_TRY(auto content, read_file(at->path(), kMaxBytes));
        HAKO_CHECK(
            files.add(at->path().lexically_relative(base).generic_string(), std::move(content)));
    }
    if (error) return fail_errno(error.value(), "cannot read {}", folder.native());
    return files.take();
}

struct Close {
    void operator()(archive* handle) const { archive_read_free(handle); }
};

Result<std::string> read_entry(archive* handle) {
    std::string content;
    std::string buffer(64 * kKiB, '\0');
    for (;;) {
        const auto count = archive_read_data(handle, buffer.data(), buffer.size());
        if (count == 0) return content;
        if (count < 0) return fail(ErrorKind::corrupt, "{}", archive_error_string(handle));
        content.append(buffer, 0, static_cast<std::size_t>(count));
        if (content.size() > kMaxBytes) return fail(ErrorKind::too_large, "a file is too large");
    }
}

Result<FileTree> read_zip(const OpenCoreSource& source) {
    HAKO_TRY(const auto data, read_file(source.path, kMaxBytes));
    const auto sum = sha256_hex(as_bytes(data));
    if (!source.sha256.empty() && to_lower(source.sha256) != sum)
        return fail(ErrorKind::corrupt,
                    "its SHA-256 is {}, not {}: it is another file than you meant", sum,
                    source.sha256);
    const std::unique_ptr<archive, Close> handle(archive_read_new());
    archive_read_support_format_zip(handle.get());
    if (archive_read_open_memory(handle.get(), data.data(), data.size()) != ARCHIVE_OK)
        return fail(ErrorKind::corrupt, "it is no ZIP and no folder");
    Collector files;
    archive_entry* entry = nullptr;
    for (;;) {
        const int status = archive_read_next_header(handle.get(), &entry);
        if (status == ARCHIVE_EOF) return files.take();
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return fail(ErrorKind::corrupt, "it is no whole ZIP: {}",
                        archive_error_string(handle.get()));
        if (archive_entry_filetype(entry) != AE_IFREG) continue;
        HAKO_TRY(auto content, read_entry(handle.get()));
        HAKO_CHECK(files.add(archive_entry_pathname(entry), std::move(content)));
    }
}

// The path from that folder on.
std::optional<std::string> from_folder(std::string_view path, std::string_view mark) {
    if (path.starts_with(mark)) return std::string(path);
    const auto at = path.find("/" + std::string(mark));
    if (at == std::string_view::npos) return std::nullopt;
    return std::string(path.substr(at + 1));
}

// Where the boot disk has the file; nullopt where it needs it not.
std::optional<std::string> place_of(const std::string& path) {
    if (from_folder(path, "IA32/")) return std::nullopt;
    if (auto placed = from_folder(path, "EFI/")) return placed;
    if (const auto sample = from_folder(path, kAcpiSamples)) {
        const auto name = sample->substr(kAcpiSamples.size());
        if (std::ranges::find(kAcpiTables, name) == std::end(kAcpiTables)) return std::nullopt;
        return "EFI/OC/ACPI/" + name;
    }
    if (const auto legacy = from_folder(path, kLegacyBoot))
        return std::ranges::find(kDuet, legacy->substr(kLegacyBoot.size())) != std::end(kDuet)
                   ? std::optional<std::string>(kDuetFile)
                   : std::nullopt;
    if (path.starts_with(kFinderFiles)) return std::nullopt;
    const auto kext = path.find(".kext/");
    if (kext == std::string::npos) {
        for (const auto pictures : kPictures)
            if (const auto picture = from_folder(path, pictures)) return "EFI/OC/" + *picture;
        return std::nullopt;
    }
    const auto slash = path.rfind('/', kext);
    auto bundle = path.substr(slash == std::string::npos ? 0 : slash + 1);
    for (const auto sensor : kSensors)
        if (bundle.starts_with(sensor)) return std::nullopt;
    return "EFI/OC/Kexts/" + bundle;
}

Result<FileTree> read_source(const OpenCoreSource& source) {
    std::error_code error;
    if (!fs::exists(source.path, error)) return fail(ErrorKind::not_found, "there is no such file");
    if (!fs::is_directory(source.path, error)) return read_zip(source);
    if (!source.sha256.empty())
        return fail(ErrorKind::invalid, "a folder has no SHA-256: leave it out, or name the ZIP");
    return read_folder(source.path);
}

}  // namespace

std::vector<OpenCoreSource> sources_in(const fs::path& path) {
    const auto folder = without_slash(path);
    std::error_code error;
    if (!fs::exists(folder, error)) return {};
    if (!fs::is_directory(folder, error) || folder.extension() == ".kext" || is_release(folder))
        return {{.path = folder}};
    std::vector<OpenCoreSource> sources;
    for (fs::directory_iterator item(folder, error), end; !error && item != end;
         item.increment(error))
        if (item->is_directory() || item->path().extension() == ".zip")
            sources.push_back({.path = item->path()});
    std::ranges::sort(sources, {}, [](const OpenCoreSource& source) {
        const auto name = source.path.filename().native();
        return std::pair(!name.starts_with("OpenCore"), name);
    });
    return sources;
}

Result<std::vector<OpenCoreSource>> sources_at(const std::vector<fs::path>& paths) {
    std::vector<OpenCoreSource> sources;
    for (const auto& path : paths) {
        auto found = sources_in(path);
        std::error_code error;
        if (found.empty())
            return fail(ErrorKind::not_found,
                        "{} {}: name a release of OpenCorePkg or a kext, a folder or ZIP",
                        fs::exists(path, error) ? "nothing of OpenCore is in" : "there is no",
                        path.native());
        std::ranges::move(found, std::back_inserter(sources));
    }
    return sources;
}

bool is_sha256(std::string_view text) {
    return text.size() == kSumDigits &&
           text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

Result<void> require_sum(std::vector<OpenCoreSource>& sources, const std::string& sha256) {
    if (sha256.empty()) return {};
    if (sources.empty())
        return fail(ErrorKind::invalid,
                    "it is of a ZIP that you name; those that are downloaded have sums of their "
                    "own");
    sources.front().sha256 = sha256;
    return {};
}

Result<OpenCoreFiles> read_opencore(const std::vector<OpenCoreSource>& sources) {
    OpenCoreFiles opencore;
    auto& placed = opencore.tree;
    for (const auto& source : sources) {
        HAKO_TRY(auto files, with_context(read_source(source), source.path.native()));
        for (auto& [path, content] : files) {
            const auto legacy = from_folder(path, kLegacyBoot).value_or("");
            if (legacy.ends_with("/boot0")) opencore.bios.disk = std::move(content);
            else if (legacy.ends_with("/boot1f32")) opencore.bios.partition = std::move(content);
            else if (const auto place = place_of(path)) placed[*place] = std::move(content);
        }
    }
    if (!placed.contains(std::string(kDuetFile))) opencore.bios = {};
    if (opencore.bios.empty()) placed.erase(std::string(kDuetFile));
    else HAKO_CHECK(with_context(validate(opencore.bios), "OpenCore"));
    for (const auto needed : kNeeded)
        if (!placed.contains(std::string(needed)))
            return fail(ErrorKind::invalid,
                        "there is no {}: name an OpenCore release, a folder or its ZIP, with "
                        "--opencore",
                        needed);
    return opencore;
}

}  // namespace hako::macos
