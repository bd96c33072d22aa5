#include "init/vminitd/guest.h"

namespace hako::init {

Result<void> Guest::create_container(const std::string& id, Json spec,
                                     const std::map<std::string, std::string>& files,
                                     const std::vector<agent::v1::Socket>& sockets) {
    if (!containers_.lock()->emplace(id, nullptr).second)
        return fail(ErrorKind::conflict, "there is a container {} already", id);
    auto container = Container::create(surroundings_, id, std::move(spec), files, sockets);
    auto containers = containers_.lock();
    if (!container) {
        containers->erase(id);
        return fail(container.error());
    }
    // Each its part of the processors, however many processes it has.
    if (containers->size() > 1) (*container)->cgroup().add_controllers();
    containers->insert_or_assign(id, *container);
    oom_watch_.add(id, (*container)->cgroup().path());
    return {};
}

Result<std::shared_ptr<Container>> Guest::container(const std::string& id) const {
    auto containers = containers_.lock();
    const auto found = containers->find(id);
    if (found == containers->end() || !found->second)
        return fail(ErrorKind::not_found, "the VM has no container {}", id);
    return found->second;
}

Result<std::shared_ptr<ContainerProcess>> Guest::process(const std::string& container,
                                                         const std::string& process) const {
    HAKO_TRY(const auto found, this->container(container));
    return found->process(process);
}

Result<std::shared_ptr<ContainerProcess>> Guest::first_process_of(const std::string& id) const {
    HAKO_TRY(const auto found, container(id));
    if (auto process = found->first_process()) return process;
    return fail(ErrorKind::conflict, "container {} is not running", id);
}

Result<void> Guest::delete_container(const std::string& id) {
    HAKO_TRY(const auto container, this->container(id));
    HAKO_CHECK(container->remove());
    containers_.lock()->erase(id);
    return {};
}

}  // namespace hako::init
