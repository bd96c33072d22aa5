#include "init/common/sysctl.h"

#include <fcntl.h>

#include <algorithm>

#include "base/fd.h"

namespace hako::init {

Result<void> set_sysctl(std::string name, const std::string& value) {
    if (name.find('/') == std::string::npos) std::ranges::replace(name, '.', '/');
    if (name.find("..") != std::string::npos)
        return fail(ErrorKind::invalid, "sysctl {} is not a name below /proc/sys", name);
    HAKO_TRY(const auto fd,
             with_context(open_file("/proc/sys/" + name, O_WRONLY),
                          fmt::format("sysctl {} cannot be set in this kernel", name)));
    return with_context(write_all(fd.get(), value), fmt::format("sysctl {}={}", name, value));
}

}  // namespace hako::init
