#include "engine/container_store.h"

#include <array>

#include "base/log.h"
#include "engine/record.h"

namespace hako::engine {
namespace {

constexpr std::array kMigrations = {
    store::Migration{1, R"(
        CREATE TABLE containers (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            settings TEXT NOT NULL,
            state TEXT NOT NULL,
            removing INTEGER NOT NULL DEFAULT 0
        );
        CREATE TABLE unreadable_containers (
            id TEXT,
            name TEXT,
            settings TEXT,
            state TEXT,
            reason TEXT
        );
        CREATE TABLE daemon (id TEXT NOT NULL);
    )"},
};

Result<StoredContainer> read_row(store::Statement& row) {
    StoredContainer stored;
    Container& container = stored.container;
    container.id = row.column_text(0);
    container.name = row.column_text(1);
    if (container.id.size() != 64 ||
        container.id.find_first_not_of("0123456789abcdef") != std::string::npos)
        return fail(ErrorKind::corrupt, "the id is not 64 hexadecimal digits");
    HAKO_CHECK(settings_from_json(row.column_text(2), container));
    HAKO_TRY(container.state, state_from_json(row.column_text(3)));
    stored.removing = row.column_int(4) != 0;
    return stored;
}

}  // namespace

Result<ContainerStore> ContainerStore::open(store::Database& database) {
    HAKO_CHECK(database.migrate("engine", kMigrations));
    return ContainerStore(database);
}

Result<void> ContainerStore::insert(const Container& container) {
    HAKO_TRY(auto statement,
             database_->prepare(
                 "INSERT INTO containers (id, name, settings, state) VALUES (?1, ?2, ?3, ?4)"));
    return statement.bind(1, container.id)
        .bind(2, container.name)
        .bind(3, settings_to_json(container))
        .bind(4, state_to_json(container.state))
        .run();
}

Result<void> ContainerStore::save_state(std::string_view id, const ContainerState& state) {
    HAKO_TRY(auto statement, database_->prepare("UPDATE containers SET state = ?2 WHERE id = ?1"));
    return statement.bind(1, id).bind(2, state_to_json(state)).run();
}

Result<void> ContainerStore::save_settings(const Container& container) {
    HAKO_TRY(auto statement,
             database_->prepare("UPDATE containers SET settings = ?2 WHERE id = ?1"));
    return statement.bind(1, container.id).bind(2, settings_to_json(container)).run();
}

Result<void> ContainerStore::save_name(std::string_view id, std::string_view name) {
    HAKO_TRY(auto statement, database_->prepare("UPDATE containers SET name = ?2 WHERE id = ?1"));
    return statement.bind(1, id).bind(2, name).run();
}

Result<void> ContainerStore::mark_removing(std::string_view id) {
    HAKO_TRY(auto statement,
             database_->prepare("UPDATE containers SET removing = 1 WHERE id = ?1"));
    return statement.bind(1, id).run();
}

Result<void> ContainerStore::erase(std::string_view id) {
    HAKO_TRY(auto statement, database_->prepare("DELETE FROM containers WHERE id = ?1"));
    return statement.bind(1, id).run();
}

Result<std::vector<StoredContainer>> ContainerStore::load() {
    std::vector<StoredContainer> loaded;
    std::vector<std::pair<std::string, std::string>> unreadable;  // id, reason
    {
        HAKO_TRY(auto rows,
                 database_->prepare("SELECT id, name, settings, state, removing FROM containers"));
        while (true) {
            HAKO_TRY(const bool more, rows.step());
            if (!more) break;
            auto stored = read_row(rows);
            if (stored) loaded.push_back(*std::move(stored));
            else unreadable.emplace_back(rows.column_text(0), stored.error().message());
        }
    }
    for (const auto& [id, reason] : unreadable) {
        log_error("container {} is kept aside in table unreadable_containers: {}", id, reason);
        HAKO_CHECK(set_aside(id, reason));
    }
    return loaded;
}

Result<void> ContainerStore::set_aside(std::string_view id, std::string_view reason) {
    HAKO_TRY(auto transaction, database_->begin());
    {
        HAKO_TRY(auto copy,
                 database_->prepare(
                     "INSERT INTO unreadable_containers "
                     "SELECT id, name, settings, state, ?2 FROM containers WHERE id = ?1"));
        HAKO_CHECK(copy.bind(1, id).bind(2, reason).run());
    }
    HAKO_CHECK(erase(id));
    return transaction.commit();
}

Result<std::vector<std::string>> ContainerStore::unreadable_ids() {
    HAKO_TRY(auto rows, database_->prepare("SELECT id FROM unreadable_containers"));
    std::vector<std::string> ids;
    while (true) {
        HAKO_TRY(const bool more, rows.step());
        if (!more) return ids;
        ids.push_back(rows.column_text(0));
    }
}

Result<std::string> ContainerStore::daemon_id() {
    HAKO_TRY(auto transaction, database_->begin());
    std::string id;
    {
        HAKO_TRY(auto query, database_->prepare("SELECT id FROM daemon"));
        HAKO_TRY(const bool known, query.step());
        if (known) id = query.column_text(0);
    }
    if (id.empty()) {
        id = random_id();
        HAKO_TRY(auto insert, database_->prepare("INSERT INTO daemon (id) VALUES (?1)"));
        HAKO_CHECK(insert.bind(1, id).run());
    }
    HAKO_CHECK(transaction.commit());
    return id;
}

}  // namespace hako::engine
