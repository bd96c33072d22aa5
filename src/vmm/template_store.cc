#include "vmm/template_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/paths.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".template", kCheckpointSuffix = ".checkpoint";
// A half written file this old has no writer any more: another daemon's may be at work.
constexpr auto kAbandoned = std::chrono::minutes(10);

bool is_key(std::string_view key) {
    return !key.empty() && key.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

WallTime used_at(const struct stat& status) {
    return WallTime(std::chrono::seconds(status.st_atim.tv_sec) +
                    std::chrono::nanoseconds(status.st_atim.tv_nsec));
}
std::uint64_t bytes_of(const struct stat& status) {
    constexpr std::uint64_t kBlock = 512;
    return static_cast<std::uint64_t>(status.st_blocks) * kBlock;
}

}  // namespace

Result<void> TemplateStore::open() const {
    HAKO_CHECK(make_folders(folder_));
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error)) {
        struct stat status {};
        if (entry.path().extension() != ".tmp" || ::stat(entry.path().c_str(), &status) != 0)
            continue;
        const WallTime written{std::chrono::seconds(status.st_mtim.tv_sec)};
        std::error_code ignored;
        if (now() - written > kAbandoned) fs::remove(entry.path(), ignored);
    }
    return {};
}

fs::path TemplateStore::path(std::string_view key) const {
    return folder_ / (std::string(key) + std::string(kSuffix));
}

fs::path TemplateStore::checkpoint(std::string_view key) const {
    return folder_ / (std::string(key) + std::string(kCheckpointSuffix));
}

std::vector<StoredTemplate> TemplateStore::list() const {
    std::vector<StoredTemplate> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error)) {
        if (entry.path().extension() != kSuffix) continue;
        if (auto one = find(entry.path().stem().native())) found.push_back(*std::move(one));
    }
    std::ranges::sort(found, std::greater(), &StoredTemplate::used);
    return found;
}

Result<StoredTemplate> TemplateStore::find(std::string_view key) const {
    const auto file = path(key);
    struct stat status {};
    if (!is_key(key) || ::stat(file.c_str(), &status) != 0)
        return fail(ErrorKind::not_found, "No such template: {}; see 'hako template ls'", key);
    HAKO_TRY(auto header, read_template(file));
    StoredTemplate found{.header = std::move(header),
                         .path = file,
                         .bytes = bytes_of(status),
                         .used = used_at(status)};
    if (::stat(checkpoint(key).c_str(), &status) == 0) found.bytes += bytes_of(status);
    return found;
}

Result<void> TemplateStore::remove(std::string_view key) const {
    std::error_code error;
    if (!is_key(key) || !fs::remove(path(key), error)) {
        if (error) return fail_errno(error.value(), "cannot remove the template {}", key);
        return fail(ErrorKind::not_found, "No such template: {}; see 'hako template ls'", key);
    }
    fs::remove(checkpoint(key), error);
    return {};
}

void TemplateStore::touch(std::string_view key) const {
    // The file's own time stays: it tells whether somebody wrote to it.
    const timespec times[] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
    (void)::utimensat(AT_FDCWD, path(key).c_str(), times, 0);
}

void TemplateStore::shrink(std::string_view keep) const {
    std::uint64_t bytes = 0;
    for (const auto& one : list()) {
        bytes += one.bytes;
        if (bytes <= limit_ || one.header.key == keep) continue;
        log_info("the template {} goes: those used later take all of the space", one.header.key);
        (void)remove(one.header.key);
    }
}

}  // namespace hako::vmm
