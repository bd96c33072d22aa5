// hako completion, and the hidden __complete that the shells' scripts ask for each word
#include "cli/completion.h"
#include "cli/commands/commands.h"
#include "cli/session.h"

namespace hako::cli {

Command completion_command() {
    Command command("completion", "Print the completion script for a shell");
    command.arguments("bash|zsh|fish", 1, 1);
    command.action([](Session& session, const auto& arguments) -> Result<int> {
        HAKO_TRY(const auto script, completion_script(arguments.front()));
        session.io.print(script);
        return 0;
    });
    return command;
}

Command complete_command() {
    Command command("__complete", "List what may stand in place of the last word");
    command.arguments("WORD...", 1).stop_at_first_argument().hidden();
    command.action([](Session& session, const auto& words) -> Result<int> {
        const auto completion = complete(*session.root, words);
        for (const auto& candidate : completion.candidates)
            session.io.print_line(candidate.help.empty() ? candidate.text
                                                         : candidate.text + "\t" + candidate.help);
        if (completion.objects == Completes::files) session.io.print_line(":files");
        else if (completion.objects != Completes::nothing)
            for (const auto& name : object_names(session, completion.objects))
                if (name.starts_with(words.back())) session.io.print_line(name);
        return 0;
    });
    return command;
}

}  // namespace hako::cli
