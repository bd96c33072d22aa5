#include "network/iptables.h"

#include <algorithm>
#include <sstream>

#include "base/log.h"

namespace hako::network {

namespace {

constexpr std::chrono::seconds kDeadline{20};

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream stream(line);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

std::vector<std::string> rule_for(const std::string& chain, const char* side,
                                  const std::string& bridge, const std::string& tag) {
    return {chain, side, bridge, "-m", "comment", "--comment", tag, "-j", "ACCEPT"};
}

}  // namespace

std::vector<Command> iptables_changes(const std::string& program, const std::string& rules,
                                      const std::string& instance,
                                      const std::set<std::string>& bridges) {
    const std::string tag = "hako_" + instance;
    bool drops = false;
    std::string chain = "FORWARD";
    std::vector<std::vector<std::string>> ours;
    std::istringstream lines(rules);
    for (std::string line; std::getline(lines, line);) {
        std::vector<std::string> words = words_of(line);
        if (line == "-P FORWARD DROP") drops = true;
        // Docker asks that rules of others go here, and drops by rules as well as by its policy.
        if (line == "-N DOCKER-USER") {
            drops = true;
            chain = "DOCKER-USER";
        }
        if (words.size() > 1 && words[0] == "-A" && std::ranges::find(words, tag) != words.end())
            ours.emplace_back(words.begin() + 1, words.end());
    }
    std::vector<std::vector<std::string>> wanted;
    if (drops)
        for (const std::string& bridge : bridges)
            for (const char* side : {"-i", "-o"})
                wanted.push_back(rule_for(chain, side, bridge, tag));

    std::vector<Command> commands;
    const auto command = [&](const char* verb, const std::vector<std::string>& rule) {
        std::vector<std::string> argv{program, "-w", "5", verb};
        argv.insert(argv.end(), rule.begin(), rule.end());
        commands.push_back({std::move(argv)});
    };
    for (const auto& rule : ours) {
        if (const auto kept = std::ranges::find(wanted, rule); kept != wanted.end())
            wanted.erase(kept);
        else command("-D", rule);
    }
    for (const auto& rule : wanted) command("-I", rule);
    return commands;
}

void pass_iptables(const std::string& instance, const std::set<std::string>& bridges) {
    for (const char* program : {"iptables", "ip6tables"}) {
        const auto rules = run({{program, "-w", "5", "-S"}}, kDeadline);
        if (!rules || !rules->status.success()) continue;  // not installed, or not in this kernel
        for (const Command& change : iptables_changes(program, rules->out, instance, bridges)) {
            const auto done = run(change, kDeadline);
            if (!done || !done->status.success())
                log_warn("containers may not reach the outside: {} failed: {}", to_shell(change),
                         done ? done->err : done.error().message());
        }
    }
}

}  // namespace hako::network
