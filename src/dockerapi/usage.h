// Who uses images, and how much they share.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "dockerapi/services.h"
#include "images/image.h"

namespace hako::dockerapi {

// The containers as GET /containers/json shows them; with their sizes where the filter asks.
Result<Json> container_list(const Services& services, const engine::ListFilter& filter);

// SizeRw and SizeRootFs of a container whose size the engine told.
void add_sizes(Json& json, const Services& services, const engine::Container& container);

// How many containers each image has, by its id; images without one are left out.
Result<std::map<std::string, int>> container_counts(const ContainerService& containers);

// Bytes of each image, by its id, that lie in layers which another image has, too.
std::map<std::string, std::uint64_t> shared_sizes(const std::vector<images::Image>& images);

}  // namespace hako::dockerapi
