// The services in memory, for tests: containers that run nothing and images of nothing.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "dockerapi/services.h"

namespace hako::dockerapi::fakes {

// Output that a test writes and a client reads; thread-safe.
class Channel {
public:
    void write(std::string data,
               engine::OutputChunk::Stream stream = engine::OutputChunk::Stream::out);
    void close();
    Result<std::optional<engine::OutputChunk>> next(std::stop_token stop);

private:
    struct State {
        std::deque<engine::OutputChunk> chunks;
        bool closed = false;
    };
    Guarded<State> state_;
    std::condition_variable_any changed_;
};

// One process' streams. What is written to its input is collected, and its output follows it when
// `echo` is set; the end of the input then ends the output.
struct Process {
    Channel output;
    Guarded<std::string> input;
    std::atomic<bool> input_closed = false;
    bool echo = false;
};
engine::Session join(const std::shared_ptr<Process>& process, bool tty, bool input);

class Containers : public ContainerService {
public:
    Result<engine::Created> create(const engine::CreateRequest& request) override;
    Result<engine::Container> inspect(std::string_view container) const override;
    Result<std::vector<engine::Container>> list(const engine::ListFilter& filter) const override;
    Result<void> start(std::string_view container) override;
    Result<void> stop(std::string_view container, const engine::StopOptions& options) override;
    Result<void> restart(std::string_view container, const engine::StopOptions& options) override;
    Result<void> pause(std::string_view container) override;
    Result<void> unpause(std::string_view container) override;
    Result<std::vector<std::string>> update(std::string_view container,
                                            const engine::UpdateRequest& request) override;
    Result<engine::Pruned> prune(const engine::PruneFilter& filter) override;
    Result<void> kill(std::string_view container, std::string_view signal) override;
    Result<void> rename(std::string_view container, std::string_view name) override;
    Result<void> remove(std::string_view container, const engine::RemoveOptions& options) override;
    Result<std::unique_ptr<engine::ExitWait>> wait(std::string_view container,
                                                   engine::WaitCondition condition) override;
    Result<void> resize(std::string_view container, engine::WindowSize size) override;
    Result<engine::StatisticsSample> statistics(std::string_view container) const override;
    Result<engine::MachineDetails> machine(std::string_view container) const override;
    Result<std::vector<Span>> trace(std::string_view container) const override;
    Result<std::string> console(std::string_view container) const override;
    Result<engine::ProcessTable> top(std::string_view container, std::string_view) override;
    Result<std::unique_ptr<engine::OutputStream>> logs(
        std::string_view container, const engine::Engine::Logs& options) const override;
    Result<engine::Session> attach(std::string_view container,
                                   const engine::Engine::Attach& options) override;

    // A container that a test looks at and changes.
    engine::Container& add(std::string name, engine::ContainerConfig config = {});
    std::shared_ptr<Process> process(std::string_view container) const;
    // Ends it: its output and who waits for it.
    void end(std::string_view container, int exit_code);

    std::vector<std::string> calls() const { return *calls_.lock(); }
    engine::ListFilter last_filter;
    engine::CreateRequest last_create;
    engine::UpdateRequest last_update;
    engine::PruneFilter last_prune;
    std::optional<guest::Statistics> figures;  // of those that run

private:
    class Wait;
    struct Entry {
        engine::Container container;
        std::shared_ptr<Process> process = std::make_shared<Process>();
    };
    struct Table {
        std::map<std::string, Entry, std::less<>> entries;  // by id
        std::map<std::string, int> removed;                 // their exit codes, by id
        int next = 1;
    };
    static Result<Entry*> find(Table& table, std::string_view container);
    Result<void> record(std::string_view container, std::string call);

