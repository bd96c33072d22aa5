#include "oci/tls_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/paths.h"

namespace hako::oci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TlsFilesTest : public ::testing::Test {
protected:
    void put(const std::string& name) const {
        const auto path = folder_.path() / name;
        ASSERT_TRUE(make_folders(path.parent_path()));
        ASSERT_TRUE(write_file(path, "x"));
    }
    Result<TlsFiles> find(std::string_view host) const {
        return find_tls_files({folder_.path() / "a", folder_.path() / "b"}, host);
    }
    TempDir folder_ = *TempDir::create();
};

TEST_F(TlsFilesTest, FindsWhatIsThereForAHostAndItsPort) {
    put("a/host:5000/ca.crt");
    put("a/host:5000/client.cert");
    put("a/host:5000/client.key");
    put("a/host:5000/second.cert");
    put("a/host:5000/second.key");
    put("a/host:5000/notes.txt");
    put("b/host:5000/more.crt");
    put("b/host/other.crt");
    const auto files = find("host:5000");
    ASSERT_TRUE(files);
    EXPECT_THAT(files->authorities, ElementsAre(folder_.path() / "a/host:5000/ca.crt",
                                                folder_.path() / "b/host:5000/more.crt"));
    EXPECT_EQ(files->certificate.filename(), "client.cert");
    EXPECT_EQ(files->key.filename(), "client.key");
    EXPECT_THAT(find("nobody")->authorities, IsEmpty());
}

TEST_F(TlsFilesTest, HalfAPairIsAnErrorThatNamesTheOtherHalf) {
    put("a/one/client.cert");
    put("a/two/client.key");
    EXPECT_THAT(find("one").error().message(), HasSubstr("one/client.key"));
    EXPECT_THAT(find("two").error().message(), HasSubstr("two/client.cert"));
}

TEST_F(TlsFilesTest, AHostIsNoPath) {
    put("ca.crt");
    put("a/ca.crt");
    for (const char* host : {"", ".", "..", "../a", "/"})
        EXPECT_THAT(find(host)->authorities, IsEmpty()) << host;
}

}  // namespace
}  // namespace hako::oci
