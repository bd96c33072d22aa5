#include "macshim/power_buttons.h"

#include <gmock/gmock.h>

#include <condition_variable>
#include <vector>

#include "base/guarded.h"

namespace hako::macshim {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class PowerButtons : public ::testing::Test {
protected:
    void TearDown() override { end_.reset(); }  // as the viewer's end does
    void listen() {
        auto pipe = make_pipe().value();
        end_ = std::move(pipe.second);
        listener_ = listen_to_buttons(
            std::move(pipe.first), [this](const std::string& button, const std::stop_token& stop) {
                auto pressed = pressed_.lock();
                pressed->push_back(button);
                changed_.notify_all();
                // A guest that does not shut down.
                if (button == "stop") changed_.wait(pressed.lock(), stop, [] { return false; });
            });
    }
    std::vector<std::string> pressed(std::size_t count) {
        auto pressed = pressed_.lock();
        changed_.wait_for(pressed.lock(), std::chrono::seconds(10),
                          [&] { return pressed->size() >= count; });
        return *pressed;
    }

    Fd end_;
    Guarded<std::vector<std::string>> pressed_;
    std::condition_variable_any changed_;
    std::jthread listener_;
};

TEST_F(PowerButtons, DoNotWaitForEachOther) {
    listen();
    ASSERT_TRUE(write_all(end_.get(), "stop\n"));
    EXPECT_THAT(pressed(1), ElementsAre("stop"));
    ASSERT_TRUE(write_all(end_.get(), "stop\nkill\n"));
    EXPECT_THAT(pressed(2), ElementsAre("stop", "kill"));
}

TEST_F(PowerButtons, AreWholeLinesWhereverTheyAreCut) {
    listen();
    ASSERT_TRUE(write_all(end_.get(), std::string(200, 'x') + "\nnonsense\nrestart\nki"));
    EXPECT_THAT(pressed(1), ElementsAre("restart"));
    ASSERT_TRUE(write_all(end_.get(), "ll\n"));
    EXPECT_THAT(pressed(2), UnorderedElementsAre("restart", "kill"));
}

}  // namespace
}  // namespace hako::macshim
