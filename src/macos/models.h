// The Macs that a machine can pose as (data/models.csv).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::macos {

constexpr std::string_view kDefaultModel = "iMacPro1,1";

struct Model {
    std::string product;      // "iMacPro1,1"
    std::string base_serial;  // one that was built
    std::string model_code;   // the last four characters of its serials
    std::string board_code;   // characters 12 to 15 of its board's serials
    int first_year = 0;       // of its production
    int last_year = 0;
    std::vector<std::string> board_ids;

    std::string_view plant() const { return std::string_view(base_serial).substr(0, 3); }
};

const std::vector<Model>& all_models();
// ErrorKind::invalid names the closest model.
Result<Model> find_model(std::string_view product);

}  // namespace hako::macos
