#include "volume/volume_store.h"

#include <sys/stat.h>

#include <array>
#include <system_error>

#include "base/disk_usage.h"
#include "base/json.h"
#include "base/log.h"
#include "base/paths.h"
#include "fsimage/ext4/format.h"
#include "volume/file_system.h"

namespace hako::volume {
namespace {

namespace fs = std::filesystem;

constexpr std::array kMigrations = {
    store::Migration{1, R"(
        CREATE TABLE volumes (
            name TEXT PRIMARY KEY,
            driver TEXT NOT NULL,
            settings TEXT NOT NULL
        );
    )"},
};

constexpr std::string_view kRemoved = ".removed-";  // no volume's name begins with a dot

std::string settings_of(const Volume& volume) {
    return dump_json({{"options", volume.options},
                      {"labels", volume.labels},
                      {"created", format_time(volume.created)},
                      {"anonymous", volume.anonymous}});
}

Result<Volume> read_row(store::Statement& row) {
    Volume volume{.name = row.column_text(0), .driver = row.column_text(1)};
    HAKO_TRY(const auto json, parse_json(row.column_text(2)));
    HAKO_TRY(volume.options, json_field_or<StringMap>(json, "options", {}));
    HAKO_TRY(volume.labels, json_field_or<StringMap>(json, "labels", {}));
    HAKO_TRY(const auto created, json_field_or<std::string>(json, "created", ""));
    HAKO_TRY(volume.created, parse_time(created));
    HAKO_TRY(volume.anonymous, json_field_or(json, "anonymous", false));
    return volume;
}

Result<Volume> read_volume(store::Statement& row) {
    return with_context(read_row(row), fmt::format("the record of volume {}", row.column_text(0)));
}

Result<void> remove_files(const fs::path& folder) {
    std::error_code error;
    fs::remove_all(folder, error);
    if (error) return fail_errno(error.value(), "cannot remove {}", folder.native());
    return {};
}

}  // namespace

VolumeStore::VolumeStore(store::Database& database, fs::path folder)
    : database_(&database), folder_(std::move(folder)) {}

Result<void> VolumeStore::open() {
    HAKO_CHECK(database_->migrate("volume", kMigrations));
    HAKO_CHECK(make_folders(folder_, 0711));
    // A removal that was cut off. Data that only lacks a record stays: who creates it again has it.
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error)) {
        if (!entry.path().filename().native().starts_with(kRemoved)) continue;
        if (const auto gone = remove_files(entry.path()); !gone)
            log_warn("{}", gone.error().message());
    }
    return {};
}

Result<VolumeStore::Made> VolumeStore::create(Volume wanted) {
    HAKO_CHECK(validate(wanted));
    const std::lock_guard lock(changes_);
    auto known = find(wanted.name);
    if (known && known->driver != wanted.driver)
        return fail(ErrorKind::conflict,
                    "create {0}: a volume named {0} already exists with the {1} driver: choose "
                    "a different volume name",
                    wanted.name, known->driver);
    if (known) return Made{*std::move(known), false};
    if (known.error().kind() != ErrorKind::not_found) return fail(known.error());
    wanted.created = now();
    std::error_code ignored;
    const bool had_files = fs::exists(home(wanted.name), ignored);
    const auto made = [&]() -> Result<void> {
        HAKO_CHECK(make_files(wanted));
        HAKO_TRY(
            auto statement,
            database_->prepare("INSERT INTO volumes (name, driver, settings) VALUES (?1, ?2, ?3)"));
        return statement.bind(1, wanted.name)
            .bind(2, wanted.driver)
            .bind(3, settings_of(wanted))
            .run();
    }();
    if (!made) {
        if (!had_files) (void)remove_files(home(wanted.name));
        return fail(made.error().context(fmt::format("cannot create volume {}", wanted.name)));
    }
    return Made{std::move(wanted), true};
}

Result<void> VolumeStore::make_files(const Volume& volume) const {
    HAKO_CHECK(make_folders(home(volume.name), 0711));
    std::error_code ignored;
    if (volume.driver == kBlock) {
        if (fs::exists(data(volume), ignored)) return {};
        HAKO_TRY(const auto size, disk_size(volume));
        return fsimage::format_ext4(data(volume), {.size = size, .label = "volume"});
    }
    // What the guests do in it must not depend on our umask.
    const auto folder = home(volume.name) / kDataFolder;
    if (fs::exists(folder, ignored)) return {};
    HAKO_CHECK(make_folders(folder));
    if (::chmod(folder.c_str(), 0755) != 0)
        return fail_errno(errno, "cannot set the mode of {}", folder.native());
    return {};
}

Result<Volume> VolumeStore::find(std::string_view name) {
    HAKO_TRY(auto query,
             database_->prepare("SELECT name, driver, settings FROM volumes WHERE name = ?1"));
    HAKO_TRY(const bool there, query.bind(1, name).step());
    if (!there) return fail(ErrorKind::not_found, "get {}: no such volume", name);
    return read_volume(query);
}

Result<std::vector<Volume>> VolumeStore::list() {
    HAKO_TRY(auto query,
             database_->prepare("SELECT name, driver, settings FROM volumes ORDER BY name"));
    std::vector<Volume> volumes;
    while (true) {
        HAKO_TRY(const bool more, query.step());
        if (!more) return volumes;
        if (auto volume = read_volume(query)) volumes.push_back(*std::move(volume));
        else log_error("{}", volume.error().message());
    }
}

Result<void> VolumeStore::remove(std::string_view name) {
    const std::lock_guard lock(changes_);
    HAKO_TRY(const auto volume, find(name));
    // What is mounted there is not ours to remove.
    if (file_system_of(volume)) HAKO_CHECK(unmount_volume(data(volume)));
    const auto doomed = folder_ / fmt::format("{}{}", kRemoved, random_id());
    std::error_code error;
    fs::rename(home(name), doomed, error);
    if (error && error != std::errc::no_such_file_or_directory)
        return fail_errno(error.value(), "cannot remove volume {}", name);
    {
        HAKO_TRY(auto statement, database_->prepare("DELETE FROM volumes WHERE name = ?1"));
        HAKO_CHECK(statement.bind(1, name).run());
    }
    return remove_files(doomed);
}

fs::path VolumeStore::data(const Volume& volume) const {
    if (volume.driver == kBlock) return home(volume.name) / "disk.ext4";
    const auto device = volume.options.find("device");
    const bool is_there = device == volume.options.end() || file_system_of(volume);
    return is_there ? home(volume.name) / kDataFolder : fs::path(device->second);
}

std::uint64_t VolumeStore::used_bytes(const Volume& volume) const {
    return disk_usage(data(volume));
}

}  // namespace hako::volume
