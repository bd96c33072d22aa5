// A tar as an answer that can still become an error.
#pragma once

#include "base/stream.h"
#include "http/message.h"

namespace hako::dockerapi {

// Begins the answer with its first bytes: an error before them still has a status.
class LazyBody : public Writer {
public:
    explicit LazyBody(http::Response& response) : response_(response) {}
    Result<void> write(std::span<const std::byte> data) override {
        if (stream_ == nullptr) {
            HAKO_TRY(stream_, response_.stream(200, "application/x-tar"));
        }
        return stream_->write(data);
    }

private:
    http::Response& response_;
    http::ResponseStream* stream_ = nullptr;
};

}  // namespace hako::dockerapi
