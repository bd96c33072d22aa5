#include "cli/layout_tar.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <memory>

#include "base/thread.h"
#include "fsimage/tar/writer.h"

namespace hako::cli {
namespace {

namespace fs = std::filesystem;

Result<void> add(fsimage::TarWriter& tar, const fs::path& file, const std::string& name) {
    HAKO_TRY(const auto fd, open_file(file, O_RDONLY));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return fail_errno(errno, "cannot read {}", file.string());
    FdReader contents(fd.get());
    return tar.add_file(name, static_cast<std::uint64_t>(status.st_size), contents);
}

// Only what a layout has: whatever else lies in the folder is nobody's business.
Result<void> write_layout(const fs::path& folder, int out) {
    FdWriter pipe(out);
    fsimage::TarWriter tar(pipe);
    for (const char* name : {"oci-layout", "index.json"}) HAKO_CHECK(add(tar, folder / name, name));
    std::error_code error;
    fs::directory_iterator blobs(folder / "blobs/sha256", error);
    for (; !error && blobs != fs::directory_iterator(); blobs.increment(error))
        HAKO_CHECK(add(tar, blobs->path(), "blobs/sha256/" + blobs->path().filename().string()));
    if (error) return fail_errno(error.value(), "cannot list the blobs of {}", folder.string());
    return tar.finish();
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
