#include "macos/snapshots.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>

#include "base/fd.h"
#include "base/paths.h"
#include "base/text.h"
#include "macos/disk_image.h"
#include "macos/disk_place.h"
#include "macos/identity.h"
#include "macos/sparse_copy.h"
#include "store/file.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMemory = "memory";
constexpr std::string_view kVariables = "vars.fd";
constexpr std::string_view kWithMemory = "\nmemory";

fs::path home(const fs::path& folder) { return folder / "snapshots"; }
fs::path note(const fs::path& folder) { return folder / "restoring"; }

Result<fs::path> place(const fs::path& folder, const std::string& name) {
    const auto plain = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
    };
    if (name.empty() || name.size() > 64 || name.front() == '.' ||
        !std::ranges::all_of(name, plain))
        return fail(ErrorKind::invalid,
                    "\"{}\" cannot name a snapshot: write letters, digits, -, _ and .",
                    name.substr(0, 64));
    return home(folder) / name;
}

constexpr std::string_view kDiskExtensions[] = {".img", ".qcow2"};

bool is_disk(const fs::path& file) {
    return file.filename().native().starts_with("data") &&
           std::ranges::find(kDiskExtensions, file.extension()) != std::end(kDiskExtensions);
}

// Of a machine, wherever its disks lie, or of a snapshot.
Result<std::vector<fs::path>> files_in(const fs::path& folder) {
    std::vector<fs::path> files;
    std::error_code error;
    for (fs::directory_iterator item(folder, error), end; !error && item != end;
         item.increment(error)) {
        const auto& path = item->path();
        if (is_disk(path) || path.filename() == kVariables) files.push_back(path);
        if (path.extension() != kPlace) continue;
        for (const auto extension : kDiskExtensions) {
            auto disk = disk_folder(folder, path.stem()) / path.stem();
            disk += extension;
            if (fs::exists(disk, error)) files.push_back(std::move(disk));
        }
    }
    if (error) return fail_errno(error.value(), "cannot read {}", folder.native());
    std::ranges::sort(files);
    return files;
}

// Where a file of a snapshot belongs.
fs::path home_of(const fs::path& file, const fs::path& folder) {
    return (is_disk(file) ? disk_folder(folder, file.stem()) : folder) / file.filename();
}

Result<void> drop(const fs::path& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return fail_errno(error.value(), "cannot remove {}", path.native());
    return {};
}

Result<void> move(const fs::path& from, const fs::path& to) {
    std::error_code error;
    fs::rename(from, to, error);
    if (error) return fail_errno(error.value(), "cannot rename {}", from.native());
    return store::sync_folder(to.parent_path());
}

Result<void> fill(const fs::path& folder, const fs::path& partial, const SaveMemory& save) {
    HAKO_CHECK(make_folders(partial));
    if (save) HAKO_CHECK(save(partial / kMemory));
    HAKO_TRY(const auto files, files_in(folder));
    for (const auto& file : files) HAKO_CHECK(copy_sparse(file, partial / file.filename()));
    return store::sync_folder(partial);
}

Result<void> put_back(const fs::path& from, const fs::path& to) {
    const fs::path partial = to.native() + ".restored";
    HAKO_CHECK(copy_sparse(from, partial));
    HAKO_CHECK(move(partial, to));
    // In the other format it is the disk that was.
    if (!is_disk(to)) return {};
    auto other = to;
    return drop(other.replace_extension(to.extension() == ".img" ? ".qcow2" : ".img"));
}

Result<void> restore(const fs::path& folder, const fs::path& from, bool with_memory) {
    HAKO_CHECK(drop(folder / kMemory));
    HAKO_TRY(const auto files, files_in(from));
    for (const auto& file : files) HAKO_CHECK(put_back(file, home_of(file, folder)));
    if (with_memory) HAKO_CHECK(put_back(from / kMemory, folder / kMemory));
    return drop(note(folder));
}

}  // namespace

Result<void> take_snapshot(const fs::path& folder, const std::string& name,
                           const SaveMemory& save) {
    HAKO_TRY(const auto final, place(folder, name));
    std::error_code error;
    if (fs::exists(final, error))
        return fail(ErrorKind::conflict, "there is a snapshot {} already: remove it first", name);
    const auto partial = home(folder) / ("." + name);
    HAKO_CHECK(drop(partial));  // of one that was cut short
    auto taken = fill(folder, partial, save);
    if (taken) taken = move(partial, final);
    if (!taken) (void)drop(partial);
    return with_context(std::move(taken), fmt::format("no snapshot {} was taken", name));
}

