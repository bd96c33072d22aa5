#include "init/vmexec/user.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/fd.h"
#include "base/text.h"

namespace hako::init {
namespace {

constexpr std::int64_t kMaxId = 2147483647;

std::optional<std::int64_t> to_number(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

Result<std::uint32_t> checked_id(std::int64_t id) {
    if (id < 0 || id > kMaxId)
        return fail(ErrorKind::invalid, "uids and gids must be in range 0-{}", kMaxId);
    return static_cast<std::uint32_t>(id);
}

struct PasswdEntry {
    std::string_view name;
    uid_t uid = 0;
    gid_t gid = 0;
    std::string_view home;
};

struct GroupEntry {
    std::string_view name;
    gid_t gid = 0;
    std::vector<std::string_view> members;
};

// Lines that are no entries are passed over, as the C library does.
std::vector<PasswdEntry> parse_passwd(std::string_view text) {
    std::vector<PasswdEntry> entries;
    for (const auto line : split(text, '\n')) {
        const auto fields = split(line, ':');
        if (line.starts_with('#') || fields.size() < 4) continue;
        const auto uid = to_number(fields[2]), gid = to_number(fields[3]);
        if (!uid || !gid || !checked_id(*uid) || !checked_id(*gid)) continue;
        entries.push_back({fields[0], static_cast<uid_t>(*uid), static_cast<gid_t>(*gid),
                           fields.size() > 5 ? fields[5] : std::string_view()});
    }
    return entries;
}

std::vector<GroupEntry> parse_group(std::string_view text) {
    std::vector<GroupEntry> entries;
    for (const auto line : split(text, '\n')) {
        const auto fields = split(line, ':');
        if (line.starts_with('#') || fields.size() < 3) continue;
        const auto gid = to_number(fields[2]);
        if (!gid || !checked_id(*gid)) continue;
        entries.push_back(
            {fields[0], static_cast<gid_t>(*gid),
             fields.size() > 3 ? split(fields[3], ',') : std::vector<std::string_view>()});
    }
    return entries;
}

Result<gid_t> find_group(std::string_view name, std::string_view text) {
    const auto number = to_number(name);
    for (const auto& entry : parse_group(text))
        if (number ? entry.gid == *number : entry.name == name) return entry.gid;
    if (!number)
        return fail(ErrorKind::invalid,
                    "unable to find group {}: no matching entries in group file", name);
    return checked_id(*number);
}

Result<std::string> read_if_there(const char* path) {
    auto text = read_file(path);
    if (!text && text.error().kind() == ErrorKind::not_found) return std::string();
    return text;
}

}  // namespace

Result<Accounts> read_accounts() {
    Accounts accounts;
    HAKO_TRY(accounts.passwd, read_if_there("/etc/passwd"));
    HAKO_TRY(accounts.group, read_if_there("/etc/group"));
    return accounts;
}

Result<User> find_user(std::string_view name, uid_t fallback, const Accounts& accounts) {
    const auto colon = name.find(':');
    const auto user_name = name.substr(0, colon);
    const auto group_name =
        colon == std::string_view::npos ? std::string_view() : name.substr(colon + 1);
    const auto number =
        user_name.empty() ? std::optional<std::int64_t>(fallback) : to_number(user_name);

    User user;
    std::string_view account;
    const auto entries = parse_passwd(accounts.passwd);
    const auto found = std::ranges::find_if(entries, [&](const PasswdEntry& entry) {
        return number ? entry.uid == *number : entry.name == user_name;
    });
    if (found != entries.end()) {
        account = found->name;
        user.uid = found->uid;
        user.gid = found->gid;
        if (!found->home.empty()) user.home = found->home;
    } else if (number) {
        HAKO_TRY(user.uid, checked_id(*number));
    } else {
        return fail(ErrorKind::invalid,
                    "unable to find user {}: no matching entries in passwd file", user_name);
    }

    if (!group_name.empty()) {
        HAKO_TRY(user.gid, find_group(group_name, accounts.group));
    } else if (!account.empty()) {
        for (const auto& entry : parse_group(accounts.group))
            if (std::ranges::find(entry.members, account) != entry.members.end())
                user.groups.push_back(entry.gid);
    }
    return user;
}

Result<User> user_of_process(const Json& process, const Accounts& accounts) {
    HAKO_TRY(const auto json, json_field_or<Json>(process, "user", Json::object()));
    HAKO_TRY(const auto name, json_field_or<std::string>(json, "username", ""));
    HAKO_TRY(const auto uid, json_field_or<std::uint32_t>(json, "uid", 0));
    HAKO_TRY(const auto gid, json_field_or<std::uint32_t>(json, "gid", 0));
    HAKO_TRY(const auto more,
             json_field_or<std::vector<std::uint32_t>>(json, "additionalGids", {}));

    HAKO_TRY(const auto named,
             json_field_or<std::vector<std::string>>(json, "additionalGroups", {}));

    HAKO_TRY(auto user, find_user(name, uid, accounts));
    if (name.empty()) {
        user.gid = gid;
        user.groups.clear();
    }
    user.groups.insert(user.groups.begin(), user.gid);
    user.groups.insert(user.groups.end(), more.begin(), more.end());
    for (const auto& group : named) {
        HAKO_TRY(const auto id, find_group(group, accounts.group));
        user.groups.push_back(id);
    }
    std::vector<gid_t> unique;
    for (const auto group : user.groups)
        if (std::ranges::find(unique, group) == unique.end()) unique.push_back(group);
    user.groups = std::move(unique);
    return user;
}

}  // namespace hako::init
