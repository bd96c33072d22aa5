// Files in and out of containers, by vmexec: within the container's root where the path comes from
// a user.
#pragma once

#include "init/vminitd/guest.h"
#include "proto/agent.grpc.pb.h"

namespace hako::init {

Result<void> copy_in(Guest& guest, grpc::ServerReader<agent::v1::CopyInRequest>& reader);
Result<void> copy_changes(Guest& guest, const agent::v1::ChangesRequest& request,
                          grpc::ServerWriter<agent::v1::DataChunk>& writer);
Result<void> copy_out(Guest& guest, const agent::v1::CopyOutRequest& request,
                      grpc::ServerWriter<agent::v1::DataChunk>& writer);

}  // namespace hako::init
