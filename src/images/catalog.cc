#include "images/catalog.h"

#include <array>

#include "base/units.h"

namespace hako::images {
namespace {

constexpr std::array kMigrations{store::Migration{1, R"(
CREATE TABLE image (
    id TEXT PRIMARY KEY,          -- hex digits, as are all digests here
    manifest TEXT NOT NULL,
    size INTEGER NOT NULL,        -- bytes
    added INTEGER NOT NULL        -- unix time, nanoseconds
) STRICT;
CREATE TABLE image_layer (
    image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,    -- 0 is the lowest
    diff_id TEXT NOT NULL,
    PRIMARY KEY (image, position)
) STRICT;
CREATE TABLE image_blob (
    image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (image, digest)
) STRICT;
CREATE TABLE image_name (
    repository TEXT NOT NULL,     -- domain/path
    key TEXT NOT NULL,            -- a tag, or sha256:<hex>
    image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
    PRIMARY KEY (repository, key)
) STRICT;
CREATE INDEX image_name_by_image ON image_name(image);
)"},
                                 store::Migration{2, R"(
ALTER TABLE image ADD COLUMN platform TEXT NOT NULL DEFAULT '';
CREATE TABLE platform_name (
    repository TEXT NOT NULL,     -- domain/path
    key TEXT NOT NULL,            -- a tag, or sha256:<hex>
    platform TEXT NOT NULL,       -- linux/arm64; empty where an older hako wrote it: the host's
    image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
    target TEXT NOT NULL,         -- the manifest or index that the name stands for
    tagged INTEGER NOT NULL,      -- unix time, nanoseconds
    PRIMARY KEY (repository, key, platform)
) STRICT;
INSERT INTO platform_name
    SELECT repository, key, '', image.id, image.manifest, image.added
    FROM image_name JOIN image ON image.id = image_name.image;
DROP TABLE image_name;
ALTER TABLE platform_name RENAME TO image_name;
CREATE INDEX image_name_by_image ON image_name(image);
)"}};

oci::Platform to_platform(const std::string& text) {
    return oci::Platform::parse(text).value_or(oci::Platform::host());
}

std::int64_t to_number(WallTime time) { return time.time_since_epoch().count(); }

// Names come from Reference::parse, so they split where they were joined.
Result<oci::Reference> read_name(const std::string& repository, const std::string& key) {
    const bool is_digest = key.find(':') != std::string::npos;
    return oci::Reference::parse(repository + (is_digest ? "@" : ":") + key);
}

}  // namespace

Result<Catalog> Catalog::open(store::Database& database) {
    HAKO_CHECK(database.migrate("images", kMigrations));
    return Catalog(database);
}

Result<void> Catalog::add(const ImageRecord& image, const std::vector<oci::Reference>& names,
                          const oci::Digest& target) {
    HAKO_TRY(auto transaction, database_->begin());
    {
        HAKO_TRY(auto insert, database_->prepare("INSERT INTO image VALUES(?, ?, ?, ?, ?) "
                                                 "ON CONFLICT(id) DO NOTHING"));
        insert.bind(1, image.id.hex).bind(2, image.manifest.hex);
        insert.bind(3, static_cast<std::int64_t>(image.size));
        insert.bind(4, to_number(now())).bind(5, image.platform.text());
        HAKO_CHECK(insert.run());
    }
    std::int64_t position = 0;
    for (const auto& diff_id : image.diff_ids) {
        HAKO_TRY(auto insert,
                 database_->prepare("INSERT OR REPLACE INTO image_layer VALUES(?, ?, ?)"));
        insert.bind(1, image.id.hex).bind(2, position++).bind(3, diff_id.hex);
        HAKO_CHECK(insert.run());
    }
    for (const auto& blob : image.blobs) {
        HAKO_TRY(auto insert, database_->prepare("INSERT OR IGNORE INTO image_blob VALUES(?, ?)"));
        HAKO_CHECK(insert.bind(1, image.id.hex).bind(2, blob.hex).run());
    }
    for (const auto& name : names) HAKO_CHECK(set_name(name, {image.id, image.platform, target}));
    return transaction.commit();
}

Result<void> Catalog::set_name(const oci::Reference& name, const NamedImage& image) {
    HAKO_TRY(auto insert,
             database_->prepare("INSERT OR REPLACE INTO image_name VALUES(?, ?, ?, ?, ?, ?)"));
    insert.bind(1, name.name()).bind(2, name.manifest_key()).bind(3, image.platform.text());
    insert.bind(4, image.image.hex).bind(5, image.target.hex).bind(6, to_number(image.tagged));
    return insert.run();
}

Result<void> Catalog::replace_name(const oci::Reference& name,
                                   const std::vector<NamedImage>& images) {
    HAKO_TRY(auto transaction, database_->begin());
    {
        HAKO_TRY(auto statement,
                 database_->prepare("DELETE FROM image_name WHERE repository = ? AND key = ?"));
        HAKO_CHECK(statement.bind(1, name.name()).bind(2, name.manifest_key()).run());
    }
    for (const auto& image : images) HAKO_CHECK(set_name(name, image));
    return transaction.commit();
}

Result<void> Catalog::remove_name(const oci::Reference& name, const oci::Digest& image) {
    HAKO_TRY(auto statement, database_->prepare("DELETE FROM image_name WHERE repository = ? AND "
                                                "key = ? AND image = ?"));
    return statement.bind(1, name.name()).bind(2, name.manifest_key()).bind(3, image.hex).run();
}

Result<void> Catalog::remove_image(const oci::Digest& id) {
    HAKO_TRY(auto transaction, database_->begin());
    for (const auto* sql :
         {"DELETE FROM image_name WHERE image = ?", "DELETE FROM image_blob WHERE image = ?",
          "DELETE FROM image_layer WHERE image = ?", "DELETE FROM image WHERE id = ?"}) {
        HAKO_TRY(auto statement, database_->prepare(sql));
        HAKO_CHECK(statement.bind(1, id.hex).run());
    }
    return transaction.commit();
}

Result<std::vector<NamedImage>> Catalog::images_of(const oci::Reference& name) const {
    HAKO_TRY(auto query,
             database_->prepare("SELECT image, platform, target, tagged FROM image_name "
                                "WHERE repository = ? AND key = ? ORDER BY tagged DESC, image"));
    query.bind(1, name.name()).bind(2, name.manifest_key());
    std::vector<NamedImage> images;
    while (true) {
        HAKO_TRY(const bool more, query.step());
        if (!more) return images;
        images.push_back({oci::Digest{query.column_text(0)}, to_platform(query.column_text(1)),
                          oci::Digest{query.column_text(2)},
                          WallTime(std::chrono::nanoseconds(query.column_int(3)))});
    }
}

Result<std::vector<oci::Digest>> Catalog::ids_with_prefix(std::string_view hex) const {
    return digests("SELECT id FROM image WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2", hex);
}

Result<std::vector<oci::Digest>> Catalog::ids() const {
    return digests("SELECT id FROM image ORDER BY added DESC, id", {});
}

Result<ImageRecord> Catalog::image(const oci::Digest& id) const {
    ImageRecord record;
    record.id = id;
    {
        HAKO_TRY(auto query,
                 database_->prepare("SELECT manifest, size, platform FROM image WHERE id = ?"));
        query.bind(1, id.hex);
        HAKO_TRY(const bool found, query.step());
        if (!found) return fail(ErrorKind::not_found, "No such image: {}", id.text());
        record.manifest = oci::Digest{query.column_text(0)};
        record.size = static_cast<std::uint64_t>(query.column_int(1));
        record.platform = to_platform(query.column_text(2));
    }
    HAKO_TRY(record.diff_ids,
             digests("SELECT diff_id FROM image_layer WHERE image = ? ORDER BY position", id.hex));
    HAKO_TRY(auto blobs, digests("SELECT digest FROM image_blob WHERE image = ?", id.hex));
    record.blobs = {blobs.begin(), blobs.end()};
    return record;
}

Result<std::vector<oci::Reference>> Catalog::names_of(const oci::Digest& id) const {
    HAKO_TRY(auto query, database_->prepare("SELECT DISTINCT repository, key FROM image_name "
                                            "WHERE image = ? ORDER BY repository, key"));
    query.bind(1, id.hex);
    std::vector<oci::Reference> names;
    while (true) {
        HAKO_TRY(const bool more, query.step());
        if (!more) return names;
        HAKO_TRY(auto name, read_name(query.column_text(0), query.column_text(1)));
        names.push_back(std::move(name));
    }
}

Result<std::optional<WallTime>> Catalog::last_tagged(const oci::Digest& id) const {
    HAKO_TRY(auto query, database_->prepare("SELECT tagged FROM image_name WHERE image = ? "
                                            "ORDER BY tagged DESC LIMIT 1"));
    query.bind(1, id.hex);
    HAKO_TRY(const bool found, query.step());
    if (!found) return std::optional<WallTime>();
    return std::optional(WallTime(std::chrono::nanoseconds(query.column_int(0))));
}

Result<std::set<oci::Digest>> Catalog::all_blobs() const {
    HAKO_TRY(auto list,
             digests("SELECT digest FROM image_blob UNION SELECT target FROM image_name", {}));
    return std::set(list.begin(), list.end());
}

Result<std::set<oci::Digest>> Catalog::all_diff_ids() const {
    HAKO_TRY(auto list, digests("SELECT DISTINCT diff_id FROM image_layer", {}));
    return std::set(list.begin(), list.end());
}

Result<std::vector<oci::Digest>> Catalog::digests(std::string_view sql,
                                                  std::string_view parameter) const {
    HAKO_TRY(auto query, database_->prepare(sql));
    if (!parameter.empty()) query.bind(1, parameter);
    std::vector<oci::Digest> result;
    while (true) {
        HAKO_TRY(const bool more, query.step());
        if (!more) return result;
        result.push_back(oci::Digest{query.column_text(0)});
    }
}

}  // namespace hako::images
