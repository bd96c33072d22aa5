// What the API's routes need of the engine: small interfaces in the engine's own types, so that
// tests can put fakes in their place. Meanings and errors are those of engine/engine.h and
// images/image_store.h. All are called by many threads at once.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "dockerapi/volume_service.h"
#include "engine/engine.h"
#include "engine/images.h"
#include "images/open_rootfs.h"
#include "oci/registry_options.h"

namespace hako::dockerapi {

class ContainerService {
public:
    virtual ~ContainerService() = default;
    virtual Result<engine::Created> create(const engine::CreateRequest& request) = 0;
    virtual Result<engine::Container> inspect(std::string_view container) const = 0;
    virtual Result<std::vector<engine::Container>> list(const engine::ListFilter& filter) const = 0;
    virtual Result<void> start(std::string_view container) = 0;
    virtual Result<void> stop(std::string_view container, const engine::StopOptions& options) = 0;
    virtual Result<void> restart(std::string_view container,
                                 const engine::StopOptions& options) = 0;
    virtual Result<void> kill(std::string_view container, std::string_view signal) = 0;
    virtual Result<void> pause(std::string_view container) = 0;
    virtual Result<void> unpause(std::string_view container) = 0;
    virtual Result<std::vector<std::string>> update(std::string_view container,
                                                    const engine::UpdateRequest& request) = 0;
    virtual Result<void> rename(std::string_view container, std::string_view name) = 0;
    virtual Result<void> remove(std::string_view container,
                                const engine::RemoveOptions& options) = 0;
    virtual Result<engine::Pruned> prune(const engine::PruneFilter& filter) = 0;
    virtual Result<std::unique_ptr<engine::ExitWait>> wait(std::string_view container,
                                                           engine::WaitCondition condition) = 0;
    virtual Result<void> resize(std::string_view container, engine::WindowSize size) = 0;
    virtual Result<engine::StatisticsSample> statistics(std::string_view container) const = 0;
    virtual Result<engine::MachineDetails> machine(std::string_view container) const = 0;
    virtual Result<std::string> console(std::string_view container) const = 0;
    virtual Result<engine::ProcessTable> top(std::string_view container,
                                             std::string_view ps_arguments) = 0;
    virtual Result<std::unique_ptr<engine::OutputStream>> logs(
        std::string_view container, const engine::Engine::Logs& options) const = 0;
    virtual Result<engine::Session> attach(std::string_view container,
                                           const engine::Engine::Attach& options) = 0;
    virtual Result<std::vector<Span>> trace(std::string_view container) const = 0;
};

// Of containers, whether they run or not.
class FileService {
public:
    virtual ~FileService() = default;
    virtual Result<engine::PathStat> stat_path(std::string_view container,
                                               const std::string& path) = 0;
    virtual Result<void> copy_out(std::string_view container, const std::string& path, Writer& tar,
                                  std::stop_token stop) = 0;
    virtual Result<void> copy_in(std::string_view container, const engine::CopyTarget& target,
                                 Reader& tar, std::stop_token stop) = 0;
    virtual Result<std::vector<engine::Change>> changes(std::string_view container) = 0;
    virtual Result<std::string> commit(std::string_view container,
                                       const engine::CommitOptions& options,
                                       std::stop_token stop) = 0;
};

class ExecService {
public:
    virtual ~ExecService() = default;
    virtual Result<std::string> create(std::string_view container,
                                       const engine::ExecConfig& config) = 0;
    virtual Result<engine::Session> start(std::string_view exec,
                                          const engine::ExecStart& options) = 0;
    virtual Result<engine::Exec> inspect(std::string_view exec) const = 0;
    virtual Result<void> resize(std::string_view exec, engine::WindowSize size) = 0;
};

class ImageService {
public:
    virtual ~ImageService() = default;
    virtual Result<images::Image> find(std::string_view name_or_id,
                                       const std::optional<oci::Platform>& platform) const = 0;
    virtual Result<std::vector<images::Image>> list() const = 0;
    virtual Result<images::Image> pull(const oci::Reference& reference,
                                       const images::PullOptions& options,
                                       const images::ProgressSink& progress,
                                       std::stop_token stop) = 0;
    virtual Result<void> push(const oci::Reference& reference, const images::PushOptions& options,
                              const images::ProgressSink& progress, std::stop_token stop) = 0;
    virtual Result<std::vector<std::string>> load(Reader& archive,
                                                  const std::optional<oci::Platform>& platform,
                                                  const images::ProgressSink& progress) = 0;
    virtual Result<void> save(const std::vector<std::string>& names,
                              const images::SaveOptions& options, Writer& out) = 0;
    virtual Result<images::Image> import(Reader& tar, const images::ImportOptions& options) = 0;
    virtual std::uint64_t disk_usage() const = 0;
    virtual Result<images::CheckReport> check(const images::CheckOptions& options) = 0;
    virtual Result<void> tag(std::string_view image, const oci::Reference& reference) = 0;
    virtual Result<images::Removed> remove(std::string_view image,
                                           const images::RemoveOptions& options) = 0;
    virtual Result<images::OpenRootfs> open_rootfs(std::string_view image) = 0;
};

class SystemService {
public:
    virtual ~SystemService() = default;
    virtual Result<engine::SystemInfo> info() const = 0;
    virtual std::unique_ptr<engine::EventStream> events(WallTime since, WallTime until) = 0;
    virtual Result<std::vector<engine::Kernel>> kernels() const = 0;
    virtual Result<engine::Kernel> import_kernel(std::string_view name, Reader& vmlinux) = 0;
    virtual Result<void> set_default_kernel(std::string_view name) = 0;
    virtual Result<void> remove_kernel(std::string_view name) = 0;
    virtual Result<std::vector<engine::Template>> templates() const = 0;
    virtual Result<engine::Template> find_template(std::string_view key) const = 0;
    virtual Result<engine::Template> build_template(const engine::TemplateRequest& request) = 0;
    virtual Result<void> remove_template(std::string_view key) = 0;
};

class NetworkService {
public:
    virtual ~NetworkService() = default;
    virtual Result<engine::Network> create(const engine::NetworkRequest& request) = 0;
    virtual Result<std::vector<engine::Network>> list(
        const engine::NetworkFilter& filter) const = 0;
    virtual Result<engine::Network> inspect(std::string_view network) const = 0;
    virtual Result<void> remove(std::string_view network) = 0;
    virtual Result<std::vector<std::string>> prune(const engine::NetworkFilter& filter) = 0;
    virtual Result<void> connect(std::string_view network, std::string_view container,
                                 const engine::EndpointSettings& settings) = 0;
    virtual Result<void> disconnect(std::string_view network, std::string_view container) = 0;
};

// Borrowed: they outlive the API's handler.
struct Services {
    ContainerService& containers;
    FileService& files;
    ExecService& execs;
    ImageService& images;
    NetworkService& networks;
    SystemService& system;
    VolumeService& volumes;
    const oci::RegistryOptions& registries;
};

}  // namespace hako::dockerapi
