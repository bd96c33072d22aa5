#include "init/vminitd/sockets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "init/common/path_in_root.h"

namespace hako::init {

Result<Fd> listen_socket(const std::string& path, const agent::v1::Socket& socket) {
    HAKO_TRY(Fd listener, listen_unix(path, socket.mode() & 0777));
    HAKO_CHECK(set_nonblocking(listener.get(), true));
    if (::chown(path.c_str(), socket.uid(), socket.gid()) != 0)
        return fail_errno(errno, "cannot give {} to its owner", path);
    return listener;
}

Result<Fd> connect_socket(const Fd& root, const std::string& path,
                          const guest::Cancelled& cancelled) {
    HAKO_TRY(const Fd socket, open_in_root(root.get(), path, O_PATH));
    struct stat state {};
    if (::fstat(socket.get(), &state) != 0 || !S_ISSOCK(state.st_mode))
        return fail(ErrorKind::invalid, "{} in the container is no socket", path);
    return with_context(guest::connect_relayed(socket, cancelled), path);
}

}  // namespace hako::init
