#include <algorithm>
#include <array>
#include <functional>

#include "base/disk_usage.h"
#include "base/json.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/list.h"
#include "engine/macos.h"

namespace hako::engine {
namespace {

Container snapshot(const Context& context, const Entry& entry) {
    auto live = entry.live.lock();
    Container container = live->container;
    for (const auto& [id, exec] : live->execs)
        if (exec.exec.running) container.exec_ids.push_back(id);
    container.networks = context.networks->attachments(container.id);
    if (container.networks.empty() && container.host_config.network_mode == "none")
        container.networks.push_back(Networks::shown_as_none());
    return container;
}

// Docker's name filter is a regular expression; people write a part of the name, with or without
// its slash, and anchors.
bool name_matches(std::string_view name, std::string_view pattern) {
    const bool from_start = pattern.starts_with('^');
    if (from_start) pattern.remove_prefix(1);
    const bool to_end = pattern.ends_with('$');
    if (to_end) pattern.remove_suffix(1);
    if (pattern.starts_with('/')) pattern.remove_prefix(1);
    if (from_start && to_end) return name == pattern;
    if (from_start) return name.starts_with(pattern);
    if (to_end) return name.ends_with(pattern);
    return name.find(pattern) != std::string_view::npos;
}

// An empty list is no condition.
template <typename T, typename Predicate>
bool any_or_empty(const std::vector<T>& wanted, Predicate predicate) {
    return wanted.empty() || std::ranges::any_of(wanted, predicate);
}

std::string_view health_of(const Container& container) {
    return container.health ? to_string(container.health->status) : "none";
}

bool is_on(const Container& container, const std::string& network) {
    return std::ranges::any_of(container.networks, [&](const Attachment& one) {
        return one.network_name == network || one.network_id.starts_with(network);
    });
}

bool exposes(const Container& container, const std::string& port) {
    return std::ranges::find(container.config.exposed_ports, port) !=
           container.config.exposed_ports.end();
}

// In what the client sent, so that a container that does not run has its ports, too. A port without
// a protocol is one of TCP.
bool publishes(const Container& container, const std::vector<std::string>& wanted) {
    if (wanted.empty()) return true;
    const auto json = parse_json(container.host_config_json);
    if (!json || !json->is_object() || !json->contains("PortBindings")) return false;
    return std::ranges::any_of((*json)["PortBindings"].items(), [&](const auto& item) {
        const std::string& key = item.key();
        const bool bare = key.find('/') == std::string::npos;
        return std::ranges::find(wanted, bare ? key + "/tcp" : key) != wanted.end();
    });
}

bool mounts(const Container& container, const std::string& text) {
    return std::ranges::any_of(container.mounts, [&](const MountPoint& mount) {
        return mount.name == text || mount.target == text || mount.source == text;
    });
}

struct Resolved {
    std::vector<std::string> ancestor_ids;
    std::optional<WallTime> before, since;
};

bool matches(const Container& container, const ListFilter& filter, const Resolved& resolved) {
    const ContainerState& state = container.state;
    const bool all =
        filter.all || filter.limit != 0 || !filter.statuses.empty() || !filter.exit_codes.empty();
    if (!all && !state.running() && state.status != Status::restarting) return false;
    if (resolved.before && container.created >= *resolved.before) return false;
    if (resolved.since && container.created <= *resolved.since) return false;
    if (!filter.exit_codes.empty() && state.status != Status::exited) return false;
    return any_or_empty(filter.exit_codes, [&](int code) { return code == state.exit_code; }) &&
           any_or_empty(filter.ids,
                        [&](const auto& prefix) { return container.id.starts_with(prefix); }) &&
           any_or_empty(filter.names,
                        [&](const auto& part) { return name_matches(container.name, part); }) &&
           any_or_empty(filter.statuses,
                        [&](const auto& text) { return text == to_string(state.status); }) &&
           any_or_empty(filter.healths,
                        [&](const auto& text) { return text == health_of(container); }) &&
           any_or_empty(filter.networks,
                        [&](const auto& name) { return is_on(container, name); }) &&
           any_or_empty(filter.volumes,
                        [&](const auto& text) { return mounts(container, text); }) &&
           any_or_empty(resolved.ancestor_ids,
                        [&](const auto& id) { return id == container.image_id; }) &&
           std::ranges::all_of(
               filter.labels,
               [&](const auto& label) { return has_label(container.config.labels, label); }) &&
           any_or_empty(filter.exposed,
                        [&](const auto& port) { return exposes(container, port); }) &&
           publishes(container, filter.published);
}

Result<void> check_statuses(const std::vector<std::string>& statuses) {
    constexpr std::array kKnown = {"created", "running",    "exited",  "dead",
                                   "paused",  "restarting", "removing"};
    for (const std::string& status : statuses)
        if (std::ranges::find(kKnown, status) == kKnown.end())
            return fail(ErrorKind::invalid, "invalid filter 'status={}'", status);
    return {};
}

Result<std::optional<WallTime>> creation_of(const Registry& registry, const std::string& name) {
    if (name.empty()) return std::optional<WallTime>();
    HAKO_TRY(const EntryPtr entry, registry.find(name));
    return std::optional(entry->live.lock()->container.created);
}

}  // namespace

bool has_label(const StringMap& labels, std::string_view label) {
    const std::size_t equals = label.find('=');
    const auto found = labels.find(std::string(label.substr(0, equals)));
    if (found == labels.end()) return false;
    return equals == std::string_view::npos || found->second == label.substr(equals + 1);
}

std::uint64_t written_bytes(const Context& context, const Container& container) {
    // It has one of the two.
    return disk_usage(context.layout.container_scratch(container.id)) +
           disk_usage(own_storage(context.layout, container.id));
}

Result<Container> Engine::inspect(std::string_view container) const {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    return snapshot(*context_, *entry);
}

Result<std::vector<Container>> Engine::list(const ListFilter& filter) const {
    HAKO_CHECK(check_statuses(filter.statuses));
    Resolved resolved;
    for (const std::string& ancestor : filter.ancestors) {
        const auto image = context_->world.images->find(ancestor, {});
        // An unknown image has no containers.
        resolved.ancestor_ids.push_back(image ? image->id : ancestor);
    }
    HAKO_TRY(resolved.before, creation_of(context_->registry, filter.before));
    HAKO_TRY(resolved.since, creation_of(context_->registry, filter.since));

    std::vector<Container> found;
    for (const EntryPtr& entry : context_->registry.all())
        if (Container container = snapshot(*context_, *entry); matches(container, filter, resolved))
            found.push_back(std::move(container));
    std::ranges::sort(found, std::greater(), &Container::created);
    if (filter.limit != 0 && found.size() > filter.limit) found.resize(filter.limit);
    if (filter.with_size)
        for (Container& container : found) container.size_rw = written_bytes(*context_, container);
    return found;
}

}  // namespace hako::engine
