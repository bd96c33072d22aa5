#include "cli/completion.h"

#include <algorithm>

#include "cli/api.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

// The flag that a word names, nullptr when there is none: "--name", "-e", and "-it" by its last
// letter.
const Command::Flag* find_flag(const Command& command, std::string_view word) {
    for (const auto& flag : command.flags()) {
        if (flag.long_name == word) return &flag;
        if (!word.starts_with("--") && !flag.short_name.empty() && word.size() > 1 &&
            word.back() == flag.short_name.back())
            return &flag;
    }
    return nullptr;
}

bool takes_next_word(const Command& command, std::string_view word) {
    if (!word.starts_with('-') || word.find('=') != std::string_view::npos) return false;
    const auto* flag = find_flag(command, word);
    return flag != nullptr && !flag->value_type.empty();
}

void add_children(const Command& command, std::string_view typed, Completion& completion) {
    for (const auto& child : command.children())
        if (!child.is_hidden() && child.name().starts_with(typed))
            completion.candidates.push_back({child.name(), child.summary()});
}

void add_flags(const Command& command, std::string_view typed, Completion& completion) {
    for (const auto& flag : command.flags())
        if (flag.long_name.starts_with(typed))
            completion.candidates.push_back({flag.long_name, flag.help});
    if (std::string_view("--help").starts_with(typed))
        completion.candidates.push_back({"--help", "Print usage"});
}

std::vector<std::string> names_of(const Json& list, std::string_view field) {
    std::vector<std::string> names;
    for (const auto& object : list) {
        const auto values = json_field<std::vector<std::string>>(object, field);
        if (!values || !*values) continue;
        for (auto name : **values) {
            if (name.starts_with('/')) name.erase(0, 1);
            if (!name.starts_with('<')) names.push_back(std::move(name));
        }
    }
    return names;
}

}  // namespace

Completion complete(const Command& root, const std::vector<std::string>& words) {
    Completion completion;
    const Command* command = &root;
    std::size_t arguments = 0;
    const std::string& typed = words.back();
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const auto& word = words[i];
        if (arguments > 0 && command->stops_at_first_argument()) {
            // The container's own command line.
            completion.objects = Completes::files;
            return completion;
        }
        if (takes_next_word(*command, word)) {
            if (i + 2 < words.size()) {
                ++i;
                continue;
            }
            completion.objects = find_flag(*command, word)->completes;
            if (completion.objects == Completes::nothing) completion.objects = Completes::files;
            return completion;
        }
        if (word.starts_with('-')) continue;
        if (const auto* child = command->child(word)) {
            command = child;
        } else {
            ++arguments;
        }
    }
    if (arguments > 0 && command->stops_at_first_argument()) {
        completion.objects = Completes::files;
        return completion;
    }
    if (typed.starts_with('-')) {
        add_flags(*command, typed, completion);
        return completion;
    }
    add_children(*command, typed, completion);
    completion.objects = command->argument_completion();
    return completion;
}

std::vector<std::string> object_names(Session& session, Completes what) {
    const auto choice = session.host();
    if (!choice) return {};
    const auto api = Api::connect(choice->endpoint);
    if (!api) return {};
    const auto list = [&]() -> Result<Json> {
        switch (what) {
            case Completes::containers: return api->get("/containers/json", {{"all", "1"}});
            case Completes::running_containers: return api->get("/containers/json");
            case Completes::images: return api->get("/images/json");
            case Completes::kernels: return api->hako_get("/kernels");
            default: return Json::array();
        }
    }();
    if (!list) return {};
    if (what == Completes::images) return names_of(*list, "RepoTags");
    if (what != Completes::kernels) return names_of(*list, "Names");
    std::vector<std::string> names;
    for (const auto& kernel : *list)
        if (auto name = json_field_or(kernel, "Name", std::string()); name)
            names.push_back(*std::move(name));
    return names;
}

}  // namespace hako::cli
