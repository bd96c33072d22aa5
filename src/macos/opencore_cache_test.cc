#include "macos/opencore_cache.h"

#include <gmock/gmock.h>

#include "base/fd.h"
#include "base/sha256.h"
#include "macos/fetch_lock.h"
#include "oci/fake_server.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;
using oci::testing::FakeRequest;
using oci::testing::FakeResponse;
using oci::testing::FakeServer;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class OpenCoreCacheTest : public ::testing::Test {
protected:
    OpenCoreFile file(const std::string& name, std::string_view content) const {
        return {.name = name,
                .version = "1",
                .sha256 = sha256_hex(as_bytes(content)),
                .url = "http://" + server_.address() + "/far/" + name + ".zip?x=/y"};
    }
    OpenCoreOptions options() const {
        return {.files = {file("OpenCore", "loader"), file("Lilu", "kext")},
                .mirror = mirror_,
                .watch = {.on_wait = on_wait_, .on_bytes = on_bytes_},
                .pause = std::chrono::milliseconds(1),
                .transport = {.connect_timeout = std::chrono::seconds(5),
                              .stall_timeout = std::chrono::seconds(1)}};
    }
    OpenCoreCache cache() { return {folder(), options()}; }
    fs::path folder() const { return temporary_.path() / "cache"; }
    std::string failure() {
        const auto fetched = cache().fetch({});
        return fetched ? "" : fetched.error().message();
    }
    std::vector<std::string> asked() const {
        std::vector<std::string> targets;
        for (const auto& request : server_.requests()) targets.push_back(request.target);
        return targets;
    }
    // As the cache calls it.
    static std::string kept_name(const std::string& name, std::string_view content) {
        return sha256_hex(as_bytes(content)).substr(0, 12) + "-" + name + ".zip";
    }
    std::vector<std::string> kept() const {
        std::vector<std::string> names;
        for (const auto& item : fs::directory_iterator(folder()))
            names.push_back(item.path().filename());
        return names;
    }

    TempDir temporary_ = TempDir::create().value();
    std::function<void(const FakeRequest&, FakeResponse&)> change_;
    std::string mirror_;
    std::function<void()> on_wait_;
    DownloadProgress on_bytes_;
    FakeServer server_{[this](const FakeRequest& request) {
        FakeResponse response{.body = request.target.find("Lilu") == std::string::npos ? "loader"
                                                                                       : "kext"};
        if (change_) change_(request, response);
        return response;
    }};
};

TEST_F(OpenCoreCacheTest, FetchesOnceWhatHasItsSum) {
    const auto sources = cache().fetch({}).value();
    ASSERT_EQ(sources.size(), 2U);
    EXPECT_EQ(sources[0].path, folder() / kept_name("OpenCore", "loader"));
    EXPECT_EQ(read_file(sources[1].path).value(), "kext");
    EXPECT_EQ(sources[1].sha256, sha256_hex(as_bytes("kext"))) << "it is looked at again when used";
    EXPECT_THAT(asked(), ElementsAre("/far/OpenCore.zip?x=/y", "/far/Lilu.zip?x=/y"));
    EXPECT_EQ(failure(), "");
    EXPECT_EQ(asked().size(), 2U) << "they were here";
    ASSERT_TRUE(replace_file(sources[1].path, "changed", 0644));
    EXPECT_EQ(failure(), "");
    EXPECT_EQ(read_file(sources[1].path).value(), "kext");
    EXPECT_THAT(kept(), UnorderedElementsAre(kept_name("Lilu", "kext"),
                                             kept_name("OpenCore", "loader"), "lock"));
}

TEST_F(OpenCoreCacheTest, KeepsNothingThatIsAnotherFile) {
    change_ = [](const auto& request, auto& response) {
        if (request.target.find("Lilu") != std::string::npos) response.body = "evil";
    };
    const auto fetched = cache().fetch({});
    ASSERT_FALSE(fetched);
    EXPECT_EQ(fetched.error().kind(), ErrorKind::corrupt);
    EXPECT_THAT(fetched.error().message(), HasSubstr(sha256_hex(as_bytes("evil"))));
    EXPECT_THAT(fetched.error().message(), HasSubstr(sha256_hex(as_bytes("kext"))));
    EXPECT_THAT(kept(), UnorderedElementsAre(kept_name("OpenCore", "loader"), "lock"));
}

