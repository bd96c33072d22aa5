#include "macos/plist.h"

#include <fmt/format.h>

#include "base/base64.h"

namespace hako::macos {
namespace {

std::string escape(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '&') result += "&amp;";
        else if (c == '<') result += "&lt;";
        else if (c == '>') result += "&gt;";
        else result += c;
    }
    return result;
}

}  // namespace

void Plist::write(std::string& text, std::size_t depth) const {
    const std::string indent(depth, '\t');
    const auto line = [&](std::string_view words) { text += fmt::format("{}{}\n", indent, words); };
    if (const auto* flag = std::get_if<bool>(&value_)) line(*flag ? "<true/>" : "<false/>");
    if (const auto* number = std::get_if<std::int64_t>(&value_))
        line(fmt::format("<integer>{}</integer>", *number));
    if (const auto* words = std::get_if<std::string>(&value_))
        line(fmt::format("<string>{}</string>", escape(*words)));
    if (const auto* data = std::get_if<Data>(&value_))
        line(fmt::format("<data>{}</data>", encode_base64(data->bytes)));
    if (const auto* array = std::get_if<Array>(&value_)) {
        if (array->empty()) return line("<array/>");
        line("<array>");
        for (const auto& item : *array) item.write(text, depth + 1);
        line("</array>");
    }
    if (const auto* dict = std::get_if<Dict>(&value_)) {
        if (dict->empty()) return line("<dict/>");
        line("<dict>");
        for (const auto& [key, item] : *dict) {
            text += fmt::format("{}\t<key>{}</key>\n", indent, escape(key));
            item.write(text, depth + 1);
        }
        line("</dict>");
    }
}

std::string Plist::to_xml() const {
    std::string text =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
        "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n";
    write(text, 0);
    return text + "</plist>\n";
}

}  // namespace hako::macos
