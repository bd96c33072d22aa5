// The services over an Engine: one call each, and an event for what happened to an image.
#pragma once

#include <algorithm>

#include "dockerapi/services.h"

namespace hako::dockerapi {

class EngineContainers : public ContainerService {
public:
    explicit EngineContainers(engine::Engine& engine) : engine_(engine) {}
    Result<engine::Created> create(const engine::CreateRequest& request) override {
        return engine_.create(request);
    }
    Result<engine::Container> inspect(std::string_view container) const override {
        return engine_.inspect(container);
    }
    Result<std::vector<engine::Container>> list(const engine::ListFilter& filter) const override {
        return engine_.list(filter);
    }
    Result<void> start(std::string_view container) override { return engine_.start(container); }
    Result<void> stop(std::string_view container, const engine::StopOptions& options) override {
        return engine_.stop(container, options);
    }
    Result<void> restart(std::string_view container, const engine::StopOptions& options) override {
        return engine_.restart(container, options);
    }
    Result<void> pause(std::string_view container) override { return engine_.pause(container); }
    Result<void> unpause(std::string_view container) override { return engine_.unpause(container); }
    Result<std::vector<std::string>> update(std::string_view container,
                                            const engine::UpdateRequest& request) override {
        return engine_.update(container, request);
    }
    Result<engine::Pruned> prune(const engine::PruneFilter& filter) override {
        return engine_.prune(filter);
    }
    Result<void> kill(std::string_view container, std::string_view signal) override {
        return engine_.kill(container, signal);
    }
    Result<void> rename(std::string_view container, std::string_view name) override {
        return engine_.rename(container, name);
    }
    Result<void> remove(std::string_view container, const engine::RemoveOptions& options) override {
        return engine_.remove(container, options);
    }
    Result<std::unique_ptr<engine::ExitWait>> wait(std::string_view container,
                                                   engine::WaitCondition condition) override {
        return engine_.wait(container, condition);
    }
    Result<void> resize(std::string_view container, engine::WindowSize size) override {
        return engine_.resize(container, size);
    }
    Result<engine::StatisticsSample> statistics(std::string_view container) const override {
        return engine_.statistics(container);
    }
    Result<engine::MachineDetails> machine(std::string_view container) const override {
        return engine_.machine(container);
    }
    Result<std::string> console(std::string_view container) const override {
        return engine_.console(container);
    }
    Result<std::vector<Span>> trace(std::string_view container) const override {
        return engine_.trace(container);
    }
    Result<engine::ProcessTable> top(std::string_view container,
                                     std::string_view ps_arguments) override {
        return engine_.top(container, ps_arguments);
    }
    Result<std::unique_ptr<engine::OutputStream>> logs(
        std::string_view container, const engine::Engine::Logs& options) const override {
        return engine_.logs(container, options);
    }
    Result<engine::Session> attach(std::string_view container,
                                   const engine::Engine::Attach& options) override {
        return engine_.attach(container, options);
    }

private:
    engine::Engine& engine_;
};

class EngineFiles : public FileService {
public:
    explicit EngineFiles(engine::Engine& engine) : engine_(engine) {}
    Result<engine::PathStat> stat_path(std::string_view container,
                                       const std::string& path) override {
        return engine_.stat_path(container, path);
    }
    Result<void> copy_out(std::string_view container, const std::string& path, Writer& tar,
                          std::stop_token stop) override {
        return engine_.copy_out(container, path, tar, std::move(stop));
    }
    Result<void> copy_in(std::string_view container, const engine::CopyTarget& target, Reader& tar,
                         std::stop_token stop) override {
        return engine_.copy_in(container, target, tar, std::move(stop));
    }
    Result<std::vector<engine::Change>> changes(std::string_view container) override {
        return engine_.changes(container);
    }
    Result<std::string> commit(std::string_view container, const engine::CommitOptions& options,
                               std::stop_token stop) override {
        return engine_.commit(container, options, std::move(stop));
    }

private:
    engine::Engine& engine_;
};

class EngineExecs : public ExecService {
public:
    explicit EngineExecs(engine::Engine& engine) : engine_(engine) {}
    Result<std::string> create(std::string_view container,
                               const engine::ExecConfig& config) override {
        return engine_.create_exec(container, config);
    }
    Result<engine::Session> start(std::string_view exec,
                                  const engine::ExecStart& options) override {
        return engine_.start_exec(exec, options);
    }
    Result<engine::Exec> inspect(std::string_view exec) const override {
        return engine_.inspect_exec(exec);
    }
    Result<void> resize(std::string_view exec, engine::WindowSize size) override {
        return engine_.resize_exec(exec, size);
    }

private:
    engine::Engine& engine_;
};

class EngineImages : public ImageService {
public:
    explicit EngineImages(engine::Engine& engine) : engine_(engine) {}
    Result<images::Image> find(std::string_view name_or_id,
                               const std::optional<oci::Platform>& platform) const override {
        return engine_.images().find(name_or_id, platform);
    }
    Result<std::vector<images::Image>> list() const override { return engine_.images().list(); }
    Result<images::Image> pull(const oci::Reference& reference, const images::PullOptions& options,
                               const images::ProgressSink& progress,
                               std::stop_token stop) override {
        auto pulled = engine_.images().pull(reference, options, progress, std::move(stop));
        if (pulled) tell("pull", reference.familiar(), reference.familiar_name());
        return pulled;
    }
    Result<void> push(const oci::Reference& reference, const images::PushOptions& options,
                      const images::ProgressSink& progress, std::stop_token stop) override {
        auto pushed = engine_.images().push(reference, options, progress, std::move(stop));
        if (pushed) tell("push", reference.familiar(), reference.familiar_name());
        return pushed;
    }
    Result<std::vector<std::string>> load(Reader& archive,
                                          const std::optional<oci::Platform>& platform,
                                          const images::ProgressSink& progress) override {
        auto loaded = engine_.images().load(archive, platform, progress);
        if (loaded)
            for (const std::string& name : *loaded) tell_of("load", name);
        return loaded;
    }
    Result<void> save(const std::vector<std::string>& names, const images::SaveOptions& options,
                      Writer& out) override {
        auto saved = engine_.images().save(names, options, out);
        if (saved)
            for (const std::string& name : names) tell_of("save", name);
        return saved;
    }
    Result<images::Image> import(Reader& tar, const images::ImportOptions& options) override {
        auto imported = engine_.images().import(tar, options);
        if (imported) tell("import", imported->id, imported->id);
        return imported;
    }
    std::uint64_t disk_usage() const override { return engine_.images().disk_usage(); }
    Result<images::CheckReport> check(const images::CheckOptions& options) override {
        return engine_.images().check(options);
    }
    Result<void> tag(std::string_view image, const oci::Reference& reference) override {
        auto tagged = engine_.images().tag(image, reference);
        if (tagged) tell_of("tag", reference.familiar());
        return tagged;
    }
    Result<images::Removed> remove(std::string_view image,
                                   const images::RemoveOptions& options) override {
        const auto found = engine_.images().find(image);
        auto removed = engine_.remove_image(image, options);
        if (!removed || !found) return removed;
        for (const std::string& name : removed->untagged) tell("untag", found->id, name);
        if (std::ranges::find(removed->deleted, found->id) != removed->deleted.end())
            tell("delete", found->id, found->id);
        return removed;
    }
    Result<images::OpenRootfs> open_rootfs(std::string_view image) override {
        HAKO_TRY(const auto found, engine_.images().find(image));
        HAKO_TRY(const auto rootfs, engine_.images().rootfs(found.id));
        return images::OpenRootfs::open(rootfs);
    }

private:
    void tell(std::string action, std::string image, std::string name) {
        engine_.publish_image_event(std::move(action), std::move(image),
                                    {{"name", std::move(name)}});
    }
    void tell_of(std::string action, const std::string& name) {
        const auto image = engine_.images().find(name);
        tell(std::move(action), image ? image->id : name, name);
    }

