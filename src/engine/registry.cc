#include "engine/registry.h"

namespace hako::engine {

Result<EntryPtr> Registry::find(std::string_view reference) const {
    const std::string_view shown = reference.substr(0, 256);
    if (reference.starts_with('/')) reference.remove_prefix(1);
    if (reference.empty()) return fail(ErrorKind::invalid, "the name of the container is missing");
    auto maps = maps_.lock();
    if (const auto exact = maps->entries.find(reference); exact != maps->entries.end())
        return exact->second;
    if (const auto name = maps->names.find(reference); name != maps->names.end())
        // A name is reserved a moment before its container exists.
        if (const auto entry = maps->entries.find(name->second); entry != maps->entries.end())
            return entry->second;
    const auto first = maps->entries.lower_bound(reference);
    if (first == maps->entries.end() || !first->first.starts_with(reference))
        return fail(ErrorKind::not_found, "No such container: {}", shown);
    if (const auto second = std::next(first);
        second != maps->entries.end() && second->first.starts_with(reference))
        return fail(ErrorKind::invalid, "multiple IDs found with provided prefix: {}", shown);
    return first->second;
}

std::vector<EntryPtr> Registry::all() const {
    std::vector<EntryPtr> entries;
    auto maps = maps_.lock();
    entries.reserve(maps->entries.size());
    for (const auto& [id, entry] : maps->entries) entries.push_back(entry);
    return entries;
}

Result<void> Registry::reserve_name(std::string_view name, std::string_view id) {
    auto maps = maps_.lock();
    const auto [place, is_new] = maps->names.try_emplace(std::string(name), id);
    if (is_new) return {};
    return fail(ErrorKind::conflict,
                "Conflict. The container name \"/{}\" is already in use by container \"{}\". You "
                "have to remove (or rename) that container to be able to reuse that name.",
                name, place->second);
}

void Registry::release_name(std::string_view name) {
    auto maps = maps_.lock();
    if (const auto found = maps->names.find(name); found != maps->names.end())
        maps->names.erase(found);
}

void Registry::insert(EntryPtr entry) {
    auto maps = maps_.lock();
    maps->entries.emplace(entry->id, std::move(entry));
}

void Registry::erase(const std::string& id) {
    auto maps = maps_.lock();
    maps->entries.erase(id);
    std::erase_if(maps->names, [&](const auto& item) { return item.second == id; });
    std::erase_if(maps->execs, [&](const auto& item) {
        const EntryPtr entry = item.second.lock();
        return !entry || entry->id == id;
    });
}

void Registry::insert_exec(const std::string& exec, const EntryPtr& entry) {
    maps_.lock()->execs.emplace(exec, entry);
}

void Registry::erase_exec(const std::string& exec) { maps_.lock()->execs.erase(exec); }

Result<EntryPtr> Registry::find_exec(std::string_view exec) const {
    auto maps = maps_.lock();
    if (const auto found = maps->execs.find(exec); found != maps->execs.end())
        if (EntryPtr entry = found->second.lock()) return entry;
    return fail(ErrorKind::not_found, "No such exec instance: {}", exec.substr(0, 256));
}

}  // namespace hako::engine
