#include "init/vmexec/execute.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "base/fd.h"
#include "init/vmexec/capabilities.h"
#include "init/vmexec/init_process.h"

namespace hako::init {
namespace {

struct RlimitRow {
    std::string_view name;
    int resource;
};
constexpr std::array kRlimits{
    RlimitRow{"RLIMIT_AS", RLIMIT_AS},
    RlimitRow{"RLIMIT_CORE", RLIMIT_CORE},
    RlimitRow{"RLIMIT_CPU", RLIMIT_CPU},
    RlimitRow{"RLIMIT_DATA", RLIMIT_DATA},
    RlimitRow{"RLIMIT_FSIZE", RLIMIT_FSIZE},
    RlimitRow{"RLIMIT_LOCKS", RLIMIT_LOCKS},
    RlimitRow{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    RlimitRow{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    RlimitRow{"RLIMIT_NICE", RLIMIT_NICE},
    RlimitRow{"RLIMIT_NOFILE", RLIMIT_NOFILE},
    RlimitRow{"RLIMIT_NPROC", RLIMIT_NPROC},
    RlimitRow{"RLIMIT_RSS", RLIMIT_RSS},
    RlimitRow{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    RlimitRow{"RLIMIT_RTTIME", RLIMIT_RTTIME},
    RlimitRow{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    RlimitRow{"RLIMIT_STACK", RLIMIT_STACK},
};

std::string_view value_of(const std::vector<std::string>& env, std::string_view name) {
    for (const auto& entry : env)
        if (entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == '=')
            return std::string_view(entry).substr(name.size() + 1);
    return {};
}

bool has_variable(const std::vector<std::string>& env, std::string_view name) {
    return std::ranges::any_of(env, [&](const std::string& entry) {
        return entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == '=';
    });
}

// As root. A user's private one is entered as the user.
Result<bool> enter_folder(const std::string& cwd, bool makes_it) {
    if (::chdir(cwd.c_str()) == 0) return true;
    if (errno == EACCES || errno == EPERM) return false;
    if (errno != ENOENT) return fail_errno(errno, "cannot change to the directory {}", cwd);
    if (!makes_it)
        return fail(ErrorKind::exec_not_found,
                    "chdir to cwd (\"{}\") set in config.json failed: no such file or directory",
                    cwd);
    for (std::size_t slash = 1; slash != std::string::npos;) {
        slash = cwd.find('/', slash + 1);
        const auto parent = cwd.substr(0, slash);
        if (::mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST)
            return fail_errno(errno, "cannot create the working directory {}", cwd);
    }
    if (::chdir(cwd.c_str()) != 0)
        return fail_errno(errno, "cannot change to the directory {}", cwd);
    return true;
}

// A descriptor that leaked from outside, used as /proc/self/fd/N, would be a way out.
Result<void> check_inside() {
    std::array<char, PATH_MAX> buffer{};
    if (::syscall(SYS_getcwd, buffer.data(), buffer.size()) < 0)
        return fail_errno(errno, "cannot tell the working directory");
    if (buffer[0] != '/')
        return fail(ErrorKind::forbidden,
                    "the working directory is outside of the container's root");
    return {};
}

Result<void> become(const User& user) {
    if (::setgroups(user.groups.size(), user.groups.data()) != 0)
        return fail_errno(errno, "cannot set the supplementary groups");
    // By the system calls: the C library's would first talk to its other threads.
    if (::syscall(SYS_setresgid, user.gid, user.gid, user.gid) != 0 ||
        ::syscall(SYS_setresuid, user.uid, user.uid, user.uid) != 0)
        return fail_errno(errno, "cannot become user {}:{}", user.uid, user.gid);
    return {};
}

// So that "> /dev/stderr" works for a user that is not root.
void own_streams(const User& user) {
    struct stat null {};
    const bool known = ::stat("/dev/null", &null) == 0;
    for (const int stream : {0, 1, 2}) {
        struct stat state {};
        if (::fstat(stream, &state) != 0 || (known && state.st_rdev == null.st_rdev)) continue;
        if (state.st_uid != user.uid) (void)!::fchown(stream, user.uid, static_cast<gid_t>(-1));
    }
}

Result<void> install_filter(const std::string& filter) {
    if (filter.empty()) return {};
    if (filter.size() % sizeof(sock_filter) != 0 ||
        filter.size() / sizeof(sock_filter) > BPF_MAXINSNS)
        return fail(ErrorKind::invalid, "the seccomp filter is no array of sock_filter");
    std::vector<sock_filter> instructions(filter.size() / sizeof(sock_filter));
    std::copy_n(filter.data(), filter.size(), reinterpret_cast<char*>(instructions.data()));
    const sock_fprog program{static_cast<unsigned short>(instructions.size()), instructions.data()};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return fail_errno(errno, "cannot install the seccomp filter");
    return {};
}

struct Privileges {
    Capabilities capabilities;
    bool no_new = false;
    mode_t umask = 022;
};

Result<Privileges> read_privileges(const Json& process) {
    Privileges privileges;
    HAKO_TRY(privileges.capabilities, capabilities_of_process(process));
    HAKO_TRY(privileges.no_new, json_field_or<bool>(process, "noNewPrivileges", false));
    HAKO_TRY(const auto user, json_field_or<Json>(process, "user", Json::object()));
    HAKO_TRY(privileges.umask, json_field_or<std::uint32_t>(user, "umask", 022));
    return privileges;
}

// Everything between the release and execve; the file to execute.
Result<std::string> prepare(const Json& process, const Program& program,
                            const std::string& filter) {
    HAKO_TRY(const auto privileges, read_privileges(process));
    HAKO_TRY(const bool entered, enter_folder(program.cwd, program.makes_cwd));
    own_streams(program.user);
    // Without no_new_privs a filter needs the capability that is about to go.
    if (!privileges.no_new) HAKO_CHECK(install_filter(filter));
    HAKO_CHECK(limit_capabilities(privileges.capabilities));
    HAKO_CHECK(become(program.user));
    HAKO_CHECK(apply_capabilities(privileges.capabilities));
    ::umask(privileges.umask & 0777U);
    if (!entered && ::chdir(program.cwd.c_str()) != 0)
        return fail_errno(errno, "cannot change to the directory {}", program.cwd);
    HAKO_CHECK(check_inside());
    HAKO_TRY(auto file, look_up(program.args.front(), program.env));
    if (privileges.no_new) {
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
            return fail_errno(errno, "cannot set no_new_privs");
        HAKO_CHECK(install_filter(filter));
    }
    return file;
}

std::vector<char*> to_pointers(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (auto& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

Error exec_error(const std::string& name, int error) {
    const auto kind =
        error == ENOENT || error == ENOTDIR ? ErrorKind::exec_not_found : ErrorKind::exec_failed;
    return {kind, fmt::format("exec {}: {}", name,
                              error == ENOEXEC  ? "exec format error"
                              : error == ENOENT ? "no such file or directory"
                              : error == EACCES ? "permission denied"
                                                : errno_text(error))};
}

// 0, or why the file cannot be executed.
int check_executable(const std::string& path) {
    struct stat state {};
    if (::stat(path.c_str(), &state) != 0) return errno;
    if (S_ISDIR(state.st_mode)) return EISDIR;
    return ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

}  // namespace

Result<Program> read_program(const Json& process) {
    Program program;
    HAKO_TRY(program.args, json_field_or<std::vector<std::string>>(process, "args", {}));
    HAKO_TRY(program.env, json_field_or<std::vector<std::string>>(process, "env", {}));
    HAKO_TRY(program.cwd, json_field_or<std::string>(process, "cwd", "/"));
    if (program.args.empty()) return fail(ErrorKind::invalid, "process.args must not be empty");
    if (!program.cwd.starts_with('/'))
        return fail(ErrorKind::invalid, "process.cwd \"{}\" is not an absolute path", program.cwd);
    HAKO_TRY(const auto accounts, read_accounts());
    HAKO_TRY(program.user, user_of_process(process, accounts));
    if (!has_variable(program.env, "HOME")) program.env.push_back("HOME=" + program.user.home);
    return program;
}

Result<void> apply_limits(const Json& process) {
    HAKO_TRY(const auto limits, json_field_or<std::vector<Json>>(process, "rlimits", {}));
    for (const auto& json : limits) {
        HAKO_TRY(const auto name, json_field_or<std::string>(json, "type", ""));
        HAKO_TRY(const auto soft, json_field_or<std::uint64_t>(json, "soft", 0));
        HAKO_TRY(const auto hard, json_field_or<std::uint64_t>(json, "hard", 0));
        const auto row = std::ranges::find(kRlimits, name, &RlimitRow::name);
        if (row == kRlimits.end()) return fail(ErrorKind::invalid, "unknown limit {}", name);
        const rlimit limit{soft, hard};
        if (::setrlimit(static_cast<__rlimit_resource>(row->resource), &limit) != 0)
            return fail_errno(errno, "cannot set {} to {}:{}", name, soft, hard);
    }
    HAKO_TRY(const auto score, json_field<int>(process, "oomScoreAdj"));
    if (!score) return {};
    return write_file("/proc/self/oom_score_adj", fmt::format("{}", *score));
}

Result<std::string> look_up(const std::string& name, const std::vector<std::string>& env) {
    if (name.find('/') != std::string::npos) {
        switch (const int error = check_executable(name)) {
            case 0: return name;
            case ENOENT:
            case ENOTDIR:
                return fail(ErrorKind::exec_not_found, "exec: \"{0}\": stat {0}: {1}", name,
                            error == ENOENT ? "no such file or directory" : "not a directory");
            case EISDIR: return fail(ErrorKind::exec_failed, "exec: \"{}\": is a directory", name);
            case EACCES:
                return fail(ErrorKind::exec_failed, "exec: \"{}\": permission denied", name);
            default:
                return fail(ErrorKind::exec_failed, "exec: \"{}\": {}", name, errno_text(error));
        }
    }
    auto path = value_of(env, "PATH");
    while (!name.empty() && !path.empty()) {
        const auto end = path.find(':');
        const auto folder = path.substr(0, end);
        auto file = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
        if (check_executable(file) == 0) return file;
        path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
    }
    return fail(ErrorKind::exec_not_found, "exec: \"{}\": executable file not found in $PATH",
                name);
}

Error execute(const Json& process, Program program, const std::string& filter, bool below_init) {
    const auto file = prepare(process, program, filter);
    if (!file) return file.error();
    const auto args = to_pointers(program.args), env = to_pointers(program.env);
    if (below_init) return exec_error(*file, execute_below_init(*file, args.data(), env.data()));
    ::execve(file->c_str(), args.data(), env.data());
    return exec_error(*file, errno);
}

}  // namespace hako::init
