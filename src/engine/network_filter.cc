#include "engine/network_filter.h"

#include <algorithm>

namespace hako::engine {
namespace {

bool has_label(const Network& network, const std::string& label) {
    const auto equals = label.find('=');
    const auto found = network.labels.find(label.substr(0, equals));
    if (found == network.labels.end()) return false;
    return equals == std::string::npos || found->second == label.substr(equals + 1);
}

template <typename Predicate>
bool any_or_empty(const std::vector<std::string>& wanted, Predicate predicate) {
    return wanted.empty() || std::ranges::any_of(wanted, predicate);
}

// A part of the name, with or without anchors, as clients write them.
bool name_matches(const std::string& name, std::string_view pattern) {
    const bool from_start = pattern.starts_with('^');
    if (from_start) pattern.remove_prefix(1);
    const bool to_end = pattern.ends_with('$');
    if (to_end) pattern.remove_suffix(1);
    if (from_start && to_end) return name == pattern;
    if (from_start) return name.starts_with(pattern);
    if (to_end) return name.ends_with(pattern);
    return name.find(pattern) != std::string::npos;
}

}  // namespace

bool matches(const Network& network, bool predefined, bool in_use, const NetworkFilter& filter) {
    const auto has = [&](const std::string& label) { return has_label(network, label); };
    if (filter.dangling && *filter.dangling != (!predefined && !in_use)) return false;
    if (filter.until != WallTime{} && network.created >= filter.until) return false;
    return any_or_empty(filter.ids, [&](const auto& id) { return network.id.starts_with(id); }) &&
           any_or_empty(filter.names,
                        [&](const auto& name) { return name_matches(network.name, name); }) &&
           any_or_empty(filter.drivers, [&](const auto& text) { return text == network.driver; }) &&
           any_or_empty(filter.types,
                        [&](const auto& text) { return (text == "builtin") == predefined; }) &&
           any_or_empty(filter.scopes, [](const auto& text) { return text == "local"; }) &&
           std::ranges::all_of(filter.labels, has) &&
           std::ranges::none_of(filter.without_labels, has);
}

}  // namespace hako::engine