Result<fs::path> find_snapshot(const fs::path& folder, const std::string& name) {
    HAKO_TRY(auto found, place(folder, name));
    std::error_code error;
    if (!fs::exists(found, error)) return fail(ErrorKind::not_found, "No such snapshot: {}", name);
    return found;
}

Result<void> begin_with(const fs::path& snapshot, const fs::path& folder) {
    std::error_code error;
    if (fs::exists(folder / kIdentity, error)) return {};
    const auto source = snapshot.parent_path().parent_path();
    if (source.filename() != folder.filename())
        return fail(ErrorKind::invalid,
                    "the snapshot {} is of macOS {}, the machine of {}: leave out VERSION",
                    snapshot.filename().native(), source.filename().native(),
                    folder.filename().native());
    const auto begun = [&]() -> Result<void> {
        HAKO_TRY(const auto identity, read_file(source / kIdentity));
        HAKO_TRY(const auto files, files_in(snapshot));
        for (const auto& file : files) {
            HAKO_CHECK(put_back(file, home_of(file, folder)));
            // What it was grown to since holds for the next start, too.
            const auto name = file.stem().native();
            if (const auto bytes = grown_bytes(source, name); bytes != 0)
                HAKO_CHECK(note_growth(folder, name, bytes));
        }
        if (fs::exists(snapshot / kMemory, error))
            HAKO_CHECK(put_back(snapshot / kMemory, folder / kMemory));
        return store::write_file_atomic(folder / kIdentity, identity);
    }();
    return with_context(begun, fmt::format("cannot begin with the snapshot {}", snapshot.native()));
}

Result<std::vector<Snapshot>> list_snapshots(const fs::path& folder) {
    std::vector<Snapshot> list;
    std::error_code error;
    for (fs::directory_iterator item(home(folder), error), end; !error && item != end;
         item.increment(error)) {
        Snapshot snapshot{.name = item->path().filename()};
        if (snapshot.name.front() == '.') continue;
        for (const auto& file : fs::directory_iterator(item->path(), error)) {
            struct stat status {};
            if (::stat(file.path().c_str(), &status) != 0) continue;
            snapshot.bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
            snapshot.has_memory |= file.path().filename() == kMemory;
            snapshot.taken =
                std::max(snapshot.taken, WallTime(std::chrono::seconds(status.st_mtim.tv_sec)));
        }
        list.push_back(std::move(snapshot));
    }
    std::ranges::sort(list, {}, [](const Snapshot& one) { return std::pair(one.taken, one.name); });
    return list;
}

Result<void> remove_snapshot(const fs::path& folder, const std::string& name) {
    HAKO_TRY(const auto found, find_snapshot(folder, name));
    // Out of sight at once: one that is half gone is none.
    const auto going = home(folder) / ("." + name);
    HAKO_CHECK(drop(going));
    HAKO_CHECK(move(found, going));
    return drop(going);
}

Result<void> restore_snapshot(const fs::path& folder, const std::string& name, bool with_memory) {
    HAKO_TRY(const auto from, find_snapshot(folder, name));
    std::error_code error;
    with_memory = with_memory && fs::exists(from / kMemory, error);
    HAKO_CHECK(
        store::write_file_atomic(note(folder), name + std::string(with_memory ? kWithMemory : "")));
    return restore(folder, from, with_memory);
}

Result<void> finish_restore(const fs::path& folder) {
    const auto text = read_file(note(folder));
    if (!text)
        return text.error().kind() == ErrorKind::not_found ? Result<void>() : fail(text.error());
    const auto name = text->substr(0, text->find('\n'));
    HAKO_TRY(const auto from, place(folder, name));
    return with_context(restore(folder, from, text->ends_with(kWithMemory)),
                        fmt::format("the restoring of snapshot {} was cut short", name));
}

std::optional<fs::path> memory_to_load(const fs::path& folder) {
    std::error_code error;
    if (!fs::exists(folder / kMemory, error)) return std::nullopt;
    return folder / kMemory;
}

}  // namespace hako::macos
