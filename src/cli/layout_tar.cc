#include "cli/layout_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <memory>
#include <vector>

#include "base/thread.h"

namespace hako::cli {
namespace {

namespace fs = std::filesystem;

using Tar = std::unique_ptr<archive, decltype(&archive_write_free)>;

Result<void> check(archive* tar, la_ssize_t status) {
    if (status >= ARCHIVE_WARN) return {};
    return fail(ErrorKind::unavailable, "cannot send the layout: {}", archive_error_string(tar));
}

Result<void> add(archive* tar, const fs::path& file, const std::string& name) {
    HAKO_TRY(const auto fd, open_file(file, O_RDONLY));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return fail_errno(errno, "cannot read {}", file.string());
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              &archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_size(entry.get(), status.st_size);
    HAKO_CHECK(check(tar, archive_write_header(tar, entry.get())));
    std::vector<std::byte> buffer(std::size_t{256} << 10U);
    while (true) {
        HAKO_TRY(const auto count, read_some(fd.get(), buffer));
        if (count == 0) return {};
        HAKO_CHECK(check(tar, archive_write_data(tar, buffer.data(), count)));
    }
}

// Only what a layout has: whatever else lies in the folder is nobody's business.
Result<void> write_layout(const fs::path& folder, int out) {
    const Tar tar(archive_write_new(), &archive_write_free);
    archive_write_set_format_pax_restricted(tar.get());
    HAKO_CHECK(check(tar.get(), archive_write_open_fd(tar.get(), out)));
    for (const char* name : {"oci-layout", "index.json"})
        HAKO_CHECK(add(tar.get(), folder / name, name));
    std::error_code error;
    fs::directory_iterator blobs(folder / "blobs/sha256", error);
    for (; !error && blobs != fs::directory_iterator(); blobs.increment(error))
        HAKO_CHECK(
            add(tar.get(), blobs->path(), "blobs/sha256/" + blobs->path().filename().string()));
    if (error) return fail_errno(error.value(), "cannot list the blobs of {}", folder.string());
    return check(tar.get(), archive_write_close(tar.get()));
}

// Who stops reading must not end us; of this thread only, and for ever.
void block_broken_pipe() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

Result<std::unique_ptr<LayoutTar>> LayoutTar::open(const fs::path& folder) {
    for (const char* name : {"oci-layout", "index.json"}) {
        std::error_code error;
        if (!fs::is_regular_file(folder / name, error))
            return fail(ErrorKind::invalid, "{} is no OCI layout: it has no {}", folder.string(),
                        name);
    }
    HAKO_TRY(auto pipe, make_pipe());
    return std::unique_ptr<LayoutTar>(new LayoutTar(folder, std::move(pipe)));
}

LayoutTar::LayoutTar(const fs::path& folder, FdPair pipe) : end_(std::move(pipe.first)) {
    writer_ = start_thread("layout", [this, folder, out = pipe.second.release()](std::stop_token) {
        const Fd closing(out);
        block_broken_pipe();
        written_ = write_layout(folder, out);
    });
}

LayoutTar::~LayoutTar() {
    end_.reset();  // or a writer whose reader has gone would wait for ever
}

Result<std::size_t> LayoutTar::read(std::span<std::byte> buffer) {
    HAKO_TRY(const auto count, read_some(end_.get(), buffer));
    if (count > 0) return count;
    if (writer_.joinable()) writer_.join();
    if (!written_) return fail(written_.error());
    return std::size_t{0};
}

}  // namespace hako::cli
