#include "cli/program_fixture.h"

namespace hako::cli {
namespace {

using ImageCommandsTest = ProgramTest;

TEST_F(ImageCommandsTest, ListsAndChangesImages) {
    answer("GET", "/v1.44/images/json", 200,
           {{{"Id", "sha256:0123456789abcdef"},
             {"RepoTags", {"127.0.0.1:5000/app:1", "app:2"}},
             {"RepoDigests", {"app@sha256:d"}},
             {"Created", 0},
             {"Size", 4260000}},
            {{"Id", "sha256:1"}, {"RepoTags", nullptr}, {"Created", 0}, {"Size", 1}}});
    answer("DELETE", "/v1.44/images/{name:*}", 200,
           {{{"Untagged", "app:2"}}, {{"Deleted", "sha256:0"}}});
    answer("POST", "/v1.44/images/{name:*}/tag", 201, nullptr);
    serve();
    EXPECT_EQ(run({"images"}), 0);
    EXPECT_EQ(program_.out(),
              "REPOSITORY           TAG       IMAGE ID       CREATED   SIZE\n"
              "127.0.0.1:5000/app   1         0123456789ab   N/A       4.26MB\n"
              "app                  2         0123456789ab   N/A       4.26MB\n"
              "<none>               <none>    1              N/A       1B\n");
    EXPECT_EQ(run({"rmi", "app:2"}), 0);
    EXPECT_EQ(program_.out(), "Untagged: app:2\nDeleted: sha256:0\n");
    EXPECT_EQ(run({"tag", "app:2", "127.0.0.1:5000/x/y:3"}), 0);
    EXPECT_EQ(requests().back(),
              "POST /v1.44/images/app%3A2/tag?repo=127.0.0.1%3A5000%2Fx%2Fy&tag=3");
}

TEST_F(ImageCommandsTest, ShowsPlatformsWhenAsked) {
    answer(
        "GET", "/v1.44/images/json", 200,
        {{{"Id", "sha256:0"},
          {"RepoTags", {"app:1"}},
          {"Created", 0},
          {"Size", 1},
          {"Manifests",
           {{{"ImageData",
              {{"Platform", {{"os", "linux"}, {"architecture", "arm"}, {"variant", "v7"}}}}}}}}}});
    serve();
    EXPECT_EQ(run({"images", "--format", "{{.Platform}}"}), 0);
    EXPECT_EQ(program_.out(), "linux/arm/v7\n");
    EXPECT_EQ(run({"images", "--platforms"}), 0);
    EXPECT_NE(program_.out().find("PLATFORM"), std::string::npos);
}

TEST_F(ImageCommandsTest, SavesToAFileThatIsCompleteOrNotThere) {
    stream("GET", "/v1.44/images/get", "the archive");
    serve();
    const auto file = program_.folder() / "saved.tar";
    EXPECT_EQ(run({"save", "-o", file, "--format", "oci", "a:1", "b"}), 0);
    EXPECT_EQ(read_file(file).value(), "the archive");
    EXPECT_EQ(requests().back(), "GET /v1.44/images/get?names=a%3A1&names=b&format=oci");
    EXPECT_EQ(run({"save", "--format", "zip", "a"}), 1);
    EXPECT_EQ(run({"save", "-o", "/no/such/folder/x", "a"}), 1);
}

TEST_F(ImageCommandsTest, ASaveThatFailsLeavesNoFile) {
    fail_with("GET", "/v1.44/images/get", ErrorKind::not_found, "No such image: a:latest");
    serve();
    EXPECT_EQ(run({"save", "-o", program_.folder() / "saved.tar", "a"}), 1);
    EXPECT_FALSE(std::filesystem::exists(program_.folder() / "saved.tar"));
}

TEST_F(ImageCommandsTest, LoadsAFolderAsATar) {
    std::string received;
    add("POST", "/v1.44/images/load", [&](http::Request& request, http::Response& response) {
        received = request.read_body().value_or("");
        return response.send(200, "application/json", "{\"stream\":\"Loaded image: a:1\\n\"}\n");
    });
    serve();
    const auto folder = program_.folder() / "layout";
    EXPECT_EQ(run({"load", "-i", program_.folder()}), 1);
    EXPECT_NE(program_.err().find("is no OCI layout"), std::string::npos);
    std::filesystem::create_directories(folder / "blobs/sha256");
    for (const auto* name : {"oci-layout", "index.json", "blobs/sha256/0123", "unrelated"})
        ASSERT_TRUE(write_file(folder / name, std::string("content of ") + name));
    EXPECT_EQ(run({"load", "-i", folder}), 0);
    EXPECT_EQ(program_.out(), "Loaded image: a:1\n");
    for (const auto* name : {"oci-layout", "index.json", "blobs/sha256/0123"})
        EXPECT_NE(received.find(std::string("content of ") + name), std::string::npos) << name;
    EXPECT_EQ(received.find("unrelated"), std::string::npos);
}

TEST_F(ImageCommandsTest, ImportsWithChanges) {
    stream("POST", "/v1.44/images/create", "{\"status\":\"sha256:0\"}\n");
    serve();
    const auto file = program_.folder() / "rootfs.tar";
    ASSERT_TRUE(write_file(file, "tar"));
    EXPECT_EQ(run({"import", "-c", "ENV A=1", "-m", "why", file, "base:2"}), 0);
    EXPECT_EQ(program_.out(), "sha256:0\n");
    EXPECT_EQ(
        requests().back(),
        "POST /v1.44/images/create?fromSrc=-&repo=base&tag=2&changes=ENV%20A%3D1&message=why");
    EXPECT_EQ(run({"import", "http://host/x.tar"}), 1);
    EXPECT_NE(program_.err().find("curl -L"), std::string::npos);
}

TEST_F(ImageCommandsTest, ShowsTheHistory) {
    answer("GET", "/v1.44/images/app/history", 200,
           {{{"Id", "sha256:0123456789abcdef"},
             {"Created", 0},
             {"CreatedBy", "COPY a b"},
             {"Size", 2000},
             {"Comment", "c"}},
            {{"Id", "<missing>"}, {"Created", 0}, {"CreatedBy", "ADD"}, {"Size", 0}}});
    serve();
    EXPECT_EQ(run({"history", "app"}), 0);
    EXPECT_EQ(program_.out(),
              "IMAGE          CREATED   CREATED BY   SIZE      COMMENT\n"
              "0123456789ab   N/A       COPY a b     2kB       c\n"
              "<missing>      N/A       ADD          0B        \n");
    EXPECT_EQ(run({"history", "-q", "app"}), 0);
    EXPECT_EQ(program_.out(), "0123456789ab\n<missing>\n");
}

TEST_F(ImageCommandsTest, PrunesWhenConfirmed) {
    answer("POST", "/v1.44/images/prune", 200,
           {{"ImagesDeleted", {{{"Untagged", "a:1"}}, {{"Deleted", "sha256:0"}}}},
            {"SpaceReclaimed", 2000}});
    serve();
    EXPECT_EQ(run({"image", "prune"}, "n\n"), 1);
    EXPECT_NE(program_.out().find("all dangling images"), std::string::npos);
    EXPECT_EQ(run({"image", "prune", "-a", "--filter", "until=24h"}, "y\n"), 0);
    EXPECT_NE(program_.out().find("Deleted Images:\nUntagged: a:1\nDeleted: sha256:0\n\n"
                                  "Total reclaimed space: 2kB\n"),
              std::string::npos);
    EXPECT_EQ(requests().back(),
              "POST /v1.44/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%2C%22until%22"
              "%3A%5B%2224h%22%5D%7D");
}

TEST_F(ImageCommandsTest, ShowsWhatTheDiskHolds) {
    answer("GET", "/v1.44/system/df", 200,
           {{"LayersSize", 4000},
            {"Images",
             {{{"Id", "sha256:0"},
               {"RepoTags", {"app:1"}},
               {"Size", 1500},
               {"SharedSize", 500},
               {"Containers", 1}},
              {{"Id", "sha256:1"}, {"RepoTags", nullptr}, {"Size", 500}, {"SharedSize", 500}}}},
            {"Containers",
             {{{"Id", "c"}, {"Names", {"/web"}}, {"State", "exited"}, {"SizeRw", 100}},
              {{"Id", "d"}, {"Names", {"/db"}}, {"State", "running"}, {"SizeRw", 300}}}}});
    serve();
    EXPECT_EQ(run({"system", "df"}), 0);
    EXPECT_EQ(program_.out(),
              "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n"
              "Images          2         1         4kB       3kB (75%)\n"
              "Containers      2         1         400B      100B (25%)\n"
              "Local Volumes   0         0         0B        0B\n"
              "Build Cache     0         0         0B        0B\n");
    EXPECT_EQ(run({"system", "df", "-v"}), 0);
    EXPECT_NE(program_.out().find("UNIQUE SIZE"), std::string::npos);
    EXPECT_NE(program_.out().find("web"), std::string::npos);
}

TEST_F(ImageCommandsTest, CheckExitsWithOneWhereSomethingIsWrong) {
    answer("POST", "/hako/v1/system/check", 200,
           {{"Images", 1},
            {"Layers", 2},
            {"Blobs", 4},
            {"Views", 1},
            {"Findings",
             {{{"Subject", "layer a"}, {"Problem", "it is missing"}, {"Remedy", "removed"}}}}});
    serve();
    EXPECT_EQ(run({"system", "check"}), 1);
    EXPECT_EQ(program_.out(),
              "layer a: it is missing - removed\n"
              "Checked 1 images, 2 layers, 4 blobs and 1 views: run with --repair\n");
    EXPECT_EQ(run({"system", "check", "--repair"}), 0);
    EXPECT_EQ(requests().back(), "POST /hako/v1/system/check?repair=1");
}

}  // namespace
}  // namespace hako::cli
