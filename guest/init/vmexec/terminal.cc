#include "init/vmexec/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

namespace hako::init {
namespace {

Result<void> check_devpts(const Fd& fd) {
    struct statfs state {};
    if (::fstatfs(fd.get(), &state) != 0 || state.f_type != DEVPTS_SUPER_MAGIC)
        return fail(ErrorKind::invalid,
                    "/dev/pts of the container is no devpts: a terminal needs "
                    "one among the mounts");
    return {};
}

Result<winsize> console_size(const Json& process) {
    HAKO_TRY(const auto size, json_field_or<Json>(process, "consoleSize", Json::object()));
    winsize window{};
    HAKO_TRY(window.ws_col, json_field_or<std::uint16_t>(size, "width", 0));
    HAKO_TRY(window.ws_row, json_field_or<std::uint16_t>(size, "height", 0));
    return window;
}

Result<void> bind_console(const std::string& name) {
    HAKO_CHECK(open_file("/dev/console", O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY, 0620));
    if (::mount(name.c_str(), "/dev/console", nullptr, MS_BIND, nullptr) != 0)
        return fail_errno(errno, "cannot show the terminal as /dev/console");
    return {};
}

}  // namespace

Result<Fd> open_terminal(const Json& process, bool console) {
    HAKO_TRY(Fd master, open_file("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW));
    HAKO_CHECK(check_devpts(master));
    int unlock = 0, number = 0;
    if (::ioctl(master.get(), TIOCSPTLCK, &unlock) != 0 ||
        ::ioctl(master.get(), TIOCGPTN, &number) != 0)
        return fail_errno(errno, "cannot unlock the new terminal");
    // From the master itself, not by name: nobody in the container can put something else there.
    const Fd slave(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!slave) return fail_errno(errno, "cannot open the new terminal");

    HAKO_TRY(const auto window, console_size(process));
    if (window.ws_col != 0 && ::ioctl(master.get(), TIOCSWINSZ, &window) != 0)
        return fail_errno(errno, "cannot set the terminal's size");
    if (::ioctl(slave.get(), TIOCSCTTY, 0) != 0)
        return fail_errno(errno, "cannot make the terminal the controlling one");
    for (const int target : {0, 1, 2})
        if (::dup2(slave.get(), target) < 0)
            return fail_errno(errno, "cannot connect the terminal");
    if (console) HAKO_CHECK(bind_console(fmt::format("/dev/pts/{}", number)));
    return master;
}

}  // namespace hako::init
