// The networks' rows in the database, and the containers' places on them
// (docs/formats/database.md).
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/network_types.h"
#include "store/database.h"

namespace hako::engine {

// Thread-safe, as the database is.
class NetworkStore {
public:
    static Result<NetworkStore> open(store::Database& database);

    Result<void> insert(const Network& network);
    Result<void> erase(std::string_view id);
    Result<std::vector<Network>> networks();

    // Replaces all of the container's.
    Result<void> save(std::string_view container, const std::vector<Attachment>& attachments);
    Result<std::map<std::string, std::vector<Attachment>>> attachments();

private:
    explicit NetworkStore(store::Database& database) : database_(&database) {}

    store::Database* database_;
};

}  // namespace hako::engine
