#include <algorithm>
#include <iterator>
#include <system_error>

#include "base/log.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/links.h"
#include "engine/macos.h"
#include "engine/names.h"
#include "engine/scratch.h"
#include "engine/settings.h"
#include "engine/sharing.h"
#include "engine/volumes.h"
#include "images/machine_image.h"
#include "runtime/log_file.h"

namespace hako::engine {
namespace {

constexpr int kNameAttempts = 100;

// Holds the name for the id until the container is there, or gives it back.
class NameHold {
public:
    static Result<NameHold> take(Registry& registry, std::string_view wanted,
                                 const std::string& id) {
        if (!wanted.empty()) {
            HAKO_TRY(std::string name, check_container_name(wanted));
            HAKO_CHECK(registry.reserve_name(name, id));
            return NameHold(registry, std::move(name));
        }
        for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
            std::string name = random_container_name(attempt);
            if (registry.reserve_name(name, id)) return NameHold(registry, std::move(name));
        }
        return fail(ErrorKind::conflict, "no free name was found: give one with --name");
    }
    NameHold(NameHold&& other) noexcept
        : registry_(std::exchange(other.registry_, nullptr)), name_(std::move(other.name_)) {}
    NameHold& operator=(NameHold&&) = delete;
    ~NameHold() {
        if (registry_ != nullptr) registry_->release_name(name_);
    }

    const std::string& name() const { return name_; }
    void keep() { registry_ = nullptr; }

private:
    NameHold(Registry& registry, std::string name) : registry_(&registry), name_(std::move(name)) {}

    Registry* registry_;
    std::string name_;
};

// The processor that must be emulated for the image's programs; empty where they run as they are.
Result<std::string> emulated_processor(MachineSource& machines, const images::Image& image) {
    const auto host = oci::Platform::host();
    const auto offered = oci::normalize({image.os, image.architecture, image.variant});
    if (oci::platform_rank(host, offered)) return std::string();
    if (offered.os != host.os || offered.architecture == host.architecture)
        return fail(ErrorKind::unimplemented,
                    "the image is for {}, which a {} host does not run: pull it for {} if it is "
                    "offered",
                    offered.text(), host.text(), host.text());
    HAKO_CHECK(with_context(
        machines.emulator(offered.architecture),
        fmt::format("the image is for {}, the host is {}", offered.text(), host.text())));
    return offered.architecture;
}

// The container's folder with its empty disk and log.
Result<void> make_files(const Layout& layout, const Container& container) {
    HAKO_TRY(const std::uint64_t size, scratch_size(container.host_config));
    HAKO_CHECK(make_folders(layout.container(container.id)));
    // A macOS machine makes its disks itself, in its storage.
    if (!is_macos(container))
        HAKO_CHECK(make_scratch(layout.container_scratch(container.id), size));
    HAKO_CHECK(runtime::LogWriter::open(layout.container_log(container.id)));
    return {};
}

Result<Container> record_container(Context& context, const CreateRequest& request, std::string id,
                                   std::string name, std::vector<std::string>& warnings) {
    const std::lock_guard in_use(context.image_use);
    HAKO_TRY(images::Image image,
             context.world.images->find(request.config.image, request.platform));
    const auto machine = images::machine_of_image(request.config.image);
    if (!machine.empty()) image = macos_image(std::move(image));
    HAKO_TRY(std::string emulated, emulated_processor(*context.world.machines, image));
    CreateRequest wanted = request;
    if (!machine.empty())
        HAKO_CHECK(take_macos_request(context, wanted.config, wanted.host_config));
    HAKO_TRY(Container container, make_container(wanted, image, std::move(id), context.host_cpus));
    container.emulated = std::move(emulated);
    if (!container.kernel.empty()) HAKO_CHECK(context.world.machines->kernel(container.kernel));
    HAKO_TRY(warnings, resolve_sharing(context.registry, container));
    HAKO_CHECK(check_links(context, container.host_config));
    if (is_macos(container)) {
        HAKO_TRY(auto more, complete_macos(container));
        std::ranges::move(more, std::back_inserter(warnings));
    }
    HAKO_TRY(container.mounts,
             resolve_mounts(context, container.host_config, container.config.volumes));
    std::ranges::move(warnings_of_mounts(container.mounts), std::back_inserter(warnings));
    container.name = std::move(name);
    container.created = now();
    container.log_path = context.layout.container_log(container.id);
    const auto trace = context.traces.of(container.id);
    const auto made = [&]() -> Result<void> {
        if (is_macos(container)) HAKO_CHECK(check_macos_mounts(container.mounts, warnings));
        auto timer = std::make_optional<Trace::Timer>(*trace, "make its disk and log");
        HAKO_CHECK(make_files(context.layout, container));
        timer.emplace(*trace, "record it");
        return context.store.insert(container);
    }();
    if (!made) {
        std::error_code ignored;
        std::filesystem::remove_all(context.layout.container(container.id), ignored);
        remove_anonymous_volumes(context, container.mounts);
        return fail(made.error().context("cannot create the container"));
    }
    return container;
}

void undo_record(Context& context, const Container& container) {
    if (const auto erased = context.store.erase(container.id); !erased)
        log_warn("container {}: {}", container.id, erased.error().message());
    std::error_code ignored;
    std::filesystem::remove_all(context.layout.container(container.id), ignored);
    remove_anonymous_volumes(context, container.mounts);
}

}  // namespace

Result<Created> Engine::create(const CreateRequest& request) {
    if (request.config.image.empty())
        return fail(ErrorKind::invalid, "no image is named: give one to create a container from");
    const std::string id = random_id();
    const auto trace = context_->traces.of(id);
    const auto timer = trace->time("create");
    HAKO_TRY(NameHold name, NameHold::take(context_->registry, request.name, id));
    const std::lock_guard volumes_in_use(context_->volume_use);
    Created created{.id = id};
    HAKO_TRY(Container container,
             record_container(*context_, request, id, name.name(), created.warnings));
    if (auto enlisted =
            context_->networks->enlist(container, macos_endpoints(container, request.endpoints));
        !enlisted) {
        undo_record(*context_, container);
        return fail(std::move(enlisted).error());
    }
    if (!container.emulated.empty() && !request.platform)
        created.warnings.push_back(fmt::format(
            "The requested image's platform (linux/{}) does not match the detected host "
            "platform ({}) and no specific platform was requested",
            container.emulated, oci::Platform::host().text()));
    const auto entry = std::make_shared<Entry>(std::move(container));
    context_->registry.insert(entry);
    name.keep();
    emit(*context_, entry, "create");
    return created;
}

}  // namespace hako::engine
