// One command of the CLI: its flags, arguments and action, declared once. CLI11 reads the command
// line of the one that runs; --help and the shells' completion are made from it too. Flags have the
// syntax of docker's: -it, -eA=1, --name=x, --name x, --rm=false, `--`.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace hako::cli {

class Session;

// What stands in an argument's place, for completion.
enum class Completes { nothing, containers, running_containers, images, kernels, files };

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

class Command {
public:
    using Action = std::function<Result<int>(Session&, const std::vector<std::string>& arguments)>;
    using Setter = std::function<Result<void>(const std::string& value)>;

    // What --help shows of a flag, and what completion offers.
    struct Flag {
        std::string short_name;  // "-t", or empty
        std::string long_name;   // "--tty"
        std::string value_type;  // "string", "list"; empty for switches
        std::string help;
        Completes completes = Completes::nothing;

        std::string shown() const {  // "-t, --tty"
            return short_name.empty() ? long_name : short_name + ", " + long_name;
        }
    };

    Command(std::string name, std::string summary);

    // Flags. names: "-t,--tty" or "--name". The target must live as long as the command's action
    // may run: keep it in a shared_ptr that the action captures.
    Command& flag(std::string_view names, bool& target, std::string_view help);
    Command& option(std::string_view names, std::string& target, std::string_view help);
    Command& option(std::string_view names, std::optional<std::string>& target,
                    std::string_view help);
    Command& option(std::string_view names, std::vector<std::string>& target,
                    std::string_view help);
    Command& option(std::string_view names, std::optional<std::int64_t>& target,
                    std::string_view help);
    Command& option(std::string_view names, std::string_view value_type, std::string_view help,
                    Setter setter);
    // Of the flag declared last.
    Command& completes(Completes what);

    // usage: what follows the name in the usage line.
    Command& arguments(std::string_view usage, std::size_t least, std::size_t most = kUnlimited,
                       Completes completes = Completes::nothing);
    // What follows the first argument is never a flag of ours (run, exec).
    Command& stop_at_first_argument();
    // All that follows the name is another program's, flags and --help as well (compose).
    Command& passes_arguments_on();
    Command& action(Action action);
    // The exit status of this command's errors, which it prefixes with "hako: " (run: 125).
    Command& failing_with(int status);
    Command& hidden();

    Command& add(Command child);

    const std::string& name() const { return name_; }
    const std::string& summary() const { return summary_; }
    const std::vector<Command>& children() const { return children_; }
    const std::vector<Flag>& flags() const { return flags_; }
    Completes argument_completion() const { return argument_completion_; }
    bool is_hidden() const { return hidden_; }
    bool stops_at_first_argument() const { return stop_at_first_argument_; }
    const Command* child(std::string_view name) const;
    std::string help() const;
    std::string usage_line() const;

    // Reads flags, then runs the action or the child that is named; messages go to the session's
    // streams. Returns the exit status: 125 for wrong flags, 1 for an unknown command.
    int run(Session& session, const std::vector<std::string>& arguments);

private:
    std::string path() const { return parent_path_ + name_; }
    void set_parent(const std::string& path);
    // Where a flag's value goes: a switch's, or the setter.
    using Target = std::variant<bool*, Setter>;
    struct Parsed {
        bool help = false;
        Result<std::vector<std::string>> arguments;
    };

    void declare(std::string_view names, std::string_view value_type, std::string_view help,
                 Target target);
    int refuse(Session& session, std::string_view why, int status) const;
    Parsed parse(std::vector<std::string> arguments) const;
    Result<std::vector<std::string>> arguments_of(const std::vector<std::string>& rest) const;
    int run_child(Session& session, const std::vector<std::string>& arguments);
    int run_action(Session& session, const std::vector<std::string>& arguments);

    std::string name_;
    std::string summary_;
    std::string parent_path_;  // "hako container "
    std::string usage_;
    std::size_t least_ = 0;
    std::size_t most_ = 0;
    Completes argument_completion_ = Completes::nothing;
    bool stop_at_first_argument_ = false;
    bool passes_arguments_on_ = false;
    bool hidden_ = false;
    std::optional<int> failure_status_;
    Action action_;
    std::vector<Flag> flags_;
    std::vector<Target> targets_;  // of each flag
    std::vector<Command> children_;
};

}  // namespace hako::cli