TEST_F(OpenCoreCacheTest, TriesAgainWhatPasses) {
    change_ = [tries = 0](const auto&, auto& response) mutable {
        ++tries;
        if (tries == 1) response.status = 503;
        if (tries == 2) response.cut_after = 3;
    };
    EXPECT_EQ(failure(), "");
    EXPECT_EQ(asked().size(), 4U);
}

TEST_F(OpenCoreCacheTest, GivesUpWhereThereIsNothing) {
    change_ = [](const auto&, auto& response) { response.status = 404; };
    EXPECT_THAT(failure(), HasSubstr("/far/OpenCore.zip?x=/y: the server answers with status 404"));
    EXPECT_EQ(asked().size(), 1U);
    change_ = [](const auto&, auto& response) { response.drop = true; };
    EXPECT_THAT(failure(), HasSubstr("cannot fetch OpenCore 1, which macOS boots with"));
    EXPECT_EQ(asked().size(), 4U);
}

TEST_F(OpenCoreCacheTest, AsksAMirror) {
    for (const auto* end : {"", "/"}) {
        mirror_ = "http://" + server_.address() + "/near" + end;
        fs::remove_all(folder());
        EXPECT_EQ(failure(), "");
        EXPECT_EQ(asked().back(), "/near/Lilu.zip");
    }
}

TEST_F(OpenCoreCacheTest, WritesNothingWhereAllIsHere) {
    ASSERT_TRUE(cache().fetch({}));
    fs::remove(folder() / "lock");
    EXPECT_EQ(failure(), "");
    EXPECT_FALSE(fs::exists(folder() / "lock")) << "it may be another user's";
}

TEST_F(OpenCoreCacheTest, ListsWithTheSameNamesShareIt) {
    ASSERT_TRUE(cache().fetch({}));
    auto others = options();
    others.files = {file("Lilu", "another")};
    change_ = [](const auto&, auto& response) { response.body = "another"; };
    ASSERT_TRUE(OpenCoreCache(folder(), others).fetch({}));
    change_ = [](const auto&, auto& response) { response.status = 404; };
    EXPECT_EQ(failure(), "") << "the first list's is still here";
}

TEST_F(OpenCoreCacheTest, CountsWhatComes) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> told;
    on_bytes_ = [&](std::uint64_t done, std::uint64_t total) { told.emplace_back(done, total); };
    EXPECT_EQ(failure(), "");
    ASSERT_FALSE(told.empty());
    EXPECT_EQ(told.front().second, 6U) << "the length of \"loader\"";
    EXPECT_EQ(told.back(), (std::pair<std::uint64_t, std::uint64_t>(4, 4)));
}

TEST_F(OpenCoreCacheTest, AFailureSaysWhatToDo) {
    change_ = [](const auto&, auto& response) { response.status = 404; };
    EXPECT_THAT(failure(), HasSubstr("OPENCORE_MIRROR) or files of your own (--opencore"));
    EXPECT_THAT(failure(), EndsWith("import here (`hako macos import FOLDER`)"));
    change_ = [](const auto&, auto& response) { response.body = "evil"; };
    EXPECT_THAT(failure(), HasSubstr("OPENCORE_MIRROR"));
    std::stop_source stopped;
    stopped.request_stop();
    EXPECT_THAT(cache().fetch(stopped.get_token()).error().message(),
                Not(HasSubstr("OPENCORE_MIRROR")));
}

TEST_F(OpenCoreCacheTest, AServerThatOnlyRedirectsIsNoRegistry) {
    change_ = [this](const auto& request, auto& response) {
        response.status = 302;
        response.headers = {"Location: http://" + server_.address() + request.target};
    };
    EXPECT_THAT(failure(), HasSubstr("is the server set up right?"));
}

TEST_F(OpenCoreCacheTest, APasswordIsNotTold) {
    mirror_ = "http://me:secret@" + server_.address() + "/near";
    change_ = [](const auto&, auto& response) { response.status = 404; };
    EXPECT_THAT(failure(), HasSubstr("http://" + server_.address() + "/near/OpenCore.zip: "));
    EXPECT_THAT(failure(), Not(HasSubstr("secret")));
    EXPECT_EQ(server_.requests().back().header("authorization").substr(0, 6), "Basic ");
    change_ = [](const auto&, auto& response) { response.body = "evil"; };
    EXPECT_THAT(failure(), Not(HasSubstr("secret")));
}

TEST_F(OpenCoreCacheTest, WaitsForAnotherThatFetches) {
    auto other = std::optional(take_fetch_lock(folder()).value());
    int waits = 0;
    on_wait_ = [&] {
        ++waits;
        EXPECT_TRUE(asked().empty());
        other.reset();
    };
    EXPECT_EQ(failure(), "");
    EXPECT_EQ(waits, 1);
}

