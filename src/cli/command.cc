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
    : name_(std::move(name)),
      summary_(std::move(summary)),
      app_(std::make_unique<CLI::App>()),
      bad_value_(std::make_unique<std::string>()) {
    app_->set_help_flag();
    app_->allow_extras();
}
Command::Command(Command&&) noexcept = default;
Command& Command::operator=(Command&&) noexcept = default;
Command::~Command() = default;

void Command::declare(std::string_view names, std::string_view value_type, std::string_view help) {
    const auto comma = names.find(',');
    Flag flag;
    if (comma != std::string_view::npos) flag.short_name = names.substr(0, comma);
    flag.long_name = names.substr(comma == std::string_view::npos ? 0 : comma + 1);
    flag.value_type = value_type;
    flag.help = help;
    flags_.push_back(std::move(flag));
}

Command& Command::option(std::string_view names, std::string_view value_type, std::string_view help,
                         Setter setter) {
    declare(names, value_type, help);
    auto take = [setter = std::move(setter), shown = flags_.back().shown(),
                 refusal = bad_value_.get()](const CLI::results_t& values) {
        for (const auto& value : values) {
            const auto text = unmark_empty_value(value);
            if (auto set = setter(text); !set) {
                *refusal = fmt::format("invalid argument \"{}\" for \"{}\" flag: {}", text, shown,
                                       set.error().message());
                return false;
            }
        }
        return true;
    };
    // A repeated flag is the setter's to judge: the last one counts, or lists keep all.
    app_->add_option(std::string(names), std::move(take))
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->allow_extra_args(false);
    return *this;
}

Command& Command::flag(std::string_view names, bool& target, std::string_view help) {
    declare(names, "", help);
    app_->add_flag(std::string(names), target)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
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
    app_->prefix_command();
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

Result<std::vector<std::string>> Command::parse(std::vector<std::string> arguments) {
    std::ranges::transform(arguments, arguments.begin(), mark_empty_value);
    std::ranges::reverse(arguments);  // as CLI11 wants it
    try {
        bad_value_->clear();
        app_->parse(std::move(arguments));
    } catch (const CLI::ArgumentMismatch& error) {
        const std::string_view what = error.what();  // "--name: 1 required  missing"
        return fail(ErrorKind::invalid, "flag needs an argument: {}",
                    what.substr(0, what.find(':')));
    } catch (const CLI::ParseError& error) {
        if (!bad_value_->empty()) return fail(ErrorKind::invalid, "{}", *bad_value_);
        return fail(ErrorKind::invalid, "invalid argument: {}", error.what());
    }
    std::vector<std::string> rest;
    bool flags_ended = false;
    for (const auto& marked : app_->remaining()) {
        auto argument = unmark_empty_value(marked);
        if (!flags_ended && argument == "--") {
            flags_ended = true;
            continue;
        }
        if (!flags_ended && argument.size() > 1 && argument.starts_with('-'))
            return fail(ErrorKind::invalid, "{}", unknown_flag(argument));
        flags_ended = flags_ended || stop_at_first_argument_;
        rest.push_back(std::move(argument));
    }
    return rest;
}

int Command::run(Session& session, const std::vector<std::string>& arguments) {
    if (passes_arguments_on_) return run_action(session, arguments);
    // -h is a flag of its own in some commands.
    if (app_->get_option_no_throw("--help") == nullptr)
        app_->add_flag(app_->get_option_no_throw("-h") == nullptr ? "-h,--help" : "--help");
    const auto rest = parse(arguments);
    if (app_->count("--help") > 0) {
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
