#include "appliance/build/image_tree.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "base/fd.h"
#include "base/units.h"

namespace hako::appliance {
namespace {

constexpr std::size_t kLargestFile = 256 * kMiB;

struct Free {
    void operator()(archive* handle) const { archive_write_free(handle); }
    void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

la_ssize_t append(archive* /*handle*/, void* into, const void* data, std::size_t count) {
    static_cast<std::string*>(into)->append(static_cast<const char*>(data), count);
    return static_cast<la_ssize_t>(count);
}

Error error_of(archive* handle) {
    return {ErrorKind::internal,
            fmt::format("cannot pack the root file system: {}", archive_error_string(handle))};
}

}  // namespace

void ImageTree::add(const std::filesystem::path& path, Node node) {
    for (auto folder = path.parent_path(); folder.has_relative_path();
         folder = folder.parent_path())
        nodes_.try_emplace(folder);
    nodes_.insert_or_assign(path, std::move(node));
}

void ImageTree::add_file(const std::filesystem::path& path, const std::filesystem::path& from) {
    add(path, {Kind::file, from, 0644});
}

void ImageTree::add_program(const std::filesystem::path& path, const std::filesystem::path& from) {
    add(path, {Kind::file, from, 0755});
}

void ImageTree::add_text(const std::filesystem::path& path, std::string text, mode_t mode) {
    add(path, {Kind::text, std::move(text), mode});
}

void ImageTree::add_link(const std::filesystem::path& path, const std::filesystem::path& target) {
    add(path, {Kind::link, target, 0777});
}

Result<std::string> ImageTree::pack() const {
    std::string packed;
    const std::unique_ptr<archive, Free> out(archive_write_new());
    archive* handle = out.get();
    if (archive_write_set_format_cpio_newc(handle) != ARCHIVE_OK ||
        archive_write_add_filter_zstd(handle) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(handle, 1) != ARCHIVE_OK ||
        archive_write_open2(handle, &packed, nullptr, append, nullptr, nullptr) != ARCHIVE_OK)
        return fail(error_of(handle));
    la_int64_t number = 1;
    for (const auto& [path, node] : nodes_) {
        std::string content = node.content;
        if (node.kind == Kind::file) {
            HAKO_TRY(content, read_file(node.content, kLargestFile));
        }
        const std::unique_ptr<archive_entry, Free> entry(archive_entry_new());
        archive_entry_set_pathname(entry.get(), path.relative_path().c_str());
        archive_entry_set_ino64(entry.get(), number++);
        archive_entry_set_perm(entry.get(), node.mode);
        archive_entry_set_mtime(entry.get(), 0, 0);
        archive_entry_set_nlink(entry.get(), 1);
        archive_entry_set_filetype(entry.get(), node.kind == Kind::folder ? AE_IFDIR
                                                : node.kind == Kind::link ? AE_IFLNK
                                                                          : AE_IFREG);
        if (node.kind == Kind::link) archive_entry_set_symlink(entry.get(), content.c_str());
        const bool has_data = node.kind == Kind::file || node.kind == Kind::text;
        archive_entry_set_size(entry.get(), has_data ? static_cast<la_int64_t>(content.size()) : 0);
        if (archive_write_header(handle, entry.get()) != ARCHIVE_OK) return fail(error_of(handle));
        if (has_data && archive_write_data(handle, content.data(), content.size()) !=
                            static_cast<la_ssize_t>(content.size()))
            return fail(error_of(handle));
    }
    if (archive_write_close(handle) != ARCHIVE_OK) return fail(error_of(handle));
    return packed;
}

}  // namespace hako::appliance
