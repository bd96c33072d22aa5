// Whether this build has a sanitizer, which reserves memory by the terabyte and keeps what was
// freed.
#pragma once

namespace hako {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace hako
