// SQLite, as hako uses it: one connection in WAL mode, one writer at a time, numbered migrations
// for each module. Errors name what was done and SQLite's text; a full disk is
// ErrorKind::exhausted, a damaged file ErrorKind::corrupt.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace hako::store {

// One step of a module's schema. Numbers start at 1 and never change once released.
struct Migration {
    int number;
    std::string_view sql;
};

// A prepared statement; holds the database's lock while it lives, so keep it in a small scope.
// Parameters count from 1, columns from 0.
class Statement {
public:
    Statement(Statement&&) noexcept = default;
    Statement& operator=(Statement&&) noexcept = default;

    Statement& bind(int index, std::string_view text);
    Statement& bind(int index, std::int64_t number);
    Statement& bind_null(int index);
    // True when there is a row to read, false at the end.
    Result<bool> step();
    // For statements without rows.
    Result<void> run();
    std::string column_text(int index) const;
    std::int64_t column_int(int index) const;
    bool column_is_null(int index) const;

private:
    friend class Database;
    struct Finalizer {
        void operator()(sqlite3_stmt* statement) const;
    };
    Statement(std::unique_lock<std::recursive_mutex> lock, sqlite3* database,
              sqlite3_stmt* statement)
        : lock_(std::move(lock)), database_(database), statement_(statement) {}

    std::unique_lock<std::recursive_mutex> lock_;
    sqlite3* database_;
    std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
};

// All or nothing: rolls back unless committed. Holds the database's lock.
class Transaction {
public:
    Transaction(Transaction&& other) noexcept;
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    Result<void> commit();

private:
    friend class Database;
    Transaction(std::unique_lock<std::recursive_mutex> lock, sqlite3* database)
        : lock_(std::move(lock)), database_(database) {}

    std::unique_lock<std::recursive_mutex> lock_;
    sqlite3* database_;
};

// Thread-safe: a statement or a transaction of one thread makes the others wait.
class Database {
public:
    // Creates the file if there is none. ":memory:" for tests.
    static Result<std::unique_ptr<Database>> open(const std::filesystem::path& path);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    // Brings the module's tables to the newest number, each step in a transaction. A database
    // written by a newer hako is refused (ErrorKind::conflict).
    Result<void> migrate(std::string_view module, std::span<const Migration> migrations);

    Result<Statement> prepare(std::string_view sql);
    // One or more statements without parameters and rows.
    Result<void> execute(std::string_view sql);
    Result<Transaction> begin();

private:
    explicit Database(sqlite3* handle) : handle_(handle) {}
    Result<int> version_of(std::string_view module);

    sqlite3* handle_;
    std::recursive_mutex mutex_;
};

}  // namespace hako::store
