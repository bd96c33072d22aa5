#include "init/vmexec/init_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <string_view>

#include "base/fd.h"

namespace hako::init {
namespace {

constexpr int kSignalBase = 128;
constexpr std::string_view kInitName = "hako-init";

// In a process group of its own, in front: what is typed reaches it alone.
void lead_the_terminal() {
    ::setpgid(0, 0);
    ::signal(SIGTTOU, SIG_IGN);
    ::tcsetpgrp(STDIN_FILENO, ::getpid());
    ::signal(SIGTTOU, SIG_DFL);
}

// How the child ended, once it has.
bool reap(pid_t child, int& code) {
    int status = 0;
    bool ended = false;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid != child) continue;
        ended = true;
        code = WIFEXITED(status) ? WEXITSTATUS(status) : kSignalBase + WTERMSIG(status);
    }
    return ended;
}

[[noreturn]] void serve(pid_t child) {
    sigset_t all;
    ::sigfillset(&all);
    ::syscall(SYS_close_range, 3U, ~0U, 0U);
    for (int code = 0;;) {
        const int number = ::sigwaitinfo(&all, nullptr);
        if (number == SIGCHLD && reap(child, code)) ::_exit(code);
        if (number > 0 && number != SIGCHLD) ::kill(child, number);
    }
}

// A copy of ourselves in memory, which the container may look at as at any of its processes:
// programs write to /proc/1/fd/1. Our own file is not the container's to open. Returns when that
// fails.
void become_a_copy(pid_t child) {
    const Fd self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    const Fd copy(::memfd_create(kInitName.data(), MFD_CLOEXEC));
    struct stat status {};
    if (!self || !copy || ::fstat(self.get(), &status) != 0) return;
    for (off_t at = 0; at < status.st_size;)
        if (::sendfile(copy.get(), self.get(), &at, static_cast<size_t>(status.st_size - at)) <= 0)
            return;
    std::string name(kInitName), number = std::to_string(child);
    char* args[] = {name.data(), number.data(), nullptr};
    char* env[] = {nullptr};
    ::fexecve(copy.get(), args, env);
}

}  // namespace

bool is_init(int count, char* const* args) { return count == 2 && args[0] == kInitName; }

void init_main(char* const* args) {
    ::prctl(PR_SET_NAME, kInitName.data(), 0, 0, 0);  // else it has the file's
    serve(std::atoi(args[1]));
}

Result<bool> wants_init(const Json& container) {
    using Annotations = std::map<std::string, std::string>;
    HAKO_TRY(const auto annotations, json_field_or<Annotations>(container, "annotations", {}));
    const auto found = annotations.find(kInitAnnotation);
    return found != annotations.end() && found->second == "true";
}

int execute_below_init(const std::string& file, char* const* args, char* const* env) {
    int failed[2] = {-1, -1};  // carries the errno of execve; closed by its success
    if (::pipe2(failed, O_CLOEXEC) != 0) return errno;
    sigset_t all, none;
    ::sigfillset(&all);
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    const pid_t child = ::fork();
    if (child < 0) return errno;
    if (child == 0) {
        lead_the_terminal();
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::execve(file.c_str(), args, env);
        const int error = errno;
        (void)!::write(failed[1], &error, sizeof error);
        ::_exit(kSignalBase - 1);
    }
    ::close(failed[1]);
    int error = 0;
    if (::read(failed[0], &error, sizeof error) == sizeof error) return error;
    become_a_copy(child);
    serve(child);
}

}  // namespace hako::init
