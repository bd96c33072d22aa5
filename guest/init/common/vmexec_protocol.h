// What vminitd and its helper vmexec agree on. vmexec is a program of its own because nothing but
// system calls may run between clone and exec in a threaded process.
//
// vmexec gets one request (JSON in a memfd) and a SOCK_SEQPACKET pair for the conversation:
//   vmexec -> vminitd  {"pid": N}                  an exec's process, after the last fork
//                      {"ready": true}             prepared; with a terminal, its master as
//                      SCM_RIGHTS
//                      {"stat": {...}}             copy-out: what the path is
//                      {"kind": K, "error": TEXT}  it failed; vmexec ends
//   vminitd -> vmexec  any packet                  execute now
// The socket is CLOEXEC: its end without an error means that the program runs (or a copy is done).
#pragma once

#include <cstddef>
#include <string_view>

namespace hako::init {

// vmexec's descriptors besides 0, 1 and 2.
enum VmexecFd : int {
    kRequestFd = 3,
    kControlFd = 4,
    kSeccompFd = 5,    // struct sock_filter[]; only with "seccomp"
    kContainerFd = 6,  // pidfd of a process whose namespaces are joined
};

// The request's fields.
namespace request {
constexpr std::string_view kAction = "action";        // one of the actions below
constexpr std::string_view kContainer = "container";  // config.json
constexpr std::string_view kProcess = "process";      // the OCI process object
constexpr std::string_view kFiles = "files";          // path inside -> path of the file to bind
constexpr std::string_view kSeccomp = "seccomp";      // true: kSeccompFd holds a filter
constexpr std::string_view kJoin = "join";            // true: kContainerFd is set
constexpr std::string_view kRoot = "root";            // a copy's root without a running container
constexpr std::string_view kPath = "path";            // a copy's path
constexpr std::string_view kOwner = "owner";          // "user[:group]" of what is copied in
constexpr std::string_view kStatOnly = "stat_only";
constexpr std::string_view kUpper = "upper";    // an overlay's upper directory
constexpr std::string_view kLower = "lower";    // and what lies below it
constexpr std::string_view kHidden = "hidden";  // paths inside that are no changes of the user's
constexpr std::string_view kList = "list";      // names only
constexpr std::string_view kKeepKinds =
    "keep_kinds";  // no directory replaces a file, and vice versa
}  // namespace request

namespace action {
constexpr std::string_view kFirst = "first";     // the first process: makes the container's inside
constexpr std::string_view kExec = "exec";       // joins a running container
constexpr std::string_view kCopyIn = "copy_in";  // a tar on standard input
constexpr std::string_view kCopyOut = "copy_out";  // a tar on standard output
constexpr std::string_view kChanges = "changes";   // a layer's tar, or a list, on standard output
}  // namespace action

constexpr std::size_t kMaxControlMessage = 16 * 1024;

}  // namespace hako::init
