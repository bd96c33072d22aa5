// hako commit
#include "cli/commands/commands.h"
#include "cli/pull.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct CommitOptions {
    std::string author, message;
    std::vector<std::string> changes;
    bool pause = true;
};

}  // namespace

Command commit_command() {
    auto options = std::make_shared<CommitOptions>();
    Command command("commit", "Make an image of a container's changes");
    command.option("-a,--author", options->author, "Author (\"John Doe <john@example.org>\")");
    command.option("-m,--message", options->message, "Commit message");
    command.option("-c,--change", options->changes, "Apply a Dockerfile instruction to the image");
    command.flag("-p,--pause", options->pause, "Freeze the container meanwhile (default true)");
    command.arguments("CONTAINER [NAME[:TAG]]", 1, 2, Completes::containers);
    command.action([options](Session& session, const auto& names) -> Result<int> {
        http::Query query{{"container", names.front()},
                          {"author", options->author},
                          {"comment", options->message},
                          {"pause", options->pause ? "1" : "0"}};
        if (names.size() > 1) {
            const auto [name, tag] = split_image_name(names[1]);
            query.add("repo", name);
            query.add("tag", tag);
        }
        for (const auto& change : options->changes) query.add("changes", change);
        HAKO_TRY(const auto* api, session.api());
        HAKO_TRY(const auto made, api->post("/commit", query));
        session.io.print_line(made.value("Id", ""));
        return 0;
    });
    return command;
}

}  // namespace hako::cli
