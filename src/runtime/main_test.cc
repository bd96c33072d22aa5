#include <gtest/gtest.h>

#include <csignal>

int main(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_IGN);  // as our programs do
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
