// Containers as the API shows them.
#pragma once

#include "base/json.h"
#include "base/units.h"
#include "dockerapi/version.h"
#include "engine/types.h"

namespace hako::dockerapi {

// GET /containers/{id}/json.
Json container_details(const engine::Container& container, ApiVersion version);
// An entry of GET /containers/json. The moment is what "Up 5 minutes" counts to.
Json container_summary(const engine::Container& container, WallTime moment);
// "Up 5 minutes (healthy)", "Exited (0) 3 hours ago", "Created".
std::string status_text(const engine::Container& container, WallTime moment);

// HostConfig as inspect shows it: what the client sent over everything else's default.
Json host_config_details(const engine::Container& container);
std::string network_mode(const engine::Container& container);
// What the client sent; it was checked when it came.
Json as_sent(const std::string& text);

// The part of Config that an image has, too (image-spec, config.md): what a commit keeps.
Json image_config(const engine::Container& container);
bool is_image_config(std::string_view name);

// GET /exec/{id}/json.
Json exec_details(const engine::Exec& exec);

}  // namespace hako::dockerapi
