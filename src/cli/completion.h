// Completion for shells, from the commands' own declarations.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command.h"

namespace hako::cli {

struct Candidate {
    std::string text;
    std::string help;
};

struct Completion {
    std::vector<Candidate> candidates;
    Completes objects = Completes::nothing;  // what else may stand there
};

// words: what was typed after "hako"; the last one, perhaps empty, is to be completed.
Completion complete(const Command& root, const std::vector<std::string>& words);

// Names that the daemon knows; none when it does not run. Never starts it.
std::vector<std::string> object_names(Session& session, Completes what);

// For "bash", "zsh" or "fish".
Result<std::string> completion_script(std::string_view shell);

}  // namespace hako::cli
