// The containers' rows in the database (docs/formats/database.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/types.h"
#include "store/database.h"

namespace hako::engine {

struct StoredContainer {
    Container container;
    bool removing = false;  // its removal was begun
};

// Thread-safe, as the database is.
class ContainerStore {
public:
    // Creates or upgrades the tables. The database is borrowed.
    static Result<ContainerStore> open(store::Database& database);

    // ErrorKind::conflict when the name or the id is there already.
    Result<void> insert(const Container& container);
    Result<void> save_state(std::string_view id, const ContainerState& state);
    Result<void> save_settings(const Container& container);
    Result<void> save_name(std::string_view id, std::string_view name);
    Result<void> mark_removing(std::string_view id);
    Result<void> erase(std::string_view id);

    // Rows that cannot be read are moved to a table of their own, logged, and left out.
    Result<std::vector<StoredContainer>> load();
    // Of those rows: their files are kept as well.
    Result<std::vector<std::string>> unreadable_ids();

    // A random id that this database keeps for its life.
    Result<std::string> daemon_id();

private:
    explicit ContainerStore(store::Database& database) : database_(&database) {}
    Result<void> set_aside(std::string_view id, std::string_view reason);

    store::Database* database_;
};

}  // namespace hako::engine
