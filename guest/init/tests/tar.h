// Tar archives for tests.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/stream.h"

namespace hako::init {

struct TarItem {
    std::string name;
    unsigned mode;
    std::string content;  // or a link's target
    unsigned uid = 0;
};

// Modified at 1,000,000,000 s.
std::string make_tar(const std::vector<TarItem>& items);

class TextReader : public Reader {
public:
    explicit TextReader(std::string text) : text_(std::move(text)) {}
    Result<std::size_t> read(std::span<std::byte> buffer) override {
        const auto size = std::min(buffer.size(), text_.size() - used_);
        std::copy_n(as_bytes(text_).data() + used_, size, buffer.data());
        used_ += size;
        return size;
    }

private:
    std::string text_;
    std::size_t used_ = 0;
};

}  // namespace hako::init
