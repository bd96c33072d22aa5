// Changes to an image's configuration as Dockerfile instructions write them ("ENV A=1",
// "CMD [\"sh\"]"): those of `import --change`.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hako::oci {

// Changes the "config" object of an image's configuration. Known: CMD ENTRYPOINT ENV EXPOSE
// HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR. ErrorKind::invalid names the
// instruction.
Result<void> apply_change(Json& config, std::string_view instruction);

}  // namespace hako::oci
