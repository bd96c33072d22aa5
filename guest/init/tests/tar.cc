#include "init/tests/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

namespace hako::init {
namespace {

la_ssize_t append(::archive*, void* text, const void* data, std::size_t size) {
    static_cast<std::string*>(text)->append(static_cast<const char*>(data), size);
    return static_cast<la_ssize_t>(size);
}

}  // namespace

std::string make_tar(const std::vector<TarItem>& items) {
    std::string tar;
    auto* writer = ::archive_write_new();
    ::archive_write_set_format_pax(writer);
    ::archive_write_open(writer, &tar, nullptr, append, nullptr);
    for (const auto& item : items) {
        auto* entry = ::archive_entry_new();
        ::archive_entry_set_pathname(entry, item.name.c_str());
        ::archive_entry_set_mode(entry, item.mode);
        ::archive_entry_set_uid(entry, item.uid);
        ::archive_entry_set_mtime(entry, 1'000'000'000, 500);
        if (S_ISLNK(item.mode)) ::archive_entry_set_symlink(entry, item.content.c_str());
        else ::archive_entry_set_size(entry, static_cast<la_int64_t>(item.content.size()));
        ::archive_write_header(writer, entry);
        if (S_ISREG(item.mode))
            ::archive_write_data(writer, item.content.data(), item.content.size());
        ::archive_entry_free(entry);
    }
    ::archive_write_free(writer);
    return tar;
}

}  // namespace hako::init
