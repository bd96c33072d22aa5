#include "engine/network_store.h"

#include <array>

#include "engine/network_record.h"

namespace hako::engine {
namespace {

constexpr std::array kMigrations = {
    store::Migration{1, R"(
        CREATE TABLE networks (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            settings TEXT NOT NULL
        );
        CREATE TABLE attachments (
            container TEXT PRIMARY KEY,
            networks TEXT NOT NULL
        );
    )"},
};

}  // namespace

Result<NetworkStore> NetworkStore::open(store::Database& database) {
    HAKO_CHECK(database.migrate("network", kMigrations));
    return NetworkStore(database);
}

Result<void> NetworkStore::insert(const Network& network) {
    HAKO_TRY(auto statement,
             database_->prepare("INSERT INTO networks (id, name, settings) VALUES (?1, ?2, ?3)"));
    return statement.bind(1, network.id)
        .bind(2, network.name)
        .bind(3, dump_json(to_json(network)))
        .run();
}

Result<void> NetworkStore::erase(std::string_view id) {
    HAKO_TRY(auto statement, database_->prepare("DELETE FROM networks WHERE id = ?1"));
    return statement.bind(1, id).run();
}

Result<std::vector<Network>> NetworkStore::networks() {
    HAKO_TRY(auto rows, database_->prepare("SELECT settings FROM networks ORDER BY name"));
    std::vector<Network> networks;
    while (true) {
        HAKO_TRY(const bool more, rows.step());
        if (!more) return networks;
        HAKO_TRY(const Json json, parse_json(rows.column_text(0)));
        HAKO_TRY(auto network, network_from_json(json));
        networks.push_back(std::move(network));
    }
}

Result<void> NetworkStore::save(std::string_view container,
                                const std::vector<Attachment>& attachments) {
    if (attachments.empty()) {
        HAKO_TRY(auto erase, database_->prepare("DELETE FROM attachments WHERE container = ?1"));
        return erase.bind(1, container).run();
    }
    Json list = Json::array();
    for (const Attachment& attachment : attachments) list.push_back(to_json(attachment));
    HAKO_TRY(auto statement,
             database_->prepare(
                 "INSERT OR REPLACE INTO attachments (container, networks) VALUES (?1, ?2)"));
    return statement.bind(1, container).bind(2, dump_json(list)).run();
}

Result<std::map<std::string, std::vector<Attachment>>> NetworkStore::attachments() {
    HAKO_TRY(auto rows, database_->prepare("SELECT container, networks FROM attachments"));
    std::map<std::string, std::vector<Attachment>> all;
    while (true) {
        HAKO_TRY(const bool more, rows.step());
        if (!more) return all;
        HAKO_TRY(const Json list, parse_json(rows.column_text(1)));
        for (const Json& item : list) {
            HAKO_TRY(auto attachment, attachment_from_json(item));
            all[rows.column_text(0)].push_back(std::move(attachment));
        }
    }
}

}  // namespace hako::engine
