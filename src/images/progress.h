// Progress from several threads at once, thinned out.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/stream.h"
#include "images/image.h"

namespace hako::images {

// Thread-safe: calls the sink with a mutex held.
class Reporter {
public:
    explicit Reporter(const ProgressSink& sink) : sink_(sink) {}

    void report(std::string_view id, std::string_view status, std::uint64_t current = 0,
                std::uint64_t total = 0) {
        if (!sink_) return;
        const std::scoped_lock lock(mutex_);
        sink_({.id = std::string(id),
               .status = std::string(status),
               .current = current,
               .total = total});
    }

    void report_result(Json result) {
        if (!sink_) return;
        const std::scoped_lock lock(mutex_);
        sink_({.id = {}, .status = {}, .result = std::move(result)});
    }

private:
    const ProgressSink& sink_;
    std::mutex mutex_;
};

// How far one thing is: at most ten reports a second, and the last. Used by one thread.
class Meter {
public:
    Meter(Reporter& reporter, std::string id, std::string status, std::uint64_t total)
        : reporter_(reporter), id_(std::move(id)), status_(std::move(status)), total_(total) {}

    void at(std::uint64_t current) {
        const auto time = std::chrono::steady_clock::now();
        if (current == last_ || (current < total_ && time < next_)) return;
        last_ = current;
        next_ = time + std::chrono::milliseconds(100);
        reporter_.report(id_, status_, current, total_);
    }

private:
    Reporter& reporter_;
    std::string id_;
    std::string status_;
    std::uint64_t total_;
    std::uint64_t last_ = 0;
    std::chrono::steady_clock::time_point next_;
};

// A reader that tells a meter how much was read from it.
class MeteredReader : public Reader {
public:
    MeteredReader(Reader& source, Meter& meter) : source_(source), meter_(meter) {}
    Result<std::size_t> read(std::span<std::byte> buffer) override {
        HAKO_TRY(const auto count, source_.read(buffer));
        total_ += count;
        meter_.at(total_);
        return count;
    }

private:
    Reader& source_;
    Meter& meter_;
    std::uint64_t total_ = 0;
};

}  // namespace hako::images
