// Internal: the words of a volume's options.
#pragma once

#include <string_view>
#include <vector>

#include "volume/volume.h"

namespace hako::volume {

// Empty where there is none.
std::string_view value_of(const StringMap& options, const char* name);
// Of "bind,ro", each.
std::vector<std::string_view> words_of(std::string_view text);
// Of `o`: what is so anyway, or not for who shares the files.
bool means_nothing(std::string_view word);
// Of `o`: what holds where a container mounts the volume ("noexec"), or the opposite ("exec").
bool is_restriction(std::string_view word);

}  // namespace hako::volume
