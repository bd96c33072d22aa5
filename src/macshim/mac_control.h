// What is done with a machine that runs, by verbs and JSON (docs/macos.md):
//
//   screenshot {}                      PNG
//   screen     {}                      {width, height, blank, digest}
//   type       {text}, key {keys}      as a person at the keyboard: "cmd-space"
//   click      {x, y, button, count}
//   snapshot   {name, memory}          the machine stands still meanwhile, and goes on
//   snapshots, forget, resize          as macos/storage_control.h
//   status     {}                      {stage, message ..., viewer}
//
// The answer is JSON but for the screenshot; "null" for none.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "vmm/qemu/qmp.h"

namespace hako::macshim {

// folder: of the machine's disks. ErrorKind::invalid for another verb.
Result<std::string> control_running(vmm::QmpClient& qmp, const std::filesystem::path& folder,
                                    std::string_view verb, const Json& arguments);

}  // namespace hako::macshim
