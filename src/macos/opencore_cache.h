// OpenCore and the kexts that machines boot from where none are named: a list of files with their
// sums (data/opencore.csv, or a user's own), fetched from their projects or a mirror once, and
// shared by all machines. hako ships none of them.
//
//   <folder>/2011e8b7216e-OpenCore-1.0.8-RELEASE.zip ...   whole and checked; the number begins its
//   sum, so that lists do not push out each other's files
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "macos/image_download.h"
#include "macos/opencore_files.h"
#include "macos/progress.h"
#include "oci/transport.h"

namespace hako::macos {

struct OpenCoreFile {
    std::string name;
    std::string version;
    std::string sha256;  // 64 hexadecimal digits, lower case
    std::string url;

    std::string file_name() const;  // the last part of the URL
};

// Of the release that opencore_config() writes for; OpenCore itself comes first.
const std::vector<OpenCoreFile>& opencore_release();
// A list of the same form: lines of name, version, SHA-256 and URL (http, https) below a heading.
// ErrorKind::invalid says which line is none, and why.
Result<std::vector<OpenCoreFile>> read_opencore_list(const std::filesystem::path& csv);

// Hears how far it is.
struct OpenCoreWatch {
    std::function<void()> on_wait = {};  // once, when another process fetches them
    std::function<void(const std::string& file)> on_file = {};  // before it is downloaded
    DownloadProgress on_bytes = {};                             // of that file; total 0: not known
};
// Tells the machine's progress of it. The file must outlive the watch.
OpenCoreWatch watch_in(ProgressFile& progress);

struct OpenCoreOptions {
    std::vector<OpenCoreFile> files = opencore_release();
    std::string mirror = {};  // URL of the folder in which all of them lie; empty: their own
    OpenCoreWatch watch = {};
    int attempts = 3;  // of each file
    std::chrono::milliseconds pause{1000};
    oci::TransportOptions transport = {.connect_timeout = std::chrono::seconds(15),
                                       .stall_timeout = std::chrono::seconds(30)};
};

// Of a list's path and a mirror's URL, which both may be empty. ErrorKind::invalid, not_found.
Result<OpenCoreOptions> opencore_options(const std::string& list, const std::string& mirror);

// Any thread and any process may call anything.
class OpenCoreCache {
public:
    OpenCoreCache(std::filesystem::path folder, OpenCoreOptions options)
        : folder_(std::move(folder)), options_(std::move(options)) {}

    // All files, downloaded when they are not here; where they are, nothing is written: the folder
    // may be another user's. ErrorKind::corrupt when what comes has another sum: it is not kept.
    Result<std::vector<OpenCoreSource>> fetch(const std::stop_token& stop);
    // Takes those files that lie in `from`, checked. Returns the names of those that are neither
    // there nor here.
    Result<std::vector<std::string>> import(const std::filesystem::path& from);
    // Puts them all into a folder, for import() elsewhere. ErrorKind::not_found before fetch().
    Result<void> export_to(const std::filesystem::path& to) const;

private:
    std::filesystem::path place(const OpenCoreFile& file) const;
    bool has(const OpenCoreFile& file) const;
    bool has_all() const;
    Result<void> download_missing(const std::stop_token& stop);
    Result<void> keep(const OpenCoreFile& file, std::string_view content);
    std::string url_of(const OpenCoreFile& file) const;
    // Its content, checked.
    Result<std::string> download(const OpenCoreFile& file, const std::stop_token& stop) const;

    std::filesystem::path folder_;
    OpenCoreOptions options_;
};

}  // namespace hako::macos
