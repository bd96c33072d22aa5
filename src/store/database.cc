#include "store/database.h"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace hako::store {
namespace {

tl::unexpected<Error> fail_sqlite(sqlite3* database, std::string_view doing) {
    const int code = sqlite3_errcode(database);
    ErrorKind kind = ErrorKind::internal;
    if (code == SQLITE_FULL) kind = ErrorKind::exhausted;
    else if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) kind = ErrorKind::corrupt;
    else if (code == SQLITE_CONSTRAINT) kind = ErrorKind::conflict;
    else if (code == SQLITE_CANTOPEN || code == SQLITE_READONLY) kind = ErrorKind::forbidden;
    return fail(kind, "database: cannot {}: {}", doing, sqlite3_errmsg(database));
}

constexpr int kBusyTimeoutMs = 10'000;

}  // namespace

void Statement::Finalizer::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

Statement& Statement::bind(int index, std::string_view text) {
    sqlite3_bind_text(statement_.get(), index, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
    return *this;
}

Statement& Statement::bind(int index, std::int64_t number) {
    sqlite3_bind_int64(statement_.get(), index, number);
    return *this;
}

Statement& Statement::bind_null(int index) {
    sqlite3_bind_null(statement_.get(), index);
    return *this;
}

Result<bool> Statement::step() {
    switch (sqlite3_step(statement_.get())) {
        case SQLITE_ROW: return true;
        case SQLITE_DONE: return false;
        default: return fail_sqlite(database_, sqlite3_sql(statement_.get()));
    }
}

Result<void> Statement::run() {
    HAKO_TRY([[maybe_unused]] const bool row, step());
    return {};
}

std::string Statement::column_text(int index) const {
    const auto* text = sqlite3_column_text(statement_.get(), index);
    if (text == nullptr) return {};
    return {reinterpret_cast<const char*>(text),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), index))};
}

std::int64_t Statement::column_int(int index) const {
    return sqlite3_column_int64(statement_.get(), index);
}

bool Statement::column_is_null(int index) const {
    return sqlite3_column_type(statement_.get(), index) == SQLITE_NULL;
}

Transaction::Transaction(Transaction&& other) noexcept
    : lock_(std::move(other.lock_)), database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
    if (database_ != nullptr) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Result<void> Transaction::commit() {
    if (sqlite3_exec(database_, "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK)
        return fail_sqlite(database_, "commit");
    database_ = nullptr;
    return {};
}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& path) {
    sqlite3* handle = nullptr;
    const int code =
        sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    std::unique_ptr<Database> database(new Database(handle));
    if (code != SQLITE_OK) return fail_sqlite(handle, fmt::format("open {}", path.native()));
    sqlite3_busy_timeout(handle, kBusyTimeoutMs);
    HAKO_CHECK(with_context(
        database->execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
                          "PRAGMA foreign_keys=ON;"
                          "CREATE TABLE IF NOT EXISTS schema_versions("
                          " module TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;"),
        path.native()));
    return database;
}

Database::~Database() { sqlite3_close_v2(handle_); }

Result<int> Database::version_of(std::string_view module) {
    HAKO_TRY(Statement query, prepare("SELECT version FROM schema_versions WHERE module = ?"));
    query.bind(1, module);
    HAKO_TRY(const bool found, query.step());
    return found ? static_cast<int>(query.column_int(0)) : 0;
}

Result<void> Database::migrate(std::string_view module, std::span<const Migration> migrations) {
    HAKO_TRY(const int version, version_of(module));
    const int newest = migrations.empty() ? 0 : migrations.back().number;
    if (version > newest)
        return fail(ErrorKind::conflict,
                    "the database's {} tables have version {}, this hako knows {}; install the "
                    "newer hako again, or use another --root",
                    module, version, newest);
    for (const auto& [number, sql] : migrations) {
        if (number <= version) continue;
        HAKO_TRY(Transaction transaction, begin());
        HAKO_CHECK(with_context(execute(sql), fmt::format("{} migration {}", module, number)));
        HAKO_TRY(Statement record, prepare("INSERT INTO schema_versions(module, version) "
                                           "VALUES(?, ?) ON CONFLICT(module) DO UPDATE "
                                           "SET version = excluded.version"));
        HAKO_CHECK(record.bind(1, module).bind(2, number).run());
        HAKO_CHECK(transaction.commit());
    }
    return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
    std::unique_lock lock(mutex_);
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &statement,
                           nullptr) != SQLITE_OK)
        return fail_sqlite(handle_, sql);
    return Statement(std::move(lock), handle_, statement);
}

Result<void> Database::execute(std::string_view sql) {
    const std::scoped_lock lock(mutex_);
    if (sqlite3_exec(handle_, std::string(sql).c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
        return fail_sqlite(handle_, sql);
    return {};
}

Result<Transaction> Database::begin() {
    std::unique_lock lock(mutex_);
    if (sqlite3_exec(handle_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != SQLITE_OK)
        return fail_sqlite(handle_, "begin");
    return Transaction(std::move(lock), handle_);
}

}  // namespace hako::store
