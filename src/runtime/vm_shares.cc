#include "runtime/vm_shares.h"

namespace hako::runtime {

void VmShares::restart(const std::vector<vmm::Share>& own) {
    auto entries = entries_.lock();
    entries->clear();
    for (const auto& share : own) (*entries)[share.name] = {share.read_only, 1};
}

Result<void> VmShares::take(const std::vector<vmm::Share>& shares, const Add& add) {
    auto entries = entries_.lock();
    std::vector<vmm::Share> missing;
    for (const auto& share : shares) {
        const auto known = entries->find(share.name);
        if (known == entries->end() || (known->second.read_only && !share.read_only))
            missing.push_back(share);
    }
    if (!missing.empty()) HAKO_CHECK(add(missing));
    for (const auto& share : missing) (*entries)[share.name].read_only = share.read_only;
    for (const auto& share : shares) ++(*entries)[share.name].users;
    return {};
}

Result<void> VmShares::drop(const std::vector<vmm::Share>& shares, const Remove& remove) {
    auto entries = entries_.lock();
    std::vector<std::string> unused;
    for (const auto& share : shares)
        if (--(*entries)[share.name].users == 0) {
            unused.push_back(share.name);
            entries->erase(share.name);
        }
    return unused.empty() ? Result<void>() : remove(unused);
}

}  // namespace hako::runtime