TEST_F(OpenCoreCacheTest, IsCarriedToAnotherMachine) {
    const auto away = temporary_.path() / "away";
    EXPECT_EQ(cache().export_to(away).error().kind(), ErrorKind::not_found);
    ASSERT_TRUE(cache().fetch({}));
    ASSERT_TRUE(cache().export_to(away));
    OpenCoreCache other(temporary_.path() / "other", options());
    change_ = [](const auto&, auto& response) { response.status = 404; };
    EXPECT_THAT(other.import(temporary_.path()).value(), ElementsAre("OpenCore.zip", "Lilu.zip"));
    EXPECT_THAT(other.import(away).value(), IsEmpty());
    EXPECT_TRUE(other.fetch({})) << "nothing is asked of anybody";
    EXPECT_THAT(other.import(temporary_.path()).value(), IsEmpty()) << "they are here";
    ASSERT_TRUE(replace_file(away / "Lilu.zip", "changed", 0644));
    EXPECT_EQ(other.import(away).error().kind(), ErrorKind::corrupt);
    EXPECT_TRUE(other.fetch({})) << "what was here is still";
}

TEST(OpenCoreListTest, TheReleaseIsTheOneThatTheConfigurationIsFor) {
    const auto& files = opencore_release();
    EXPECT_EQ(files.front().file_name(), "OpenCore-1.0.8-RELEASE.zip");
    for (const auto& file : files) {
        EXPECT_TRUE(file.url.starts_with("https://github.com/acidanthera/")) << file.url;
        EXPECT_TRUE(file.file_name().ends_with(".zip"));
    }
}

TEST(OpenCoreListTest, AWrongLineIsNamed) {
    auto folder = TempDir::create().value();
    const auto list = folder.path() / "list.csv";
    const std::string sum(64, 'A');
    const auto refusal = [&](const std::string& lines) {
        EXPECT_TRUE(replace_file(list, "name,version,sha256,url\n" + lines, 0644));
        const auto files = read_opencore_list(list);
        return files ? std::string() : files.error().message();
    };
    EXPECT_EQ(refusal("A,1," + sum + ",https://h/a.zip\r\n"), "");
    EXPECT_EQ(read_opencore_list(list)->front().sha256, std::string(64, 'a'));
    EXPECT_EQ(read_opencore_list(list)->front().file_name(), "a.zip");
    EXPECT_THAT(refusal(""), HasSubstr("at least one line"));
    EXPECT_EQ(refusal(" A , 1 , " + sum + " , https://h/a.zip \n \n"), "");
    EXPECT_EQ(read_opencore_list(list)->front().name, "A");
    const auto good = "A,1," + sum + ",https://h/a.zip\n\n";
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {"A,1," + sum, "no URL"},
        {"A,1,12,https://h/a.zip", "no SHA-256"},
        {"A,1," + sum + ",a.zip", "no URL"},
        {"A,1," + sum + ",ftp://h/b.zip", "http or https"},
        {"A,1," + sum + ",file:///b.zip", "http or https"},
        {"A,1," + sum + ",https://h/", "no file's name"},
        {"A,1," + sum + ",https://h/..", "no file's name"},
        {"A,1," + sum + ",https://h/else/a.zip", "called a.zip, too"}};
    for (const auto& [line, why] : wrong) {
        const auto message = refusal(good + line);
        EXPECT_THAT(message, StartsWith(list.native() + ": line 4: ")) << line;
        EXPECT_THAT(message, HasSubstr(why)) << line;
    }
    EXPECT_THAT(refusal("A,1," + sum + ",ftp://me:secret@h/a.zip"), Not(HasSubstr("secret")));
    EXPECT_EQ(read_opencore_list("/nowhere").error().kind(), ErrorKind::not_found);
}

TEST(OpenCoreMirrorTest, IsAFolderOfTheWeb) {
    EXPECT_EQ(opencore_options("", "https://h/oc")->mirror, "https://h/oc");
    for (const auto* wrong : {"here", "ftp://h/oc", "https://h/oc?a=b", "https://h/oc#a",
                              "http:/me:secret@h/oc", "http:///me:secret@h/oc"})
        EXPECT_THAT(opencore_options("", wrong).error().message(),
                    HasSubstr("the URL of a folder (http or https)"));
}

}  // namespace
}  // namespace hako::macos
