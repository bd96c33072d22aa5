// The engine: desired state and lifecycle of containers. Every verb of the container API is one
// function here; each takes a container by name, id or unique prefix of an id.
//
// Errors carry Docker's sentences: not_found "No such container: x", conflict for a name in use or
// a wrong state, not_modified for start of a started and stop of a stopped container.
//
// Thread-safe. Verbs that change one container run one after another; different containers do not
// wait for each other. A stop_token that is requested (the client left) ends waiting with
// ErrorKind::cancelled; verbs without one go on to their end.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/paths.h"
#include "base/result.h"
#include "base/trace.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/stats.h"
#include "engine/streams.h"
#include "engine/template_types.h"
#include "engine/types.h"
#include "engine/volume_details.h"

namespace hako {
class Reader;
class Writer;
}  // namespace hako
namespace hako::fsimage {
struct LayerLimits;
}
namespace hako::images {
class ImageStore;
struct Removed;
struct RemoveOptions;
}  // namespace hako::images

namespace hako::engine {

struct Context;

// The promise of a WaitCondition. It counts from its creation, before wait() is called.
class ExitWait {
public:
    ExitWait() = default;
    ExitWait(const ExitWait&) = delete;
    ExitWait& operator=(const ExitWait&) = delete;
    virtual ~ExitWait() = default;
    virtual Result<WaitResult> wait(std::stop_token stop) = 0;
};

class Engine {
public:
    // Opens the database below the layout's root, adopts the containers that still run and cleans
    // up after those that do not. The caller holds the layout's lock. default_bridge: containers
    // that name no network are on `bridge`, which is made for the first of them; else on none.
    static Result<std::unique_ptr<Engine>> open(const Layout& layout,
                                                const Installation& installation,
                                                const fsimage::LayerLimits& limits,
                                                const TemplateOptions& templates,
                                                bool default_bridge);
    // With other surroundings, for tests (context.h).
    static Result<std::unique_ptr<Engine>> open(std::unique_ptr<Context> context);
    // Leaves containers running.
    ~Engine();
    // Stops all that run, side by side, each with its own signal and time-out. Their restart
    // policies bring them back with the next daemon. For a daemon that is to take them with it.
    void stop_all();
    // Ends what blocks in other threads, soon, with ErrorKind::cancelled: starts are undone, stops
    // are left half done. For a daemon that is to end.
    void close();

    Result<Created> create(const CreateRequest& request);
    Result<Container> inspect(std::string_view container) const;
    Result<std::vector<Container>> list(const ListFilter& filter) const;  // newest first
    Result<void> start(std::string_view container);
    // Sends the stop signal, and SIGKILL after the time-out (default: the container's, else 10 s).
    // Returns when it has ended. One that waits for its restart stays as it is.
    Result<void> stop(std::string_view container, const StopOptions& options);
    Result<void> restart(std::string_view container, const StopOptions& options);
    // "KILL", "SIGKILL", "9"; empty is SIGKILL.
    Result<void> kill(std::string_view container, std::string_view signal);
    // The VM's CPUs stand still; its memory stays.
    Result<void> pause(std::string_view container);
    Result<void> unpause(std::string_view container);
    // Returns warnings: what a container that runs gets with its next start only.
    Result<std::vector<std::string>> update(std::string_view container,
                                            const UpdateRequest& request);
    Result<void> rename(std::string_view container, std::string_view name);
    Result<void> remove(std::string_view container, const RemoveOptions& options);
    // Removes all that do not run and that the filter takes.
    Result<Pruned> prune(const PruneFilter& filter);
    Result<std::unique_ptr<ExitWait>> wait(std::string_view container, WaitCondition condition);
    Result<void> resize(std::string_view container, WindowSize size);
    // The files of a container, whether it runs or not. Links within a path are followed inside
    // the container, the last component is not.
    Result<PathStat> stat_path(std::string_view container, const std::string& path);
    // A tar of the path; of "/" without what is mounted there.
    Result<void> copy_out(std::string_view container, const std::string& path, Writer& tar,
                          std::stop_token stop);
    Result<void> copy_in(std::string_view container, const CopyTarget& target, Reader& tar,
                         std::stop_token stop);
    Result<std::vector<Change>> changes(std::string_view container);
    // The container's image with its changes on top as a new image, whose id is returned.
    Result<std::string> commit(std::string_view container, const CommitOptions& options,
                               std::stop_token stop);
    // Of a container that does not run: no figures.
    Result<StatisticsSample> statistics(std::string_view container) const;
    // ps_arguments as `docker top` sends them: "-ef" or empty give the full table, "aux" is known.
    Result<ProcessTable> top(std::string_view container, std::string_view ps_arguments);

