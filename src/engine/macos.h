// Containers that are macOS machines: their variables, and what their shim is told. A container is
// one by its image's name (images/machine_image.h).
#pragma once

#include <string>
#include <vector>

#include "base/paths.h"
#include "base/result.h"
#include "engine/types.h"
#include "images/image.h"
#include "runtime/sandbox_spec.h"
#include "vmm/probe.h"

namespace hako::engine {

bool is_macos(const Container& container);

// Of a new container: what of its image counts. Whoever made that has no say in the machine.
images::Image macos_image(images::Image image);
// Checks its variables (ErrorKind::invalid names the wrong one) and completes its settings.
// Returns warnings.
Result<std::vector<std::string>> complete_macos(Container& container);
// Its mounts are located. ErrorKind::unavailable when it asks for KVM and the host has none.
Result<runtime::SandboxSpec> make_macos_sandbox(const Container& container,
                                                const vmm::ProbeResult& probe,
                                                const Layout& layout);

// A verb of a machine that does not run, with its mounts located (macos/storage_control.h); the
// answer is JSON.
Result<std::string> control_stopped_macos(const Container& container, const Layout& layout,
                                          std::string_view verb, std::string_view arguments);

}  // namespace hako::engine
