// Volumes in memory, for the tests of the routes.
#pragma once

#include <map>
#include <string>

#include "base/guarded.h"
#include "dockerapi/volume_service.h"

namespace hako::dockerapi::fakes {

class Volumes : public VolumeService {
public:
    Result<engine::VolumeDetails> create(volume::Volume wanted) override {
        HAKO_CHECK(volume::validate(wanted));
        engine::VolumeDetails details{.volume = wanted, .mountpoint = "/volumes/" + wanted.name};
        return kept_.lock()->emplace(wanted.name, details).first->second;
    }
    Result<engine::VolumeDetails> inspect(std::string_view name) override {
        auto kept = kept_.lock();
        const auto found = kept->find(std::string(name));
        if (found == kept->end()) return fail(ErrorKind::not_found, "get {}: no such volume", name);
        return found->second;
    }
    Result<std::vector<engine::VolumeDetails>> list(bool with_usage) override {
        std::vector<engine::VolumeDetails> all;
        for (auto [name, details] : *kept_.lock()) {
            if (with_usage) details.used_bytes = 4096;
            all.push_back(details);
        }
        return all;
    }
    Result<void> remove(std::string_view name, bool force) override {
        HAKO_TRY(const auto details, inspect(name));
        if (details.users != 0 && !force)
            return fail(ErrorKind::conflict, "remove {}: volume is in use - [web]", name);
        kept_.lock()->erase(std::string(name));
        return {};
    }
    Result<engine::Pruned> prune(const engine::VolumePruneFilter& filter) override {
        engine::Pruned pruned{.reclaimed = 4096};
        auto kept = kept_.lock();
        for (const auto& [name, details] : *kept)
            if (filter.all || details.volume.anonymous) pruned.ids.push_back(name);
        for (const auto& name : pruned.ids) kept->erase(name);
        return pruned;
    }
    void use(const std::string& name) { kept_.lock()->at(name).users = 1; }

private:
    Guarded<std::map<std::string, engine::VolumeDetails>> kept_;
};

}  // namespace hako::dockerapi::fakes
