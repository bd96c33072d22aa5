#include "oci/config_change.h"

#include <gtest/gtest.h>

namespace hako::oci {
namespace {

Json changed(std::initializer_list<std::string_view> instructions) {
    Json config = Json::object();
    for (const auto instruction : instructions) {
        const auto applied = apply_change(config, instruction);
        EXPECT_TRUE(applied) << applied.error().message();
    }
    return config;
}

TEST(ConfigChange, KnowsTheInstructions) {
    EXPECT_EQ(changed({R"(CMD ["sh", "-c"])"})["Cmd"], Json({"sh", "-c"}));
    EXPECT_EQ(changed({"cmd echo hi"})["Cmd"], Json({"/bin/sh", "-c", "echo hi"}));
    EXPECT_EQ(changed({R"(ENTRYPOINT ["/init"])"})["Entrypoint"], Json({"/init"}));
    EXPECT_EQ(changed({"ENV A=1 B='x y' C=\"a\\\"b\"", "ENV A=2", "ENV D e f"})["Env"],
              Json({"A=2", "B=x y", "C=a\"b", "D=e f"}));
    EXPECT_EQ(changed({"LABEL a=b c=\"d e\""})["Labels"], Json({{"a", "b"}, {"c", "d e"}}));
    EXPECT_EQ(changed({"EXPOSE 80 53/udp"})["ExposedPorts"],
              Json({{"80/tcp", Json::object()}, {"53/udp", Json::object()}}));
    EXPECT_EQ(changed({"VOLUME /a /b", R"(VOLUME ["/c d"])"})["Volumes"].size(), 3U);
    EXPECT_EQ(changed({"WORKDIR /srv", "WORKDIR app/../web"})["WorkingDir"], "/srv/web");
    EXPECT_EQ(changed({"USER app:app"})["User"], "app:app");
    EXPECT_EQ(changed({"STOPSIGNAL SIGINT"})["StopSignal"], "SIGINT");
    EXPECT_EQ(changed({"ONBUILD RUN true"})["OnBuild"], Json({"RUN true"}));
    const Json check = changed({"HEALTHCHECK --interval=5s --retries=3 CMD true"})["Healthcheck"];
    EXPECT_EQ(check["Test"], Json({"CMD-SHELL", "true"}));
    EXPECT_EQ(check["Interval"], 5'000'000'000);
    EXPECT_EQ(check["Retries"], 3);
    EXPECT_EQ(changed({"HEALTHCHECK NONE"})["Healthcheck"]["Test"], Json({"NONE"}));
}

TEST(ConfigChange, RefusesTheRestByName) {
    for (const auto* bad : {"", "CMD", "RUN true", "ENV A", "ENV =1", "ENV A='x", "EXPOSE http",
                            "EXPOSE 80/abc", "HEALTHCHECK --every=1s CMD x", "HEALTHCHECK maybe"}) {
        Json config = Json::object();
        const auto applied = apply_change(config, bad);
        ASSERT_FALSE(applied) << bad;
        EXPECT_EQ(applied.error().kind(), ErrorKind::invalid);
    }
}

}  // namespace
}  // namespace hako::oci
