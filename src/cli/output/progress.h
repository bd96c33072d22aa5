// The daemon's progress messages (JSON, one a line): bars on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "http/client.h"

namespace hako::cli {

// Turns messages into what is to be written. Pure: tests read the text.
class ProgressRenderer {
public:
    // columns 0: no terminal, only lines that stay.
    explicit ProgressRenderer(std::size_t columns) : columns_(columns) {}
    std::string render(const Json& message, std::chrono::steady_clock::time_point time =
                                                std::chrono::steady_clock::now());
    // What a pull brought, and what was there already; empty when it was no pull.
    std::string summary() const;

private:
    // A download under way: where it was when it was first seen.
    struct Transfer {
        std::chrono::steady_clock::time_point since;
        std::uint64_t first = 0;
        std::uint64_t total = 0;
    };

    std::string move_to(std::size_t line) const;
    std::string bar(const Json& message, const std::string& id,
                    std::chrono::steady_clock::time_point time);
    void count(const std::string& id, const std::string& status);

    std::size_t columns_;
    std::map<std::string, Transfer> transfers_;  // by the id of a layer
    std::set<std::string> complete_, present_;   // layers that were downloaded, that were there
    std::size_t lines_ = 0;                      // written since the first bar
    std::map<std::string, std::size_t> line_;    // of an id: a layer
};

struct ProgressView {
    int fd = -1;                              // where to write; -1: nowhere
    std::function<void(const Json&)> on_aux;  // {"aux": …}: results, such as a loaded image

    static ProgressView quiet() { return {}; }
    static ProgressView on(int fd) { return {fd, {}}; }
};

// Reads the answer to its end. An {"error"} in it is the result's error.
Result<void> show_progress(http::ClientStream& answer, const ProgressView& view);

// "[=====>    ]  1.2MB/4.3MB" for a total that is known, else the amount so far.
std::string format_bar(std::uint64_t current, std::uint64_t total, std::size_t columns);

}  // namespace hako::cli
