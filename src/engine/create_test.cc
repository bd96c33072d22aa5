#include <gmock/gmock.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class CreateTest : public EngineTest {
protected:
    Error refusal(const CreateRequest& request) {
        auto created = engine_->create(request);
        EXPECT_FALSE(created);
        EXPECT_TRUE(std::filesystem::is_empty(layout_.containers()));
        return created ? Error(ErrorKind::internal, "") : created.error();
    }
};

TEST_F(CreateTest, MergesTheImage) {
    CreateRequest wanted = request("box");
    wanted.config.env = {"B=mine", "C"};
    wanted.config.cmd = {{"echo", "hi"}};
    const std::string id = create(wanted);
    const auto container = engine_->inspect("box");
    ASSERT_TRUE(container);
    EXPECT_EQ(container->id, id);
    EXPECT_THAT(container->config.env, ElementsAre("B=mine", "A=image"));
    EXPECT_THAT(container->command, ElementsAre("echo", "hi"));
    EXPECT_EQ(container->config.labels.at("from"), "image");
    EXPECT_THAT(container->config.exposed_ports, ElementsAre("7/udp"));
    EXPECT_EQ(container->state.status, Status::created);
    EXPECT_TRUE(std::filesystem::exists(layout_.container_scratch(id)));
}

TEST_F(CreateTest, NamesThatAreTakenSayByWhom) {
    const std::string first = create("box");
    const auto second = engine_->create(request("box"));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind(), ErrorKind::conflict);
    EXPECT_EQ(second.error().message(),
              "Conflict. The container name \"/box\" is already in use by container \"" + first +
                  "\". You have to remove (or rename) that container to be able to reuse that "
                  "name.");
}

TEST_F(CreateTest, ARefusedCreateGivesTheNameBack) {
    CreateRequest bad = request("box");
    bad.config.image = "nothing";
    const Error error = refusal(bad);
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_EQ(error.message(), "No such image: nothing");
    create("box");
}

TEST_F(CreateTest, RandomNames) {
    const auto container = engine_->inspect(create());
    ASSERT_TRUE(container);
    EXPECT_THAT(container->name, MatchesRegex("[a-z]+_[a-z]+[0-9]*"));
}

TEST_F(CreateTest, RefusesWhatCannotRun) {
    CreateRequest bad = request("-x");
    EXPECT_THAT(refusal(bad).message(), HasSubstr("Invalid container name (-x)"));
    bad = request();
    bad.host_config.memory = 4 * kMiB;
    EXPECT_EQ(refusal(bad).message(), "Minimum memory limit allowed is 6MB");
    bad = request();
    bad.host_config.cap_add = {"FLY"};
    EXPECT_THAT(refusal(bad).message(), HasSubstr("invalid capability"));
    bad = request();
    bad.host_config.nano_cpus = 1'000'000'000'000'000;
    EXPECT_THAT(refusal(bad).message(), HasSubstr("range of CPUs is from 0.01"));
    bad = request();
    bad.host_config.mounts = {
        {.type = MountType::bind, .source = "/no/such/folder", .target = "/data"}};
    EXPECT_THAT(refusal(bad).message(), HasSubstr("bind source path does not exist"));
    bad = request();
    bad.config.stop_signal = "SIGNOTHING";
    EXPECT_EQ(refusal(bad).kind(), ErrorKind::invalid);
    bad = request();
    bad.config.entrypoint = {{""}};
    bad.config.cmd = std::vector<std::string>{};
    EXPECT_EQ(refusal(bad).message(), "No command specified");
    bad = request();
    bad.config.env = {std::string("A=b\0c", 5)};
    EXPECT_EQ(refusal(bad).kind(), ErrorKind::invalid);
    bad = request();
    bad.host_config.annotations = {{"io.hako.kernel", "unknown"}};
    EXPECT_EQ(refusal(bad).message(), "No such kernel: unknown");
}

