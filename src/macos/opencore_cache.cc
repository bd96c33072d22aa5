#include "macos/opencore_cache.h"

#include <algorithm>
#include <charconv>

#include "base/fd.h"
#include "base/paths.h"
#include "base/sha256.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/units.h"
#include "macos/fetch_lock.h"
#include "macos/table.h"
#include "store/file.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kReleaseTable =
#include "opencore.inc"
    ;
constexpr std::size_t kMaxFile = 128 * kMiB;
constexpr std::size_t kMaxList = 1 * kMiB;
constexpr std::size_t kShownDigits = 12;  // of a sum, in a file's name
constexpr std::string_view kAdvice =
    "name a mirror (--opencore-mirror, OPENCORE_MIRROR) or files of your own (--opencore, "
    "OPENCORE), or fetch on another machine (`hako macos fetch -o FOLDER`) and import here (`hako "
    "macos import FOLDER`)";

bool is_file_name(std::string_view text) { return !text.empty() && text != "." && text != ".."; }

bool is_web_url(std::string_view url) {
    const auto origin = oci::origin_of(url);
    if (!origin || (origin->scheme != "http" && origin->scheme != "https")) return false;
    // curl takes one slash or three, too, and without_login() does not.
    const auto rest = url.substr(origin->scheme.size());
    return rest.starts_with("://") && !rest.starts_with(":///");
}

// For messages, which are no place for what logs in.
std::string without_login(std::string_view url) {
    const auto host = url.find("://") + std::string_view("://").size();
    const auto end = std::min(url.find_first_of("/?#", host), url.size());
    const auto login = url.substr(host, end - host).rfind('@');
    if (login == std::string_view::npos) return std::string(url);
    return fmt::format("{}{}", url.substr(0, host), url.substr(host + login + 1));
}

// Why it is no file of a list; empty: it is one.
std::string fault_of(const OpenCoreFile& file, const std::vector<OpenCoreFile>& others) {
    if (!is_sha256(file.sha256)) return "its third field is no SHA-256 (64 hexadecimal digits)";
    if (!is_web_url(file.url)) return "its fourth field is no URL of a file (http or https)";
    const auto name = file.file_name();
    if (!is_file_name(name)) return "its URL ends with no file's name";
    if (std::ranges::find(others, name, &OpenCoreFile::file_name) != others.end())
        return fmt::format("another line's file is called {}, too", name);
    return {};
}

Result<std::vector<OpenCoreFile>> parse_list(std::string_view csv) {
    std::vector<OpenCoreFile> files;
    for (auto& [number, row] : parse_rows(csv)) {
        row.resize(std::max<std::size_t>(row.size(), 4));
        OpenCoreFile file{.name = std::string(trim(row[0])),
                          .version = std::string(trim(row[1])),
                          .sha256 = to_lower(trim(row[2])),
                          .url = std::string(trim(row[3]))};
        if (const auto fault = fault_of(file, files); !fault.empty())
            return fail(ErrorKind::invalid,
                        "line {}: {}; a line is name, version, SHA-256 and URL, with commas "
                        "between them",
                        number, fault);
        files.push_back(std::move(file));
    }
    if (files.empty())
        return fail(ErrorKind::invalid,
                    "a list of OpenCore's files has a heading and at least one line below it");
    return files;
}

Result<void> check_sum(const OpenCoreFile& file, std::string_view content,
                       std::string_view origin) {
    const auto sum = sha256_hex(as_bytes(content));
    if (sum == file.sha256) return {};
    return fail(ErrorKind::corrupt,
                "{} has the SHA-256 {}, not {}: it is not {} {}, and was not kept", origin, sum,
                file.sha256, file.name, file.version);
}

// 0: not known.
std::uint64_t length_of(const oci::HttpResponse& head) {
    const auto text = head.header("content-length");
    std::uint64_t length = 0;
    std::from_chars(text.data(), text.data() + text.size(), length);
    return length;
}

// What comes of a file, counted.
class Receiver {
public:
    explicit Receiver(const DownloadProgress& progress) : progress_(progress) {}

    Result<void> take(const oci::HttpResponse& head, std::span<const std::byte> data) {
        if (content_.size() + data.size() > kMaxFile)
            return fail(ErrorKind::too_large, "it is longer than {} MiB", kMaxFile / kMiB);
        content_ += as_text(data);
        tell(length_of(head));
        return {};
    }
    std::string finish() {
        tell(content_.size());
        return std::move(content_);
    }

private:
    void tell(std::uint64_t total) const {
        if (progress_) progress_(content_.size(), total);
    }

    const DownloadProgress& progress_;
    std::string content_;
};

Error with_advice(const Error& error) {
    if (error.kind() == ErrorKind::cancelled) return error;
    return {error.kind(), fmt::format("{}; {}", error.message(), kAdvice)};
}

}  // namespace

std::string OpenCoreFile::file_name() const {
    const auto path = url.substr(0, url.find_first_of("?#"));
    return path.substr(path.rfind('/') + 1);
}

const std::vector<OpenCoreFile>& opencore_release() {
    static const std::vector<OpenCoreFile> files = parse_list(kReleaseTable).value();
    return files;
}

Result<std::vector<OpenCoreFile>> read_opencore_list(const fs::path& csv) {
    std::error_code error;
    if (!fs::is_regular_file(csv, error))
        return fail(ErrorKind::not_found, "there is no file {}: it is to list OpenCore's files",
                    csv.native());
    HAKO_TRY(const auto text, read_file(csv, kMaxList));
    return with_context(parse_list(text), csv.native());
}

