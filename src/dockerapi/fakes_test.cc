// The code of the fakes; by its name only the test program gets it.
#include <algorithm>
#include <array>

#include "dockerapi/fakes.h"

namespace hako::dockerapi::fakes {
namespace {

class ChannelOutput : public engine::OutputStream {
public:
    explicit ChannelOutput(std::shared_ptr<Process> process) : process_(std::move(process)) {}
    Result<std::optional<engine::OutputChunk>> next(std::stop_token stop) override {
        return process_->output.next(std::move(stop));
    }

private:
    std::shared_ptr<Process> process_;
};

class ProcessInput : public engine::InputStream {
public:
    explicit ProcessInput(std::shared_ptr<Process> process) : process_(std::move(process)) {}
    Result<void> write(std::span<const std::byte> data, std::stop_token) override {
        *process_->input.lock() += as_text(data);
        if (process_->echo) process_->output.write(std::string(as_text(data)));
        return {};
    }
    Result<void> close(std::stop_token) override {
        process_->input_closed = true;
        if (process_->echo) process_->output.close();
        return {};
    }

private:
    std::shared_ptr<Process> process_;
};

}  // namespace

void Channel::write(std::string data, engine::OutputChunk::Stream stream) {
    state_.lock()->chunks.push_back({now(), stream, std::move(data)});
    changed_.notify_all();
}

void Channel::close() {
    state_.lock()->closed = true;
    changed_.notify_all();
}

Result<std::optional<engine::OutputChunk>> Channel::next(std::stop_token stop) {
    auto state = state_.lock();
    const auto ready = [&] { return !state->chunks.empty() || state->closed; };
    if (!changed_.wait(state.lock(), stop, ready)) return fail(ErrorKind::cancelled, "stopped");
    if (state->chunks.empty()) return std::nullopt;
    auto chunk = std::move(state->chunks.front());
    state->chunks.pop_front();
    return chunk;
}

engine::Session join(const std::shared_ptr<Process>& process, bool tty, bool input) {
    engine::Session session;
    session.tty = tty;
    session.output = std::make_unique<ChannelOutput>(process);
    if (input) session.input = std::make_unique<ProcessInput>(process);
    return session;
}

class Containers::Wait : public engine::ExitWait {
public:
    Wait(const Containers& owner, std::string id, engine::WaitCondition condition)
        : owner_(owner), id_(std::move(id)), condition_(condition) {}
    Result<engine::WaitResult> wait(std::stop_token stop) override {
        auto table = owner_.table_.lock();
        const auto over = [&] {
            const auto found = table->entries.find(id_);
            if (found == table->entries.end()) {
                exit_code_ = table->removed.at(id_);
                return true;
            }
            const auto& state = found->second.container.state;
            exit_code_ = state.exit_code;
            const bool not_running = condition_ == engine::WaitCondition::not_running;
            return condition_ != engine::WaitCondition::removed &&
                   (state.status == engine::Status::exited ||
                    (not_running && state.status != engine::Status::running));
        };
        if (!owner_.changed_.wait(table.lock(), stop, over))
            return fail(ErrorKind::cancelled, "stopped");
        return engine::WaitResult{.exit_code = exit_code_};
    }

private:
    const Containers& owner_;
    std::string id_;
    engine::WaitCondition condition_;
    int exit_code_ = 0;
};

Result<Containers::Entry*> Containers::find(Table& table, std::string_view container) {
    for (auto& [id, entry] : table.entries)
        if (id.starts_with(container) || entry.container.name == container) return &entry;
    return fail(ErrorKind::not_found, "No such container: {}", container);
}

engine::Container& Containers::add(std::string name, engine::ContainerConfig config) {
    auto table = table_.lock();
    const std::string id = fmt::format("{:064x}", table->next++);
    engine::Container& container = table->entries[id].container;
    container.id = id;
    container.name = name.empty() ? "name_" + id.substr(60) : std::move(name);
    container.created = now();
    container.image_id = busybox().id;
    container.command = config.cmd.value_or(std::vector<std::string>{"sh"});
    container.config = std::move(config);
    container.config_json = container.host_config_json = container.networking_json = "{}";
    return container;
}

std::shared_ptr<Process> Containers::process(std::string_view container) const {
    auto table = table_.lock();
    return (*find(*table, container))->process;
}

void Containers::end(std::string_view container, int exit_code) {
    auto table = table_.lock();
    Entry& entry = **find(*table, container);
    entry.container.state.status = engine::Status::exited;
    entry.container.state.exit_code = exit_code;
    entry.container.state.finished_at = now();
    entry.process->output.close();
    changed_.notify_all();
}

Result<void> Containers::record(std::string_view container, std::string call) {
    auto table = table_.lock();
    HAKO_TRY(const Entry* entry, find(*table, container));
    calls_.lock()->push_back(call + " " + entry->container.name);
    return {};
}

Result<engine::Created> Containers::create(const engine::CreateRequest& request) {
    last_create = request;
    if (request.config.image != "busybox")
        return fail(ErrorKind::not_found, "No such image: {}", request.config.image);
    engine::Container& container = add(request.name, request.config);
    container.host_config = request.host_config;
    container.config_json = request.config_json;
    container.host_config_json = request.host_config_json;
    return engine::Created{container.id, {}};
}

Result<engine::Container> Containers::inspect(std::string_view container) const {
    auto table = table_.lock();
    HAKO_TRY(const Entry* entry, find(*table, container));
    return entry->container;
}

Result<std::vector<engine::Container>> Containers::list(const engine::ListFilter& filter) const {
    const_cast<Containers*>(this)->last_filter = filter;
    std::vector<engine::Container> list;
    auto table = table_.lock();
    for (const auto& [id, entry] : table->entries)
        if (filter.all || entry.container.state.status == engine::Status::running)
            list.push_back(entry.container);
    return list;
}

Result<void> Containers::start(std::string_view container) {
    HAKO_CHECK(record(container, "start"));
    auto table = table_.lock();
    HAKO_TRY(Entry * entry, find(*table, container));
    if (entry->container.state.status == engine::Status::running)
        return fail(ErrorKind::not_modified, "already started");
    entry->container.state.status = engine::Status::running;
    entry->container.state.started_at = now();
    return {};
}

Result<void> Containers::stop(std::string_view container, const engine::StopOptions& options) {
    HAKO_CHECK(record(container, fmt::format("stop({}{})", options.timeout_seconds.value_or(-2),
                                             options.signal)));
    end(container, 143);
    return {};
}

Result<void> Containers::restart(std::string_view container, const engine::StopOptions& options) {
    return record(container, fmt::format("restart({})", options.timeout_seconds.value_or(-2)));
}

Result<void> Containers::pause(std::string_view container) { return record(container, "pause"); }
Result<void> Containers::unpause(std::string_view container) {
    return record(container, "unpause");
}

Result<std::vector<std::string>> Containers::update(std::string_view container,
                                                    const engine::UpdateRequest& request) {
    HAKO_CHECK(record(container, "update"));
    last_update = request;
    return std::vector<std::string>{"told"};
}

Result<engine::Pruned> Containers::prune(const engine::PruneFilter& filter) {
    last_prune = filter;
    return engine::Pruned{.ids = {"a"}, .reclaimed = 7};
}

Result<void> Containers::kill(std::string_view container, std::string_view signal) {
    HAKO_CHECK(record(container, fmt::format("kill({})", signal)));
    end(container, 137);
    return {};
}

Result<void> Containers::rename(std::string_view container, std::string_view name) {
    return record(container, fmt::format("rename({})", name));
}

Result<void> Containers::remove(std::string_view container, const engine::RemoveOptions& options) {
    HAKO_CHECK(record(container, options.force ? "remove(force)" : "remove"));
    auto table = table_.lock();
    HAKO_TRY(const Entry* entry, find(*table, container));
    if (entry->container.state.status == engine::Status::running && !options.force)
        return fail(ErrorKind::conflict, "container is running");
    const std::string id = entry->container.id;
    table->removed[id] = entry->container.state.exit_code;
    table->entries.erase(id);
    changed_.notify_all();
    return {};
}

Result<std::unique_ptr<engine::ExitWait>> Containers::wait(std::string_view container,
                                                           engine::WaitCondition condition) {
    HAKO_TRY(const auto found, inspect(container));
    return std::make_unique<Wait>(*this, found.id, condition);
}

Result<void> Containers::resize(std::string_view container, engine::WindowSize size) {
    return record(container, fmt::format("resize({}x{})", size.columns, size.rows));
}

namespace {

Result<void> check_container(std::string_view container) {
    if (container == "app") return {};
    return fail(ErrorKind::not_found, "No such container: {}", container);
}

}  // namespace

Result<engine::PathStat> Files::stat_path(std::string_view container, const std::string& path) {
    HAKO_CHECK(check_container(container));
    if (path != "/etc/motd") return fail(ErrorKind::not_found, "Could not find the file {}", path);
    return engine::PathStat{.name = "motd", .size = 5, .mode = 0100644};
}

Result<void> Files::copy_out(std::string_view container, const std::string& path, Writer& tar,
                             std::stop_token) {
    HAKO_CHECK(check_container(container));
    return tar.write(as_bytes("a tar of " + path));
}

Result<void> Files::copy_in(std::string_view container, const engine::CopyTarget& target,
                            Reader& tar, std::stop_token) {
    HAKO_CHECK(check_container(container));
    copied_to = target;
    TextWriter text;
    HAKO_CHECK(copy_all(tar, text));
    copied = text.text;
    return {};
}

Result<std::vector<engine::Change>> Files::changes(std::string_view container) {
    HAKO_CHECK(check_container(container));
    return changed;
}

Result<std::string> Files::commit(std::string_view, const engine::CommitOptions& options,
                                  std::stop_token) {
    committed = options;
    return "sha256:" + std::string(64, 'c');
}

Result<engine::StatisticsSample> Containers::statistics(std::string_view container) const {
    HAKO_TRY(const auto found, inspect(container));
    engine::StatisticsSample sample{.id = found.id, .name = found.name};
    if (!found.state.running()) return sample;
    sample.read = now();
    sample.figures = figures;
    return sample;
}

Result<std::vector<Span>> Containers::trace(std::string_view container) const {
    HAKO_TRY(const auto found, inspect(container));
    return std::vector<Span>{{"hakod", "start " + found.name,
                              WallTime(std::chrono::milliseconds(1)),
                              WallTime(std::chrono::milliseconds(3))}};
}

Result<engine::MachineDetails> Containers::machine(std::string_view container) const {
    HAKO_TRY(const auto found, inspect(container));
    return engine::MachineDetails{
        .pid = 7, .command = {"qemu", "-name", found.name}, .spec_json = R"({"cpus":1})"};
}

Result<std::string> Containers::console(std::string_view container) const {
    HAKO_TRY(const auto found, inspect(container));
    return "Linux version of " + found.name;
}

Result<engine::ProcessTable> Containers::top(std::string_view container, std::string_view) {
    HAKO_CHECK(record(container, "top"));
    return engine::ProcessTable{{"PID", "CMD"}, {{"1", "sh"}}};
}

Result<std::unique_ptr<engine::OutputStream>> Containers::logs(
    std::string_view container, const engine::Engine::Logs& options) const {
    HAKO_CHECK(const_cast<Containers*>(this)->record(
        container, fmt::format("logs(follow={} tail={})", options.follow,
                               options.tail ? std::to_string(*options.tail) : "all")));
    return std::make_unique<ChannelOutput>(process(container));
}

Result<engine::Session> Containers::attach(std::string_view container,
                                           const engine::Engine::Attach& options) {
    HAKO_TRY(const auto found, inspect(container));
    return join(process(container), found.config.tty, options.input && found.config.open_stdin);
}

Result<std::string> Execs::create(std::string_view container, const engine::ExecConfig& config) {
    exec.id = std::string(64, 'e');
    exec.container_id = container;
    exec.config = config;
    return exec.id;
}

Result<engine::Session> Execs::start(std::string_view, const engine::ExecStart& options) {
    started = options;
    if (start_error) return fail(*start_error);
    if (options.detach) return engine::Session();
    return join(process, exec.config.tty, exec.config.attach_stdin);
}

Result<engine::Exec> Execs::inspect(std::string_view id) const {
    if (id != exec.id) return fail(ErrorKind::not_found, "No such exec instance: {}", id);
    return exec;
}

Result<void> Execs::resize(std::string_view, engine::WindowSize wanted) {
    size = wanted;
    return {};
}

Result<images::Image> Images::find(std::string_view name,
                                   const std::optional<oci::Platform>& platform) const {
    for (const auto& image : images) {
        if (platform && platform->architecture != image.architecture) continue;
        if (image.id == name) return image;
        for (const auto& tag : image.repo_tags)
            if (tag == name || tag == std::string(name) + ":latest") return image;
    }
    return fail(ErrorKind::not_found, "No such image: {}", name);
}

Result<void> Images::push(const oci::Reference& reference, const images::PushOptions&,
                          const images::ProgressSink& sink, std::stop_token) {
    pushed.push_back(reference.familiar());
    for (const auto& line : progress) sink(line);
    return {};
}

Result<images::Image> Images::pull(const oci::Reference& reference,
                                   const images::PullOptions& options,
                                   const images::ProgressSink& sink, std::stop_token stop) {
    last_reference = reference.text();
    last_options = options;
    for (const auto& step : progress) sink(step);
    if (pull_waits_for_stop) {
        std::mutex mutex;
        std::unique_lock lock(mutex);
        std::condition_variable_any changed;
        changed.wait_for(lock, stop, std::chrono::seconds(10), [] { return false; });
        pull_stopped = stop.stop_requested();
        return fail(ErrorKind::cancelled, "stopped");
    }
    if (pull_error) return fail(*pull_error);
    return busybox();
}

Result<std::vector<std::string>> Images::load(Reader& archive, const std::optional<oci::Platform>&,
                                              const images::ProgressSink& sink) {
    std::array<std::byte, 4096> piece;
    while (true) {
        HAKO_TRY(const auto count, archive.read(piece));
        if (count == 0) break;
        loaded_bytes += count;
    }
    sink({"layer", "Loading layer", 1, 2});
    return std::vector<std::string>{"busybox:latest", busybox().id};
}

Result<void> Images::save(const std::vector<std::string>& names, const images::SaveOptions& options,
                          Writer& out) {
    last_save = options;
    for (const auto& name : names) {
        HAKO_TRY(const auto image, find(name, options.platform));
        HAKO_CHECK(out.write(as_bytes(image.id)));
    }
    return {};
}

Result<images::Image> Images::import(Reader& tar, const images::ImportOptions& options) {
    last_import = options;
    std::array<std::byte, 4096> piece;
    HAKO_TRY(const auto count, tar.read(piece));
    if (count == 0) return fail(ErrorKind::invalid, "this is no tar");
    return busybox();
}

Result<images::CheckReport> Images::check(const images::CheckOptions& options) {
    images::CheckReport report;
    report.images = images.size();
    report.findings = {{"blob sha256:1", "it is missing", options.repair ? "removed" : ""}};
    return report;
}

Result<void> Images::tag(std::string_view image, const oci::Reference& reference) {
    HAKO_TRY(const auto found, find(image, {}));
    last_reference = reference.text();
    return {};
}

Result<images::Removed> Images::remove(std::string_view image,
                                       const images::RemoveOptions& options) {
    HAKO_TRY(const auto found, find(image, options.platform));
    if (!options.force) return images::Removed{{"busybox:latest"}, {found.id}};
    return images::Removed{{}, {found.id}};
}

Result<images::OpenRootfs> Images::open_rootfs(std::string_view image) {
    HAKO_CHECK(find(image, {}));
    return images::OpenRootfs::open(rootfs);
}

Result<engine::SystemInfo> System::info() const {
    engine::SystemInfo info;
    info.containers = 3;
    info.running = 1;
    info.stopped = 2;
    info.accelerator = "tcg";
    info.accelerator_reason = "there is no /dev/kvm";
    info.kernel_release = "6.1.0";
    info.os_name = "Debian";
    info.cpus = 2;
    info.memory = kGiB;
    info.id = "an-id";
    info.host_name = "host";
    return info;
}

Result<engine::Kernel> System::import_kernel(std::string_view name, Reader&) {
    list.push_back({.name = std::string(name), .version = "6.2"});
    return list.back();
}

Result<engine::Template> System::find_template(std::string_view key) const {
    for (const auto& one : made)
        if (one.key == key) return one;
    return fail(ErrorKind::not_found, "No such template: {}", key);
}

// Its key is the memory that was asked for.
Result<engine::Template> System::build_template(const engine::TemplateRequest& request) {
    made.push_back({.key = std::to_string(request.memory),
                    .shape_json = R"({"memory_bytes":1})",
                    .bytes = 42});
    return made.back();
}

Result<void> System::remove_template(std::string_view key) {
    HAKO_CHECK(find_template(key));
    std::erase_if(made, [&](const auto& one) { return one.key == key; });
    return {};
}

Result<void> System::set_default_kernel(std::string_view name) {
    for (auto& kernel : list) kernel.is_default = kernel.name == name;
    return {};
}

Result<void> System::remove_kernel(std::string_view name) {
    std::erase_if(list, [&](const auto& kernel) { return kernel.name == name; });
    return {};
}

images::Image busybox() {
    images::Image image;
    image.id = "sha256:" + std::string(64, 'b');
    image.repo_tags = {"busybox:latest"};
    image.repo_digests = {"busybox@sha256:" + std::string(64, 'd')};
    image.config.cmd = {"sh"};
    image.config.labels = {{"maker", "hako"}};
    image.architecture = oci::Platform::host().architecture;
    image.os = "linux";
    image.created = "2026-01-02T03:04:05Z";
    image.size = 4'260'000;
    image.diff_ids = {"sha256:" + std::string(64, 'c')};
    image.layer_sizes = {4'260'000};
    return image;
}

}  // namespace hako::dockerapi::fakes