    mutable Guarded<Table> table_;
    mutable std::condition_variable_any changed_;
    mutable Guarded<std::vector<std::string>> calls_;
};

// There is one container, "app", with the file /etc/motd.
class Files : public FileService {
public:
    Result<engine::PathStat> stat_path(std::string_view container,
                                       const std::string& path) override;
    Result<void> copy_out(std::string_view container, const std::string& path, Writer& tar,
                          std::stop_token stop) override;
    Result<void> copy_in(std::string_view container, const engine::CopyTarget& target, Reader& tar,
                         std::stop_token stop) override;
    Result<std::vector<engine::Change>> changes(std::string_view container) override;
    Result<std::string> commit(std::string_view container, const engine::CommitOptions& options,
                               std::stop_token stop) override;

    engine::CopyTarget copied_to;
    std::string copied;
    engine::CommitOptions committed;
    std::vector<engine::Change> changed;
};

class Execs : public ExecService {
public:
    Result<std::string> create(std::string_view container,
                               const engine::ExecConfig& config) override;
    Result<engine::Session> start(std::string_view exec, const engine::ExecStart& options) override;
    Result<engine::Exec> inspect(std::string_view exec) const override;
    Result<void> resize(std::string_view exec, engine::WindowSize size) override;

    engine::Exec exec;  // there is one
    std::shared_ptr<Process> process = std::make_shared<Process>();
    std::optional<Error> start_error;
    std::optional<engine::ExecStart> started;
    engine::WindowSize size;
};

class Images : public ImageService {
public:
    Result<images::Image> find(std::string_view name_or_id,
                               const std::optional<oci::Platform>& platform) const override;
    Result<std::vector<images::Image>> list() const override { return images; }
    Result<images::Image> pull(const oci::Reference& reference, const images::PullOptions& options,
                               const images::ProgressSink& progress, std::stop_token stop) override;
    Result<void> push(const oci::Reference& reference, const images::PushOptions& options,
                      const images::ProgressSink& progress, std::stop_token stop) override;
    Result<std::vector<std::string>> load(Reader& archive,
                                          const std::optional<oci::Platform>& platform,
                                          const images::ProgressSink& progress) override;
    Result<void> save(const std::vector<std::string>& names, const images::SaveOptions& options,
                      Writer& out) override;
    Result<images::Image> import(Reader& tar, const images::ImportOptions& options) override;
    std::uint64_t disk_usage() const override { return 1000 * images.size(); }
    Result<images::CheckReport> check(const images::CheckOptions& options) override;
    Result<void> tag(std::string_view image, const oci::Reference& reference) override;
    Result<images::Removed> remove(std::string_view image,
                                   const images::RemoveOptions& options) override;
    Result<images::OpenRootfs> open_rootfs(std::string_view image) override;

    std::vector<images::Image> images;
    std::vector<images::Progress> progress;  // what a pull or a push reports
    std::optional<Error> pull_error;         // how a pull then ends
    std::vector<std::string> pushed;
    bool pull_waits_for_stop = false;
    std::atomic<bool> pull_stopped = false;
    images::PullOptions last_options;
    std::string last_reference;
    images::ImportOptions last_import;
    images::SaveOptions last_save;
    std::uint64_t loaded_bytes = 0;
    images::Rootfs rootfs;  // of all of them
};

class System : public SystemService {
public:
    Result<engine::SystemInfo> info() const override;
    std::unique_ptr<engine::EventStream> events(WallTime since, WallTime until) override {
        return log.listen(since, until);
    }
    Result<std::vector<engine::Kernel>> kernels() const override { return list; }
    Result<engine::Kernel> import_kernel(std::string_view name, Reader& vmlinux) override;
    Result<void> set_default_kernel(std::string_view name) override;
    Result<void> remove_kernel(std::string_view name) override;
    Result<std::vector<engine::Template>> templates() const override { return made; }
    Result<engine::Template> find_template(std::string_view key) const override;
    Result<engine::Template> build_template(const engine::TemplateRequest& request) override;
    Result<void> remove_template(std::string_view key) override;

    engine::EventLog log;
    std::vector<engine::Template> made;
    std::vector<engine::Kernel> list{{.name = "hako", .version = "6.1", .is_default = true}};
};

// A small image "busybox:latest".
images::Image busybox();

}  // namespace hako::dockerapi::fakes
