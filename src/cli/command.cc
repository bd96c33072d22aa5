#include "cli/command.h"

#include <algorithm>
#include <charconv>

#include <CLI/CLI.hpp>

#include "cli/session.h"
#include "cli/suggest.h"

namespace hako::cli {
namespace {

constexpr int kBadFlags = 125;
constexpr int kBadCommand = 1;

// CLI11 takes the next argument for the value of "--name="; the mark keeps the empty value.
constexpr std::string_view kEmptyValue{"\0", 1};

std::string mark_empty_value(std::string argument) {
    if (argument.starts_with("--") && argument.size() > 3 && argument.ends_with('='))
        argument += kEmptyValue;
    return argument;
}

std::string unmark_empty_value(std::string argument) {
    if (argument.ends_with(kEmptyValue)) argument.pop_back();
    return argument;
}

// pflag's words for a flag that we do not have.
std::string unknown_flag(const std::string& argument) {
    if (argument.starts_with("--"))
        return fmt::format("unknown flag: {}", argument.substr(0, argument.find('=')));
    return fmt::format("unknown shorthand flag: '{}' in {}", argument[1], argument);
}

}  // namespace

Command::Command(std::string name, std::string summary)
    : name_(std::move(name)), summary_(std::move(summary)) {}

void Command::declare(std::string_view names, std::string_view value_type, std::string_view help,
                      Target target) {
    const auto comma = names.find(',');
    Flag flag;
    if (comma != std::string_view::npos) flag.short_name = names.substr(0, comma);
    flag.long_name = names.substr(comma == std::string_view::npos ? 0 : comma + 1);
    flag.value_type = value_type;
    flag.help = help;
    flags_.push_back(std::move(flag));
    targets_.push_back(std::move(target));
}

Command& Command::option(std::string_view names, std::string_view value_type, std::string_view help,
                         Setter setter) {
    declare(names, value_type, help, std::move(setter));
    return *this;
}

Command& Command::flag(std::string_view names, bool& target, std::string_view help) {
    declare(names, "", help, &target);
    return *this;
}

Command& Command::option(std::string_view names, std::string& target, std::string_view help) {
    return option(names, "string", help, [&target](const std::string& value) -> Result<void> {
        target = value;
        return {};
    });
}

Command& Command::option(std::string_view names, std::optional<std::string>& target,
                         std::string_view help) {
    return option(names, "string", help, [&target](const std::string& value) -> Result<void> {
        target = value;
        return {};
    });
}

Command& Command::option(std::string_view names, std::vector<std::string>& target,
                         std::string_view help) {
    return option(names, "list", help, [&target](const std::string& value) -> Result<void> {
        target.push_back(value);
        return {};
    });
}

Command& Command::option(std::string_view names, std::optional<std::int64_t>& target,
                         std::string_view help) {
    return option(names, "int", help, [&target](const std::string& value) -> Result<void> {
        std::int64_t number = 0;
        const char* end = value.data() + value.size();
        const auto [at, error] = std::from_chars(value.data(), end, number);
        if (error != std::errc() || at != end)
            return fail(ErrorKind::invalid, "it is not a whole number");
        target = number;
        return {};
    });
}

Command& Command::completes(Completes what) {
    flags_.back().completes = what;
    return *this;
}

Command& Command::arguments(std::string_view usage, std::size_t least, std::size_t most,
                            Completes completes) {
    usage_ = usage;
    least_ = least;
    most_ = most;
    argument_completion_ = completes;
    return *this;
}

Command& Command::stop_at_first_argument() {
    stop_at_first_argument_ = true;
    return *this;
}

Command& Command::passes_arguments_on() {
    passes_arguments_on_ = true;
    return stop_at_first_argument();
}

Command& Command::action(Action action) {
    action_ = std::move(action);
    return *this;
}

Command& Command::failing_with(int status) {
    failure_status_ = status;
    return *this;
}

Command& Command::hidden() {
    hidden_ = true;
    return *this;
}

Command& Command::add(Command child) {
    children_.push_back(std::move(child));
    children_.back().set_parent(path() + " ");
    // A group's own flags end where its command's name stands.
    return stop_at_first_argument();
}

void Command::set_parent(const std::string& path) {
    parent_path_ = path;
    for (auto& child : children_) child.set_parent(this->path() + " ");
}

const Command* Command::child(std::string_view name) const {
    const auto found = std::ranges::find(children_, name, &Command::name);
    return found == children_.end() ? nullptr : &*found;
}

int Command::refuse(Session& session, std::string_view why, int status) const {
    session.io.complain(
        fmt::format("{}\n\n{}\n\nRun '{} --help' for more information", why, usage_line(), path()));
    return status;
}

// CLI11 is told of the command that runs only: to tell it of all takes longer than the rest of a
// short command.
Command::Parsed Command::parse(std::vector<std::string> arguments) const {
    CLI::App app;
    app.set_help_flag();
    app.allow_extras();
    if (stop_at_first_argument_) app.prefix_command();
    std::string refusal;  // why a setter refused its value
    for (std::size_t i = 0; i < flags_.size(); ++i) {
        const Flag& flag = flags_[i];
        const std::string names =
            flag.short_name.empty() ? flag.long_name : flag.short_name + "," + flag.long_name;
        if (bool* const* target = std::get_if<bool*>(&targets_[i])) {
            app.add_flag(names, **target)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
            continue;
        }
        auto take = [&flag, &refusal,
                     &setter = std::get<Setter>(targets_[i])](const CLI::results_t& values) {
            for (const auto& value : values) {
                const auto text = unmark_empty_value(value);
                if (auto set = setter(text); !set) {
                    refusal = fmt::format("invalid argument \"{}\" for \"{}\" flag: {}", text,
                                          flag.shown(), set.error().message());
                    return false;
                }
            }
            return true;
        };
        // A repeated flag is the setter's to judge: the last one counts, or lists keep all.
        app.add_option(names, std::move(take))
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
            ->allow_extra_args(false);
    }
    // -h is a flag of its own in some commands.
    const bool has_h = app.get_option_no_throw("-h") != nullptr;
    app.add_flag(has_h ? "--help" : "-h,--help");

    std::ranges::transform(arguments, arguments.begin(), mark_empty_value);
    std::ranges::reverse(arguments);  // as CLI11 wants it
    const auto result = [&]() -> Result<std::vector<std::string>> {
        try {
            app.parse(std::move(arguments));
        } catch (const CLI::ArgumentMismatch& error) {
            const std::string_view what = error.what();  // "--name: 1 required  missing"
            return fail(ErrorKind::invalid, "flag needs an argument: {}",
                        what.substr(0, what.find(':')));
        } catch (const CLI::ParseError& error) {
            if (!refusal.empty()) return fail(ErrorKind::invalid, "{}", refusal);
            return fail(ErrorKind::invalid, "invalid argument: {}", error.what());
        }
        return arguments_of(app.remaining());
    };
    auto found = result();
    return {.help = app.count("--help") > 0, .arguments = std::move(found)};
}

// rest: what CLI11 took for no flag.
Result<std::vector<std::string>> Command::arguments_of(const std::vector<std::string>& rest) const {
    std::vector<std::string> arguments;
    bool flags_ended = false;
    for (const auto& marked : rest) {
        auto argument = unmark_empty_value(marked);
        if (!flags_ended && argument == "--") {
            flags_ended = true;
            continue;
        }
        if (!flags_ended && argument.size() > 1 && argument.starts_with('-'))
            return fail(ErrorKind::invalid, "{}", unknown_flag(argument));
        flags_ended = flags_ended || stop_at_first_argument_;
        arguments.push_back(std::move(argument));
    }
    return arguments;
}

int Command::run(Session& session, const std::vector<std::string>& arguments) {
    if (passes_arguments_on_) return run_action(session, arguments);
    const auto [wants_help, rest] = parse(arguments);
    if (wants_help) {
        session.io.print(help());
        return 0;
    }
    if (!rest) return refuse(session, rest.error().message(), kBadFlags);
    if (!children_.empty() && !rest->empty()) return run_child(session, *rest);
    if (!action_) {
        session.io.print(help());
        return 0;
    }
    if (rest->size() < least_ || rest->size() > most_) {
        const auto count = rest->size() < least_ ? least_ : most_;
        const auto how = least_ == most_         ? "requires"
                         : rest->size() < least_ ? "requires at least"
                                                 : "accepts at most";
        const auto why = count == 0 ? fmt::format("hako: '{}' accepts no arguments", path())
                                    : fmt::format("hako: '{}' {} {} argument{}", path(), how, count,
                                                  count == 1 ? "" : "s");
        return refuse(session, why, kBadCommand);
    }
    return run_action(session, *rest);
}

int Command::run_child(Session& session, const std::vector<std::string>& arguments) {
    const auto found = std::ranges::find(children_, arguments.front(), &Command::name);
    if (found != children_.end())
        return found->run(session, {arguments.begin() + 1, arguments.end()});
    std::vector<std::string> names;
    for (const auto& child : children_)
        if (!child.hidden_) names.push_back(child.name_);
    auto why = fmt::format("hako: unknown command: {} {}", path(), arguments.front());
    if (const auto near = nearest(arguments.front(), names))
        why += fmt::format("\n\nDid you mean '{} {}'?", path(), *near);
    session.io.complain(fmt::format("{}\n\nRun '{} --help' for more information", why, path()));
    return kBadCommand;
}

int Command::run_action(Session& session, const std::vector<std::string>& arguments) {
    auto status = action_(session, arguments);
    if (status) return *status;
    const auto& error = status.error();
    if (!failure_status_) {
        session.io.complain(error.message());
        return 1;
    }
    session.io.complain(
        fmt::format("hako: {}\n\nRun '{} --help' for more information", error.message(), path()));
    if (error.kind() == ErrorKind::exec_not_found) return 127;
    if (error.kind() == ErrorKind::exec_failed) return 126;
    return *failure_status_;
}

}  // namespace hako::cli
