// Who a process runs as: Docker's "user[:group]" looked up in the container's own files.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::init {

struct User {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;  // supplementary ones, gid first
    std::string home = "/";
};

// The texts of /etc/passwd and /etc/group; empty when the container has none.
struct Accounts {
    std::string passwd;
    std::string group;
};

// Of the root that the process is in.
Result<Accounts> read_accounts();

// name is "", "user", "user:group"; each a name or a number. A number needs no entry. The empty
// name is the user whose id is `fallback`. Errors are worded as Docker words them.
Result<User> find_user(std::string_view name, uid_t fallback, const Accounts& accounts);

// process.user: username if set, else uid and gid; additionalGids are added, and
// additionalGroups: names, looked up in the container's own file.
Result<User> user_of_process(const Json& process, const Accounts& accounts);

}  // namespace hako::init