    // ErrorKind::conflict when it does not run; likewise the text of its VM's serial console.
    Result<MachineDetails> machine(std::string_view container) const;
    Result<std::string> console(std::string_view container) const;
    // Of its first run, also when it is removed; by the full id. not_found where it is long ago.
    Result<std::vector<Span>> trace(std::string_view container) const;

    struct Logs {
        bool follow = false;  // also what comes until the container ends
        bool out = true, err = true;
        std::optional<std::size_t> tail;  // the last lines only
        WallTime since{}, until{};        // unset: no limit
    };
    // Each chunk is one line with its newline (if it has one) and the time of its first byte; lines
    // over 64 KiB come in parts.
    Result<std::unique_ptr<OutputStream>> logs(std::string_view container,
                                               const Logs& options) const;

    struct Attach {
        bool input = false;
        bool output = false;
        bool logs = false;  // output from the beginning instead of from now on
    };
    // On a container that does not run yet, the session sees every byte from the first one.
    Result<Session> attach(std::string_view container, const Attach& options);

    Result<std::string> create_exec(std::string_view container, const ExecConfig& config);
    // Detached: an empty session. A missing command is exec_not_found (exit code 127), one that
    // cannot run is exec_failed (126).
    Result<Session> start_exec(std::string_view exec, const ExecStart& options);
    Result<Exec> inspect_exec(std::string_view exec) const;
    Result<void> resize_exec(std::string_view exec, WindowSize size);

    // As EventLog::listen; the engine must outlive the stream.
    std::unique_ptr<EventStream> events(WallTime since, WallTime until);
    // For what happens to images outside of the engine. image: its id or name.
    void publish_image_event(std::string action, std::string image, StringMap attributes);

    // find, list, pull, load and tag are the store's own; include engine/images.h for them.
    images::ImageStore& images();
    // Refused with conflict while containers use it, as `docker rmi` does.
    Result<images::Removed> remove_image(std::string_view image,
                                         const images::RemoveOptions& options);

    Result<std::vector<Kernel>> list_kernels() const;
    // A vmlinux as bytes; refused with the names of the options that it lacks.
    Result<Kernel> import_kernel(std::string_view name, Reader& vmlinux);
    Result<void> set_default_kernel(std::string_view name);
    Result<void> remove_kernel(std::string_view name);
    Result<std::vector<Template>> list_templates() const;
    Result<Template> find_template(std::string_view key) const;
    // Makes the one for such containers, anew where there is one.
    Result<Template> build_template(const TemplateRequest& request);
    Result<void> remove_template(std::string_view key);

    // --- network_verbs.cc; errors as those of class Networks.
    Result<Network> create_network(const NetworkRequest& request);
    Result<std::vector<Network>> list_networks(const NetworkFilter& filter) const;
    Result<Network> inspect_network(std::string_view network) const;
    Result<void> remove_network(std::string_view network);
    // The names of those that went.
    Result<std::vector<std::string>> prune_networks(const NetworkFilter& filter);
    // Of a container that does not run; conflict of one that does.
    Result<void> connect_network(std::string_view network, std::string_view container,
                                 const EndpointSettings& settings);
    Result<void> disconnect_network(std::string_view network, std::string_view container);

    // --- volumes.cc: not_found, conflict (in use) and invalid as Docker says them.
    Result<VolumeDetails> create_volume(volume::Volume wanted);
    Result<VolumeDetails> inspect_volume(std::string_view name);
    Result<std::vector<VolumeDetails>> list_volumes(bool with_usage);
    Result<void> remove_volume(std::string_view name, bool force);
    Result<Pruned> prune_volumes(const VolumePruneFilter& filter);

    Result<SystemInfo> system_info() const;

private:
    explicit Engine(std::unique_ptr<Context> context);

    std::unique_ptr<Context> context_;
};

}  // namespace hako::engine
