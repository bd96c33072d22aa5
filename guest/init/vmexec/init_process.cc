#include "init/vmexec/init_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>

namespace hako::init {
namespace {

constexpr int kSignalBase = 128;

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

[[noreturn]] void serve(pid_t child, const sigset_t& all) {
    // The end of the output is the child's, not ours.
    const int nowhere = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) ::dup2(nowhere, fd);
    ::syscall(SYS_close_range, 3U, ~0U, 0U);
    for (int code = 0;;) {
        const int number = ::sigwaitinfo(&all, nullptr);
        if (number == SIGCHLD && reap(child, code)) ::_exit(code);
        if (number > 0 && number != SIGCHLD) ::kill(child, number);
    }
}

}  // namespace

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
    serve(child, all);
}

}  // namespace hako::init
