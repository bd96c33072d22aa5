// A container: its specification, cgroup, injected files and processes.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/guarded.h"
#include "base/json.h"
#include "init/common/namespaces.h"
#include "init/vminitd/cgroup.h"
#include "init/vminitd/device_filter.h"
#include "init/vminitd/events.h"
#include "init/vminitd/launcher.h"
#include "init/vminitd/process.h"
#include "init/vminitd/sockets.h"

namespace hako::init {

// What containers need of the guest.
struct Surroundings {
    std::filesystem::path state;    // for injected files, on a tmpfs
    std::filesystem::path cgroups;  // containers' cgroups are made below
    Launcher& launcher;
    Events& events;
    const DeviceFilters& device_filters;
    // The first process of another container, while it runs.
    std::function<Result<std::shared_ptr<ContainerProcess>>(const std::string&)> first_process_of;
};

struct ProcessRequest {
    std::string id;
    Json process;         // the OCI process object
    std::string seccomp;  // struct sock_filter[]
    bool input = false;
};

// Thread-safe.
class Container : public std::enable_shared_from_this<Container> {
public:
    static Result<std::shared_ptr<Container>> create(
        const Surroundings& surroundings, std::string id, Json spec,
        const std::map<std::string, std::string>& files,
        const std::vector<agent::v1::Socket>& sockets);
    ~Container();  // as remove()
    Container(const Container&) = delete;
    Container& operator=(const Container&) = delete;

    const std::string& id() const { return id_; }
    const Cgroup& cgroup() const { return cgroup_; }
    // Where its root is in vminitd's own mount namespace.
    const std::string& root() const { return root_; }

    // What is mounted inside, by config.json and by us.
    std::vector<std::string> mount_targets() const;

    Result<std::shared_ptr<ContainerProcess>> create_process(const ProcessRequest& request);
    // Of a file that it was made with (lines.h); nothing where it has none there.
    Result<void> change_file(const std::string& path, std::span<const std::string> gone,
                             std::span<const std::string> come) const;
    Result<std::shared_ptr<ContainerProcess>> process(const std::string& id) const;
    // A running process is ErrorKind::conflict.
    Result<void> delete_process(const std::string& id);
    // The first process while it runs (or waits for its start), else null.
    std::shared_ptr<ContainerProcess> first_process() const;

    // The next connection of a socket that it was made with: waits for it while the container runs.
    Result<Fd> accept_socket(const std::string& path, const guest::Cancelled& cancelled) const;
    // A connection to a socket that a process of it listens on.
    Result<Fd> connect_socket(const std::string& path, const guest::Cancelled& cancelled) const;

    // Kills what is left and takes away all that the container had here. Idempotent.
    Result<void> remove();

private:
    Container(const Surroundings& surroundings, std::string id, Json spec, std::string root,
              Namespaces namespaces, Cgroup cgroup)
        : surroundings_(surroundings),
          id_(std::move(id)),
          spec_(std::move(spec)),
          root_(std::move(root)),
          namespaces_(std::move(namespaces)),
          cgroup_(std::move(cgroup)) {}
    std::filesystem::path files_folder() const { return surroundings_.state / "files" / id_; }
    Result<void> write_files(const std::map<std::string, std::string>& files);
    Result<void> make_sockets(const std::vector<agent::v1::Socket>& sockets);
    // joined: the process whose namespaces it joins: the container's first one's, for an exec; for
    // the first itself that of another container, or null.
    Launch describe(const ProcessRequest& request, bool first,
                    const ContainerProcess* joined) const;
    Result<std::shared_ptr<ContainerProcess>> launch_process(const ProcessRequest& request);
    std::uint64_t oom_kills() const;

    Surroundings surroundings_;
    std::string id_;
    Json spec_;
    std::string root_;
    Namespaces namespaces_;
    std::map<std::string, std::string> files_;  // path inside -> our file, or socket
    std::map<std::string, Fd> listeners_;       // path inside -> that socket
    Cgroup cgroup_;
    // A null process is one that is just being created.
    Guarded<std::map<std::string, std::shared_ptr<ContainerProcess>>> processes_;
};

}  // namespace hako::init
