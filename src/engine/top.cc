#include <algorithm>
#include <array>
#include <ctime>
#include <functional>

#include "engine/context.h"
#include "engine/engine.h"

namespace hako::engine {
namespace {

using Row = guest::ProcessRow;

std::string cpu_time(const Row& row) {
    const auto seconds = row.cpu_time.count() / 1000;
    return fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

// The hour within a day of the start, else the day.
std::string start_time(const Row& row) {
    const std::time_t started = row.started_at.count();
    std::tm parts{};
    ::localtime_r(&started, &parts);
    std::array<char, 16> text{};
    const bool today = std::time(nullptr) - started < 24 * 3600;
    const std::size_t size =
        std::strftime(text.data(), text.size(), today ? "%H:%M" : "%b%d", &parts);
    return {text.data(), size};
}

std::string program(const Row& row) {
    const std::string first = row.command.substr(0, row.command.find(' '));
    return first.substr(first.rfind('/') + 1);
}

struct Column {
    std::string_view key;    // as `ps -o` takes it
    std::string_view title;  // as it prints it
    std::string (*cell)(const Row&);
};
constexpr std::array<Column, 14> kColumns = {{
    {"pid", "PID", [](const Row& row) { return std::to_string(row.pid); }},
    {"ppid", "PPID", [](const Row& row) { return std::to_string(row.ppid); }},
    {"user", "USER", [](const Row& row) { return row.user; }},
    {"uname", "USER", [](const Row& row) { return row.user; }},
    {"uid", "UID", [](const Row& row) { return std::to_string(row.uid); }},
    {"tty", "TTY", [](const Row& row) { return row.tty; }},
    {"tt", "TT", [](const Row& row) { return row.tty; }},
    {"time", "TIME", cpu_time},
    {"stime", "STIME", start_time},
    {"start_time", "START", start_time},
    {"comm", "COMMAND", program},
    {"args", "COMMAND", [](const Row& row) { return row.command; }},
    {"command", "COMMAND", [](const Row& row) { return row.command; }},
    {"cmd", "CMD", [](const Row& row) { return row.command; }},
}};

// `ps -ef`: its C is a share of the CPU that nobody measures here.
const std::vector<Column> kFull = {
    {"", "UID", [](const Row& row) { return row.user; }},
    kColumns[0],
    kColumns[1],
    {"", "C", [](const Row&) { return std::string("0"); }},
    {"", "STIME", start_time},
    {"", "TTY", [](const Row& row) { return row.tty; }},
    {"", "TIME", cpu_time},
    {"", "CMD", [](const Row& row) { return row.command; }},
};
const std::vector<Column> kUserOriented = {kColumns[2], kColumns[0], kColumns[5],
                                           kColumns[9], kColumns[7], kColumns[12]};

Result<std::vector<Column>> choose_columns(std::string_view arguments) {
    if (arguments.empty() || arguments == "-ef" || arguments == "-f") return kFull;
    if (arguments == "aux" || arguments == "-aux" || arguments == "ux") return kUserOriented;
    const std::size_t list = arguments.find("-o");
    if (list == std::string_view::npos)
        return fail(ErrorKind::invalid,
                    "ps arguments \"{}\" are not offered: use -ef, aux, or -o with {}",
                    arguments.substr(0, 64), "pid,ppid,user,uid,tty,time,stime,comm,args,cmd");
    std::vector<Column> chosen;
    std::string_view rest = arguments.substr(list + 2);
    while (!rest.empty()) {
        const std::size_t end = rest.find_first_of(", ");
        const std::string_view key = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        if (key.empty()) continue;
        const auto found = std::ranges::find(kColumns, key, &Column::key);
        if (found == kColumns.end())
            return fail(ErrorKind::invalid, "ps: unknown column \"{}\"", key.substr(0, 64));
        chosen.push_back(*found);
    }
    if (chosen.empty()) return fail(ErrorKind::invalid, "ps: -o names no column");
    return chosen;
}

}  // namespace

Result<ProcessTable> Engine::top(std::string_view container, std::string_view ps_arguments) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    HAKO_TRY(const std::vector<Column> columns, choose_columns(ps_arguments));
    std::shared_ptr<runtime::ShimClient> shim;
    {
        auto live = entry->live.lock();
        if (!live->running())
            return fail(ErrorKind::conflict, "container {} is not running", entry->id);
        shim = live->shim;
    }
    HAKO_TRY(const std::vector<Row> rows, shim->list_processes());
    ProcessTable table;
    for (const Column& column : columns) table.titles.emplace_back(column.title);
    for (const Row& row : rows) {
        std::vector<std::string>& cells = table.rows.emplace_back();
        for (const Column& column : columns) cells.push_back(column.cell(row));
    }
    emit(*context_, entry, "top");
    return table;
}

}  // namespace hako::engine
