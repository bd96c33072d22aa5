#include "macos/opencore_cache.h"

#include <algorithm>
#include <thread>

#include "base/fd.h"
#include "base/paths.h"
#include "base/sha256.h"
#include "base/text.h"
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
constexpr std::size_t kSumDigits = 64;

bool is_file_name(std::string_view text) { return !text.empty() && text != "." && text != ".."; }

bool is_sum(std::string_view text) {
    return text.size() == kSumDigits &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::vector<OpenCoreFile>> parse_list(std::string_view csv) {
    std::vector<OpenCoreFile> files;
    for (auto& row : parse_table(csv)) {
        row.resize(std::max<std::size_t>(row.size(), 4));
        OpenCoreFile file{.name = row[0],
                          .version = row[1],
                          .sha256 = to_lower(row[2]),
                          .url = std::string(trim(row[3]))};
        if (!is_sum(file.sha256) || !oci::origin_of(file.url) || !is_file_name(file.file_name()))
            return fail(ErrorKind::invalid,
                        "\"{}\": a line of a list of OpenCore's files is its name, version, "
                        "SHA-256 and URL, with commas between them",
                        fmt::join(row, ","));
        files.push_back(std::move(file));
    }
    if (files.empty())
        return fail(ErrorKind::invalid,
                    "a list of OpenCore's files has a heading and at least one line below it");
    return files;
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
    if (!mirror.empty())
        HAKO_CHECK(with_context(oci::origin_of(mirror),
                                "the mirror of OpenCore's files is the URL of a folder"));
    options.transport.proxies = oci::Proxies::from_environment();
    return options;
}

bool OpenCoreCache::has(const OpenCoreFile& file) const {
    const auto content = read_file(place(file), kMaxFile);
    return content && sha256_hex(as_bytes(*content)) == file.sha256;
}

Result<void> OpenCoreCache::keep(const OpenCoreFile& file, std::string_view content,
                                 std::string_view origin) {
    if (const auto sum = sha256_hex(as_bytes(content)); sum != file.sha256)
        return fail(ErrorKind::corrupt,
                    "{} has the SHA-256 {}, not {}: it is not {} {}, and was not kept", origin, sum,
                    file.sha256, file.name, file.version);
    return store::write_file_atomic(place(file), content, 0644);
}

Result<void> OpenCoreCache::download(const OpenCoreFile& file, const std::stop_token& stop) {
    auto url = file.url;
    if (!options_.mirror.empty())
        url = fmt::format("{}{}{}", options_.mirror, options_.mirror.ends_with('/') ? "" : "/",
                          file.file_name());
    if (options_.on_file) options_.on_file(file.file_name());
    oci::Transport transport(options_.transport);
    for (int attempt = 1;; ++attempt) {
        auto answer = transport.exchange({.url = url}, kMaxFile, stop);
        if (answer && answer->status == 200) return keep(file, answer->body, url);
        if (!answer && stop.stop_requested()) return fail(answer.error().error);
        const bool passes = answer ? answer->status >= 500
                                   : answer.error().cause != oci::TransportFailure::Cause::final;
        if (passes && attempt < options_.attempts && !stop.stop_requested()) {
            std::this_thread::sleep_for(options_.pause * attempt);
            continue;
        }
        if (!answer) return fail(answer.error().error.context(url));
        return fail(kind_of_http_status(answer->status), "{}: the server answers with status {}",
                    url, answer->status);
    }
}

Result<std::vector<OpenCoreSource>> OpenCoreCache::fetch(const std::stop_token& stop) {
    HAKO_TRY([[maybe_unused]] const auto lock,
             wait_for_fetch_lock(folder_, options_.on_wait, stop));
    std::vector<OpenCoreSource> sources;
    for (const auto& file : options_.files) {
        if (!has(file))
            HAKO_CHECK(with_context(download(file, stop),
                                    fmt::format("cannot fetch {} {}, which macOS boots with",
                                                file.name, file.version)));
        sources.push_back({.path = place(file), .sha256 = file.sha256});
    }
    return sources;
}

Result<void> OpenCoreCache::import(const fs::path& from) {
    HAKO_TRY([[maybe_unused]] const auto lock, take_fetch_lock(folder_));
    for (const auto& file : options_.files) {
        const auto given = from / file.file_name();
        std::error_code error;
        if (!fs::exists(given, error)) continue;
        HAKO_TRY(const auto content, read_file(given, kMaxFile));
        HAKO_CHECK(keep(file, content, given.native()));
    }
    return {};
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
