// One template: the saved state of a VM whose vminitd waits, with a header that says what it fits
// (docs/formats/template.md). It holds a guest's memory, so it is readable for root only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/fd.h"
#include "base/json.h"
#include "base/result.h"
#include "base/units.h"
#include "vmm/memory_path.h"

namespace hako::vmm {

constexpr int kTemplateFormat = 2;

struct TemplateHeader {
    std::string key;  // of vmm/template_key.h
    Json shape;       // what the key is the digest of
    std::uint64_t memory_bytes = 0;
    std::uint64_t state_bytes = 0;  // of the devices, behind the memory
    std::string sha256;             // of both (vmm/template_writer.h)
    WallTime created{};
};

// Looks at header and length only. ErrorKind::corrupt: it is cut off, of another version of the
// format, or no template.
Result<TemplateHeader> read_template(const std::filesystem::path& path);
// For reading, at the beginning of the devices' state; after read_template()'s checks.
struct TemplateState {
    Fd file;
    std::uint64_t memory_bytes = 0;
};
Result<TemplateState> open_template_state(const std::filesystem::path& path);

}  // namespace hako::vmm