Result<OpenCoreOptions> opencore_options(const std::string& list, const std::string& mirror) {
    OpenCoreOptions options{.mirror = mirror};
    if (!list.empty()) {
        HAKO_TRY(options.files, read_opencore_list(list));
    }
    if (!mirror.empty() && (!is_web_url(mirror) || mirror.find_first_of("?#") != mirror.npos))
        return fail(ErrorKind::invalid,
                    "the mirror of OpenCore's files is the URL of a folder (http or https), "
                    "without ? and #");
    options.transport.proxies = oci::Proxies::from_environment();
    return options;
}

OpenCoreWatch watch_in(ProgressFile& progress) {
    return {
        .on_wait =
            [&] {
                progress.enter(Stage::downloading,
                               "Another machine is downloading OpenCore: waiting for it");
            },
        .on_file =
            [&](const std::string& file) {
                progress.enter(Stage::downloading, "Downloading " + file);
            },
        .on_bytes = [&](std::uint64_t done, std::uint64_t total) { progress.count(done, total); }};
}

fs::path OpenCoreCache::place(const OpenCoreFile& file) const {
    return folder_ / fmt::format("{}-{}", file.sha256.substr(0, kShownDigits), file.file_name());
}

bool OpenCoreCache::has(const OpenCoreFile& file) const {
    const auto content = read_file(place(file), kMaxFile);
    return content && sha256_hex(as_bytes(*content)) == file.sha256;
}

bool OpenCoreCache::has_all() const {
    return std::ranges::all_of(options_.files, [&](const auto& file) { return has(file); });
}

Result<void> OpenCoreCache::keep(const OpenCoreFile& file, std::string_view content) {
    return store::write_file_atomic(place(file), content, 0644);
}

std::string OpenCoreCache::url_of(const OpenCoreFile& file) const {
    const auto& mirror = options_.mirror;
    if (mirror.empty()) return file.url;
    return fmt::format("{}{}{}", mirror, mirror.ends_with('/') ? "" : "/", file.file_name());
}

Result<std::string> OpenCoreCache::download(const OpenCoreFile& file,
                                            const std::stop_token& stop) const {
    const auto url = url_of(file);
    const auto shown = without_login(url);
    if (options_.watch.on_file) options_.watch.on_file(file.file_name());
    oci::Transport transport(options_.transport);
    for (int attempt = 1;; ++attempt) {
        Receiver receiver(options_.watch.on_bytes);
        const auto answer = transport.exchange(
            {.url = url}, kMaxFile, stop,
            [&](const auto& head, auto data) { return receiver.take(head, data); });
        if (answer && answer->status == 200) {
            auto content = receiver.finish();
            HAKO_CHECK(check_sum(file, content, shown));
            return content;
        }
        if (!answer && stop.stop_requested()) return fail(answer.error().error);
        const bool passes = answer ? answer->status >= 500
                                   : answer.error().cause != oci::TransportFailure::Cause::final;
        if (passes && attempt < options_.attempts && sleep_for(options_.pause * attempt, stop))
            continue;
        if (!answer) return fail(answer.error().error.context(shown));
        return fail(kind_of_http_status(answer->status), "{}: the server answers with status {}",
                    shown, answer->status);
    }
}

Result<std::vector<OpenCoreSource>> OpenCoreCache::fetch(const std::stop_token& stop) {
    if (!has_all()) HAKO_CHECK(download_missing(stop));
    std::vector<OpenCoreSource> sources;
    for (const auto& file : options_.files)
        sources.push_back({.path = place(file), .sha256 = file.sha256});
    return sources;
}

Result<void> OpenCoreCache::download_missing(const std::stop_token& stop) {
    HAKO_TRY([[maybe_unused]] const auto lock,
             wait_for_fetch_lock(folder_, options_.watch.on_wait, stop));
    for (const auto& file : options_.files) {
        if (has(file)) continue;
        const auto content = download(file, stop);
        if (!content)
            return fail(with_advice(content.error())
                            .context(fmt::format("cannot fetch {} {}, which macOS boots with",
                                                 file.name, file.version)));
        HAKO_CHECK(keep(file, *content));
    }
    return {};
}

Result<std::vector<std::string>> OpenCoreCache::import(const fs::path& from) {
    HAKO_TRY([[maybe_unused]] const auto lock, take_fetch_lock(folder_));
    std::vector<std::string> missing;
    for (const auto& file : options_.files) {
        const auto given = from / file.file_name();
        std::error_code error;
        if (!fs::exists(given, error)) {
            if (!has(file)) missing.push_back(file.file_name());
            continue;
        }
        HAKO_TRY(const auto content, read_file(given, kMaxFile));
        HAKO_CHECK(check_sum(file, content, given.native()));
        HAKO_CHECK(keep(file, content));
    }
    return missing;
}

Result<void> OpenCoreCache::export_to(const fs::path& to) const {
    HAKO_CHECK(make_folders(to, 0755));
    for (const auto& file : options_.files) {
        if (!has(file)) return fail(ErrorKind::not_found, "{} is not here", file.file_name());
        std::error_code error;
        fs::copy_file(place(file), to / file.file_name(), fs::copy_options::overwrite_existing,
                      error);
        if (error) return fail_errno(error.value(), "cannot copy {}", place(file).native());
    }
    return {};
}

}  // namespace hako::macos
