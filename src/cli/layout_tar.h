// An OCI layout in a folder (image-spec 1.1, image-layout.md), read as the tar that the API takes.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "base/stream.h"

namespace hako::cli {

// ErrorKind::invalid when the folder is no layout.
Result<std::unique_ptr<Reader>> open_layout(const std::filesystem::path& folder);

}  // namespace hako::cli
