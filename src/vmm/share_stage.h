// What a share server's starter tells its child.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "vmm/share.h"

namespace hako::vmm {

constexpr int kStageReasonsFd = 3;   // why it failed, as a text; closed when it has not
constexpr int kStageListenerFd = 4;  // the listening vhost-user socket of one that is started

// The start of a virtiofsd, or a change of what one serves.
struct StageSpec {
    std::filesystem::path program = {};  // virtiofsd
    std::vector<Share> shares = {};      // added ones, or those that become writable
    std::vector<std::filesystem::path> cgroup_procs = {};
    pid_t parent = 0;                       // with which it dies
    pid_t server = 0;                       // the one that is changed
    std::vector<std::string> removed = {};  // shares' names
};

Json to_json(const StageSpec& spec);
Result<StageSpec> stage_spec_from_json(const Json& json);
// All that comes through a pipe.
Result<std::string> read_to_end(int fd);

}  // namespace hako::vmm
