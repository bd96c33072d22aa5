// A container's mounts, and who uses which volume. The caller holds Context::volume_use, so that
// nothing is removed between finding it and using it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/context.h"

namespace hako::engine {

// What the request, the image and the containers of --volumes-from name, one a target; volumes and
// folders that are missing are made. ErrorKind::invalid, not_found or conflict as Docker says it.
Result<std::vector<MountPoint>> resolve_mounts(Context& context, const HostConfig& host,
                                               const std::vector<std::string>& volumes);
// Folders of the host whose files no share shows.
std::vector<std::string> warnings_of_mounts(const std::vector<MountPoint>& mounts);
// The folder of -v, where its path has nothing.
Result<void> make_bind_source(const MountPoint& mount);
// Anonymous volumes of these mounts that no container uses (any more).
void remove_anonymous_volumes(Context& context, const std::vector<MountPoint>& mounts);

// The containers that mount it, running or not.
std::vector<Container> users_of_volume(Context& context, std::string_view volume);
// A disk has one writer: ErrorKind::conflict names the container that holds it.
Result<void> check_block_volumes(Context& context, const Container& container);
// Has its volumes mounted that are file systems; Context::volume_mounts keeps them so until it is
// released.
Result<void> use_volumes(Context& context, const Container& container);
// Where the mounts' volumes have their data on the host; folders of -v that went are made again,
// the mounts of other types stay as they are.
Result<std::vector<MountPoint>> locate_mounts(Context& context, std::vector<MountPoint> mounts);

}  // namespace hako::engine
