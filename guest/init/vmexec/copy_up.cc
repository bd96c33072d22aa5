#include "init/vmexec/copy_up.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <thread>

#include "base/fd.h"
#include "init/vmexec/archive.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

Result<bool> is_empty(const std::string& folder) {
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        if (at->path().filename() != "lost+found") return false;
    if (error) return fail_errno(error.value(), "cannot read the volume");
    return true;
}

Result<void> copy_owner_and_mode(const std::string& from, const std::string& to) {
    struct stat status {};
    if (::stat(from.c_str(), &status) != 0 ||
        ::chown(to.c_str(), status.st_uid, status.st_gid) != 0 ||
        ::chmod(to.c_str(), status.st_mode & 07777) != 0)
        return fail_errno(errno, "cannot give the volume the owner and mode of the image's folder");
    return {};
}

}  // namespace

Result<void> copy_up(const std::string& from, const std::string& to) {
    HAKO_TRY(const bool empty, is_empty(to));
    if (!empty) return {};
    HAKO_TRY(FdPair pipe, make_pipe());
    Result<void> read;
    std::thread reader([&] {
        read = create_tar(from + "/.", pipe.second.get());
        pipe.second.reset();
    });
    auto written = extract_tar(pipe.first.get(), to, {});
    pipe.first.reset();
    reader.join();
    HAKO_CHECK(with_context(std::move(written), "cannot copy the image's files into the volume"));
    HAKO_CHECK(with_context(std::move(read), "cannot copy the image's files into the volume"));
    return copy_owner_and_mode(from, to);
}

}  // namespace hako::init