TEST_F(CreateTest, ForeignProgramsNeedAnEmulator) {
    CreateRequest wanted = request("box");
    wanted.platform = oci::Platform{"linux", std::string(kEmulated), ""};
    const auto asked = engine_->create(wanted);
    ASSERT_TRUE(asked) << asked.error().message();
    EXPECT_TRUE(asked->warnings.empty());
    ASSERT_TRUE(engine_->start("box"));
    const auto sandbox = world_.find(asked->id);
    ASSERT_TRUE(sandbox->spec.container.emulator);
    EXPECT_EQ(sandbox->spec.container.emulator->architecture, kEmulated);

    wanted = request();
    wanted.config.image = fmt::format("foreign/{}", kEmulated);
    const auto met = engine_->create(wanted);
    ASSERT_TRUE(met) << met.error().message();
    EXPECT_THAT(met->warnings, ElementsAre(HasSubstr("does not match the detected host platform")));
}

TEST_F(CreateTest, WithoutAnEmulatorSaysWhatToInstall) {
    CreateRequest bad = request();
    bad.config.image = "foreign/riscv64";
    const Error error = refusal(bad);
    EXPECT_EQ(error.kind(), ErrorKind::unimplemented);
    EXPECT_THAT(error.message(), HasSubstr("install an emulator for riscv64"));
}

TEST_F(CreateTest, ReferencesAreIdsNamesAndPrefixes) {
    const std::string id = create("box");
    for (const std::string& reference :
         {id, id.substr(0, 5), std::string("box"), std::string("/box")})
        EXPECT_TRUE(engine_->inspect(reference)) << reference;
    EXPECT_EQ(engine_->inspect("zz").error().message(), "No such container: zz");
    EXPECT_FALSE(engine_->inspect(""));
}

TEST_F(CreateTest, ListFilters) {
    CreateRequest labelled = request("web");
    labelled.config.labels = {{"tier", "front"}};
    labelled.config.exposed_ports = {"80/tcp", "53/udp"};
    labelled.host_config_json = R"({"PortBindings":{"80":[{"HostPort":"8080"}]}})";
    const std::string web = create(labelled);
    const std::string job = run("job");
    const auto names = [&](const ListFilter& filter) {
        std::vector<std::string> found;
        const auto listed = engine_->list(filter);
        EXPECT_TRUE(listed);
        if (listed)
            for (const Container& container : *listed) found.push_back(container.name);
        return found;
    };
    EXPECT_THAT(names({}), ElementsAre("job"));
    EXPECT_THAT(names({.all = true}), ElementsAre("job", "web"));
    EXPECT_THAT(names({.limit = 1}), ElementsAre("job"));
    EXPECT_THAT(names({.all = true, .names = {"^/web$"}}), ElementsAre("web"));
    EXPECT_THAT(names({.all = true, .labels = {"tier=front"}}), ElementsAre("web"));
    EXPECT_THAT(names({.all = true, .labels = {"tier=back"}}), ElementsAre());
    EXPECT_THAT(names({.statuses = {"created"}}), ElementsAre("web"));
    EXPECT_THAT(names({.all = true, .since = web}), ElementsAre("job"));
    EXPECT_THAT(names({.all = true, .before = job}), ElementsAre("web"));
    EXPECT_THAT(names({.all = true, .ancestors = {"busybox"}}), ElementsAre("job", "web"));
    EXPECT_THAT(names({.all = true, .exposed = {"1/tcp", "53/udp"}}), ElementsAre("web"));
    EXPECT_THAT(names({.all = true, .exposed = {"53/tcp"}}), ElementsAre());
    EXPECT_THAT(names({.all = true, .exposed = {"7/udp"}}), ElementsAre("job", "web"));
    EXPECT_THAT(names({.all = true, .published = {"80/tcp"}}), ElementsAre("web"));
    EXPECT_THAT(names({.all = true, .published = {"8080/tcp"}}), ElementsAre());
    EXPECT_FALSE(engine_->list({.statuses = {"sleepy"}}));
}

}  // namespace
}  // namespace hako::engine
