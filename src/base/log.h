// Log lines of our programs: "2026-11-22T09:30:00.123Z info hakod[12] text" to stderr.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace hako {

enum class LogLevel { debug, info, warn, error };

// Call once in main, before threads start. Until then lines go to stderr at level info.
void init_log(std::string_view program, LogLevel level);
void log_line(LogLevel level, std::string_view text);

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
    log_line(LogLevel::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
    log_line(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
    log_line(LogLevel::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
    log_line(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace hako
