#include "images/settling.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <system_error>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/thread.h"
#include "store/file.h"

namespace hako::images {
namespace {

namespace fs = std::filesystem;

Result<void> sync_file(const fs::path& path) {
    HAKO_TRY(const Fd file, open_file(path, O_RDONLY));
    if (::fsync(file.get()) != 0)
        return fail_errno(errno, "cannot write {} to the disk", path.string());
    return {};
}

}  // namespace

Settling::Settling(fs::path folder, FilesOf files_of)
    : folder_(std::move(folder)),
      files_of_(std::move(files_of)),
      worker_(start_thread("settle", [this](const std::stop_token& stop) { run(stop); })) {}

Settling::~Settling() = default;

Result<std::vector<Settling::Note>> Settling::notes() const {
    HAKO_TRY(const std::string boot, boot_id());
    std::vector<Note> found;
    std::error_code error;
    fs::directory_iterator entries(folder_, error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
        const auto image = oci::Digest::parse("sha256:" + entries->path().filename().string());
        if (!image) continue;
        const auto noted = read_file(entries->path());
        found.push_back({*image, noted && *noted == boot});
    }
    if (error) return fail_errno(error.value(), "cannot list {}", folder_.string());
    return found;
}

Result<std::vector<oci::Digest>> Settling::doubtful() const {
    HAKO_TRY(const auto found, notes());
    std::vector<oci::Digest> images;
    for (const Note& note : found)
        if (!note.of_this_boot) images.push_back(note.image);
    return images;
}

Result<void> Settling::resume() {
    HAKO_TRY(const auto found, notes());
    for (const Note& note : found)
        if (note.of_this_boot) settle(note.image);
    return {};
}

Result<void> Settling::note(const oci::Digest& image) const {
    HAKO_TRY(const std::string boot, boot_id());
    return with_context(store::write_file_atomic(folder_ / image.hex, boot),
                        "cannot note the image");
}

void Settling::settle(const oci::Digest& image) {
    queue_.lock()->push_back(image);
    queued_.notify_one();
}

Result<void> Settling::forget(const oci::Digest& image) const {
    if (::unlink((folder_ / image.hex).c_str()) != 0 && errno != ENOENT)
        return fail_errno(errno, "cannot remove the note about image {}", image.hex);
    return {};
}

void Settling::run(const std::stop_token& stop) {
    for (;;) {
        std::optional<oci::Digest> image;
        {
            auto queue = queue_.lock();
            if (!queued_.wait(queue.lock(), stop, [&] { return !queue->empty(); })) return;
            image = std::move(queue->front());
            queue->pop_front();
        }
        const auto written = write_out(*image, stop);
        // An image that was removed meanwhile needs no note either.
        const bool done = written || written.error().kind() == ErrorKind::not_found;
        const auto forgotten = done ? forget(*image) : written;
        if (!forgotten && forgotten.error().kind() != ErrorKind::cancelled)
            log_warn("image {} may not outlast a power failure: {}", image->hex,
                     forgotten.error().message());
    }
}

Result<void> Settling::write_out(const oci::Digest& image, const std::stop_token& stop) const {
    HAKO_TRY(const auto files, files_of_(image));
    std::set<fs::path> folders;
    for (const auto& file : files) {
        if (stop.stop_requested()) return fail(ErrorKind::cancelled, "the daemon stops");
        HAKO_CHECK(sync_file(file));
        folders.insert(file.parent_path());
        folders.insert(file.parent_path().parent_path());
    }
    for (const auto& folder : folders) HAKO_CHECK(store::sync_folder(folder));
    return {};
}

}  // namespace hako::images