    engine::Engine& engine_;
};

class EngineSystem : public SystemService {
public:
    explicit EngineSystem(engine::Engine& engine) : engine_(engine) {}
    Result<engine::SystemInfo> info() const override { return engine_.system_info(); }
    std::unique_ptr<engine::EventStream> events(WallTime since, WallTime until) override {
        return engine_.events(since, until);
    }
    Result<std::vector<engine::Kernel>> kernels() const override { return engine_.list_kernels(); }
    Result<engine::Kernel> import_kernel(std::string_view name, Reader& vmlinux) override {
        return engine_.import_kernel(name, vmlinux);
    }
    Result<void> set_default_kernel(std::string_view name) override {
        return engine_.set_default_kernel(name);
    }
    Result<void> remove_kernel(std::string_view name) override {
        return engine_.remove_kernel(name);
    }
    Result<std::vector<engine::Template>> templates() const override {
        return engine_.list_templates();
    }
    Result<engine::Template> find_template(std::string_view key) const override {
        return engine_.find_template(key);
    }
    Result<engine::Template> build_template(const engine::TemplateRequest& request) override {
        return engine_.build_template(request);
    }
    Result<void> remove_template(std::string_view key) override {
        return engine_.remove_template(key);
    }

private:
    engine::Engine& engine_;
};

class EngineVolumes : public VolumeService {
public:
    explicit EngineVolumes(engine::Engine& engine) : engine_(engine) {}
    Result<engine::VolumeDetails> create(volume::Volume wanted) override {
        return engine_.create_volume(std::move(wanted));
    }
    Result<engine::VolumeDetails> inspect(std::string_view name) override {
        return engine_.inspect_volume(name);
    }
    Result<std::vector<engine::VolumeDetails>> list(bool with_usage) override {
        return engine_.list_volumes(with_usage);
    }
    Result<void> remove(std::string_view name, bool force) override {
        return engine_.remove_volume(name, force);
    }
    Result<engine::Pruned> prune(const engine::VolumePruneFilter& filter) override {
        return engine_.prune_volumes(filter);
    }

private:
    engine::Engine& engine_;
};

class EngineNetworks : public NetworkService {
public:
    explicit EngineNetworks(engine::Engine& engine) : engine_(engine) {}
    Result<engine::Network> create(const engine::NetworkRequest& request) override {
        return engine_.create_network(request);
    }
    Result<std::vector<engine::Network>> list(const engine::NetworkFilter& filter) const override {
        return engine_.list_networks(filter);
    }
    Result<engine::Network> inspect(std::string_view network) const override {
        return engine_.inspect_network(network);
    }
    Result<void> remove(std::string_view network) override {
        return engine_.remove_network(network);
    }
    Result<std::vector<std::string>> prune(const engine::NetworkFilter& filter) override {
        return engine_.prune_networks(filter);
    }
    Result<void> connect(std::string_view network, std::string_view container,
                         const engine::EndpointSettings& settings) override {
        return engine_.connect_network(network, container, settings);
    }
    Result<void> disconnect(std::string_view network, std::string_view container) override {
        return engine_.disconnect_network(network, container);
    }

private:
    engine::Engine& engine_;
};

// All of them, for a daemon's main.
class EngineServices {
public:
    EngineServices(engine::Engine& engine, const oci::RegistryOptions& registries)
        : containers_(engine),
          files_(engine),
          execs_(engine),
          images_(engine),
          networks_(engine),
          system_(engine),
          volumes_(engine),
          registries_(registries) {}
    Services services() {
        return {containers_, files_, execs_, images_, networks_, system_, volumes_, registries_};
    }

private:
    EngineContainers containers_;
    EngineFiles files_;
    EngineExecs execs_;
    EngineImages images_;
    EngineNetworks networks_;
    EngineSystem system_;
    EngineVolumes volumes_;
    oci::RegistryOptions registries_;
};

}  // namespace hako::dockerapi
