#include "macos/models.h"

#include <algorithm>

#include "base/text.h"
#include "macos/table.h"

namespace hako::macos {
namespace {

constexpr std::string_view kTable =
#include "models.inc"
    ;

std::vector<std::string> split_words(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        words.emplace_back(word);
        text.remove_prefix(std::min(word.size() + 1, text.size()));
    }
    return words;
}

std::vector<Model> read_models() {
    std::vector<Model> models;
    for (auto& row : parse_table(kTable))
        models.push_back({.product = row.at(0),
                          .base_serial = row.at(1),
                          .model_code = row.at(2),
                          .board_code = row.at(3),
                          .first_year = std::stoi(row.at(4)),
                          .last_year = std::stoi(row.at(5)),
                          .board_ids = split_words(row.at(6))});
    return models;
}

std::string_view family(std::string_view product) {
    return product.substr(0, product.find_first_of("0123456789"));
}

}  // namespace

const std::vector<Model>& all_models() {
    static const std::vector<Model> models = read_models();
    return models;
}

Result<Model> find_model(std::string_view product) {
    const auto wanted = to_lower(product);
    std::string alike;
    for (const auto& model : all_models()) {
        if (to_lower(model.product) == wanted) return model;
        if (to_lower(family(model.product)) == family(wanted)) alike += " " + model.product;
    }
    if (!alike.empty())
        return fail(ErrorKind::invalid, "there is no model {}: the models of this kind are{}",
                    product, alike);
    return fail(ErrorKind::invalid, "there is no model {}: `hako macos models` lists all", product);
}

}  // namespace hako::macos
