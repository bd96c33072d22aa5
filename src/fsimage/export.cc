#include "fsimage/export.h"

#include <unordered_map>
#include <unordered_set>

#include "base/units.h"
#include "fsimage/tar/writer.h"

namespace hako::fsimage {
namespace {

constexpr std::size_t kCopyBytes = kMiB;
constexpr std::size_t kMaxPath = 4095;

class Exporter {
public:
    Exporter(Filesystem& filesystem, Writer& out)
        : filesystem_(filesystem), tar_(out), buffer_(kCopyBytes) {}

    Result<void> run(FileId folder) {
        HAKO_CHECK(add(folder, "."));
        while (!pending_.empty()) {
            const Pending next = std::move(pending_.back());
            pending_.pop_back();
            HAKO_CHECK(with_context(add(next.file, next.path), next.path));
        }
        return tar_.finish();
    }

private:
    struct Pending {
        FileId file;
        std::string path;
    };

    Result<void> add(FileId file, const std::string& path) {
        if (path.size() > kMaxPath)
            return fail(ErrorKind::corrupt, "its path has more than {} bytes", kMaxPath);
        HAKO_TRY(FileInfo info, filesystem_.describe(file));
        TarEntry& entry = info.entry;
        entry.path = path;
        if (entry.type == EntryType::directory) return add_folder(file, entry);
        if (info.links > 1) {
            const auto [first, is_first] = linked_.emplace(file, path);
            if (!is_first)
                return tar_.add({.path = path, .link = first->second, .type = EntryType::hardlink});
        }
        HAKO_CHECK(tar_.add(entry));
        return entry.type == EntryType::file ? copy(file, entry.size) : Result<void>();
    }

    Result<void> add_folder(FileId folder, const TarEntry& entry) {
        if (!folders_.insert(folder).second)
            return fail(ErrorKind::corrupt, "the folder has two names");
        HAKO_CHECK(tar_.add(entry));
        HAKO_TRY(auto items, filesystem_.list(folder));
        const std::string prefix = entry.path == "." ? "" : entry.path + "/";
        // The last is taken first.
        for (auto item = items.rbegin(); item != items.rend(); ++item)
            pending_.push_back({item->id, prefix + item->name});
        return {};
    }

    Result<void> copy(FileId file, std::uint64_t size) {
        for (std::uint64_t offset = 0; offset < size;) {
            HAKO_TRY(const std::size_t count, filesystem_.read(file, offset, buffer_));
            if (count == 0) return fail(ErrorKind::corrupt, "the file is cut short");
            HAKO_CHECK(tar_.write(std::span(buffer_).first(count)));
            offset += count;
        }
        return {};
    }

    Filesystem& filesystem_;
    TarWriter tar_;
    std::vector<std::byte> buffer_;
    std::vector<Pending> pending_;
    std::unordered_map<FileId, std::string> linked_;  // first name of files with several
    std::unordered_set<FileId> folders_;
};

}  // namespace

Result<void> export_tar(Filesystem& filesystem, FileId folder, Writer& out) {
    return Exporter(filesystem, out).run(folder);
}

}  // namespace hako::fsimage
