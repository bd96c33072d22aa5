// Firewalls beside ours: a packet that we accept is still dropped when iptables' FORWARD chain
// drops it, as on every host where Docker runs. So what concerns our bridges is accepted there, and
// our own table decides.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/process.h"

namespace hako::network {

// What brings iptables to accept these bridges and no others of the instance, given what
// `iptables -S` prints. Empty where nothing drops.
std::vector<Command> iptables_changes(const std::string& program, const std::string& rules,
                                      const std::string& instance,
                                      const std::set<std::string>& bridges);

// Does so for iptables and ip6tables, where they are installed. What fails is logged: our own rules
// are in place all the same.
void pass_iptables(const std::string& instance, const std::set<std::string>& bridges);

}  // namespace hako::network
