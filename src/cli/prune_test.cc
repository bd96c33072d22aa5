#include "cli/program_fixture.h"

namespace hako::cli {
namespace {

using PruneTest = ProgramTest;

TEST_F(PruneTest, TellsWhatIsGoneOfEachKind) {
    answer("POST", "/v1.44/containers/prune", 200,
           {{"ContainersDeleted", {"c1", "c2"}}, {"SpaceReclaimed", 2000}});
    answer("POST", "/v1.44/volumes/prune", 200,
           {{"VolumesDeleted", {"v1"}}, {"SpaceReclaimed", 0}});
    answer("POST", "/v1.44/networks/prune", 200, {{"NetworksDeleted", {"n1"}}});
    serve();
    EXPECT_EQ(run({"container", "prune", "-f", "--filter", "until=24h"}), 0);
    EXPECT_EQ(program_.out(), "Deleted Containers:\nc1\nc2\n\nTotal reclaimed space: 2kB\n");
    EXPECT_EQ(requests().back(),
              "POST /v1.44/containers/prune?filters=%7B%22until%22%3A%5B%2224h%22%5D%7D");
    EXPECT_EQ(run({"volume", "prune", "-af"}), 0);
    EXPECT_EQ(program_.out(), "Deleted Volumes:\nv1\n\nTotal reclaimed space: 0B\n");
    EXPECT_EQ(requests().back(),
              "POST /v1.44/volumes/prune?filters=%7B%22all%22%3A%5B%22true%22%5D%7D");
    EXPECT_EQ(run({"network", "prune", "-f"}), 0);
    EXPECT_EQ(program_.out(), "Deleted Networks:\nn1\n\n");
    EXPECT_EQ(requests().back(), "POST /v1.44/networks/prune");
}

TEST_F(PruneTest, SaysWhenNothingWasUnused) {
    answer("POST", "/v1.44/containers/prune", 200,
           {{"ContainersDeleted", nullptr}, {"SpaceReclaimed", 0}});
    answer("POST", "/v1.44/networks/prune", 200, {{"NetworksDeleted", nullptr}});
    serve();
    EXPECT_EQ(run({"container", "prune", "-f"}), 0);
    EXPECT_EQ(program_.out(), "Total reclaimed space: 0B\n");
    EXPECT_EQ(run({"network", "prune", "-f"}), 0);
    EXPECT_EQ(program_.out(), "");
}

TEST_F(PruneTest, AsksBefore) {
    serve();
    for (const auto& [kind, what] : {std::pair("container", "all stopped containers."),
                                     std::pair("volume", "anonymous local volumes"),
                                     std::pair("network", "that no running container is on.")}) {
        EXPECT_EQ(run({kind, "prune"}, "n\n"), 1);
        EXPECT_NE(program_.out().find(what), std::string::npos) << program_.out();
    }
    EXPECT_EQ(run({"volume", "prune", "-a"}, "n\n"), 1);
    EXPECT_NE(program_.out().find("all volumes not used"), std::string::npos);
    EXPECT_EQ(requests(), std::vector<std::string>());
}

}  // namespace
}  // namespace hako::cli
