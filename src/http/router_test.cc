#include "http/router.h"

#include <gtest/gtest.h>

namespace hako::http {
namespace {

class NoResponse : public Response {
public:
    Fields& headers() override { return headers_; }
    bool started() const override { return false; }
    Result<void> send(int, std::string_view, std::string_view) override { return {}; }
    Result<ResponseStream*> stream(int, std::string_view) override { return nullptr; }
    Result<Hijacked*> hijack(std::string_view) override { return nullptr; }
    Result<Hijacked*> switch_protocol(std::string_view) override { return nullptr; }

private:
    Fields headers_;
};

class RouterTest : public testing::Test {
protected:
    void route(std::string method, std::string pattern) {
        router_.add(method, pattern, [this, pattern](Request& request, Response&) -> Result<void> {
            taken_ = pattern;
            for (const auto& [name, value] : request.parameters) taken_ += " " + name + "=" + value;
            return {};
        });
    }
    // The pattern and parameters of the route taken, or the error.
    std::string go(std::string method, std::string path) {
        Request request;
        request.method = std::move(method);
        request.path = std::move(path);
        NoResponse response;
        const auto result = router_.handle(request, response);
        return result ? taken_ : result.error().message();
    }

    Router router_;
    std::string taken_;
};

TEST_F(RouterTest, FindsByMethodAndPath) {
    route("GET", "/_ping");
    route("POST", "/containers/{id}/start");
    route("DELETE", "/containers/{id}");
    EXPECT_EQ(go("GET", "/_ping"), "/_ping");
    EXPECT_EQ(go("HEAD", "/_ping"), "/_ping");
    EXPECT_EQ(go("POST", "/containers/abc/start"), "/containers/{id}/start id=abc");
    EXPECT_EQ(go("DELETE", "/containers/x"), "/containers/{id} id=x");
    for (const char* path :
         {"/", "", "/_pin", "/_ping/", "/containers//start", "/containers/a/b/start"})
        EXPECT_EQ(go("POST", path), "page not found") << path;
    EXPECT_EQ(go("GET", "/containers/x"), "page not found");
    EXPECT_EQ(go("HEAD", "/containers/x/start"), "page not found");
}

TEST_F(RouterTest, PrefersLiteralsWhateverTheOrder) {
    route("GET", "/containers/{id}/json");
    route("GET", "/images/{name:*}/json");
    route("GET", "/images/json");
    route("GET", "/images/get/json");
    EXPECT_EQ(go("GET", "/images/json"), "/images/json");
    EXPECT_EQ(go("GET", "/images/get/json"), "/images/get/json");
    EXPECT_EQ(go("GET", "/images/gets/json"), "/images/{name:*}/json name=gets");
}

TEST_F(RouterTest, NamesWithSlashes) {
    route("GET", "/images/{name:*}/json");
    route("DELETE", "/images/{name:*}");
    route("POST", "/images/{name:*}/tag");
    EXPECT_EQ(go("GET", "/images/127.0.0.1:5000/a/b:1/json"),
              "/images/{name:*}/json name=127.0.0.1:5000/a/b:1");
    EXPECT_EQ(go("GET", "/images/a/json/json"), "/images/{name:*}/json name=a/json");
    EXPECT_EQ(go("DELETE", "/images/a/b"), "/images/{name:*} name=a/b");
    EXPECT_EQ(go("POST", "/images/a/tag"), "/images/{name:*}/tag name=a");
    EXPECT_EQ(go("GET", "/images//json"), "page not found");
}

}  // namespace
}  // namespace hako::http
