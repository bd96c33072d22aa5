// Property lists as Apple's XML, written in the order in which they are made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hako::macos {

class Plist {
public:
    struct Data {
        std::string bytes;
    };
    using Array = std::vector<Plist>;
    using Dict = std::vector<std::pair<std::string, Plist>>;

    Plist(bool value) : value_(value) {}                      // NOLINT(google-explicit-constructor)
    Plist(int value) : value_(std::int64_t{value}) {}         // NOLINT(google-explicit-constructor)
    Plist(std::int64_t value) : value_(value) {}              // NOLINT(google-explicit-constructor)
    Plist(const char* value) : value_(std::string(value)) {}  // NOLINT(google-explicit-constructor)
    Plist(std::string value) : value_(std::move(value)) {}    // NOLINT(google-explicit-constructor)
    Plist(Data value) : value_(std::move(value)) {}           // NOLINT(google-explicit-constructor)
    Plist(Array value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
    Plist(Dict value) : value_(std::move(value)) {}           // NOLINT(google-explicit-constructor)

    // A whole document.
    std::string to_xml() const;

private:
    void write(std::string& text, std::size_t depth) const;

    std::variant<bool, std::int64_t, std::string, Data, Array, Dict> value_;
};

}  // namespace hako::macos
