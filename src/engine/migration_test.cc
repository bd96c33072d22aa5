// What the first version of hako wrote is read by this one.
#include <gtest/gtest.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

// The tables and a row as schema 1 had them, before restart policies, health checks and log
// drivers.
constexpr const char* kFirstSchema = R"(
    CREATE TABLE containers (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        settings TEXT NOT NULL,
        state TEXT NOT NULL,
        removing INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE unreadable_containers (id TEXT, name TEXT, settings TEXT, state TEXT, reason TEXT);
    CREATE TABLE daemon (id TEXT NOT NULL);
    INSERT INTO containers (id, name, settings, state) VALUES (
        '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'old',
        '{"created":"2026-01-02T03:04:05.000000006Z","image_id":"sha256:a","config_json":"{}",
          "host_config_json":"{}","networking_json":"{}","command":["sh"],"log_path":"/l","kernel":"",
          "config":{"hostname":"","env":["A=1"],"cmd":["sh"],"labels":{"k":"v"},"tty":false},
          "host_config":{"memory":67108864,"ulimits":[["nofile",1,2]],"restart_policy":"no",
                         "auto_remove":false}}',
        '{"status":"exited","pid":0,"exit_code":3,"oom_killed":false,"error":"",
          "started_at":"2026-01-02T03:04:06.000000000Z",
          "finished_at":"2026-01-02T03:04:07.000000000Z"}');
)";

TEST(Migration, TheFirstSchemaIsReadAndUpgraded) {
    const TempDir folder = *TempDir::create();
    auto database = store::Database::open(folder.path() / "hako.db").value();
    const store::Migration first{1, kFirstSchema};
    ASSERT_TRUE(database->migrate("engine", {&first, 1}));
    auto containers = ContainerStore::open(*database);
    ASSERT_TRUE(containers) << containers.error().message();
    const auto loaded = containers->load();
    ASSERT_TRUE(loaded) << loaded.error().message();
    ASSERT_EQ(loaded->size(), 1U);
    const Container& container = loaded->front().container;
    EXPECT_EQ(container.name, "old");
    EXPECT_EQ(container.config.env, std::vector<std::string>{"A=1"});
    EXPECT_EQ(container.host_config.memory, 64 * kMiB);
    EXPECT_EQ(container.host_config.ulimits.size(), 1U);
    EXPECT_EQ(container.state.exit_code, 3);
    EXPECT_EQ(container.state.restart_count, 0);
    EXPECT_FALSE(container.state.stopped_by_user);
    EXPECT_FALSE(container.config.healthcheck);
    EXPECT_TRUE(container.host_config.log_driver.empty());
    // And written again, with what came since.
    EXPECT_TRUE(containers->save_settings(container));
    EXPECT_EQ(containers->load()->size(), 1U);
}

}  // namespace
}  // namespace hako::engine
