// The daemon's progress messages (JSON, one a line): bars on a terminal, plain lines elsewhere.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
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
    std::string render(const Json& message);

private:
    std::string move_to(std::size_t line) const;

    std::size_t columns_;
    std::size_t lines_ = 0;                    // written since the first bar
    std::map<std::string, std::size_t> line_;  // of an id: a layer
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
