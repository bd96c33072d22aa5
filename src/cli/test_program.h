// For tests: runs commands with their streams in files, and looks at what they wrote.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "cli/command.h"
#include "cli/session.h"

namespace hako::cli {

// A frame of the daemon's multiplexed stream: 1 stdout, 2 stderr.
inline std::string frame(char stream, std::string_view data) {
    std::string text{stream, 0, 0, 0};
    for (int shift = 24; shift >= 0; shift -= 8)
        text += static_cast<char>(data.size() >> static_cast<unsigned>(shift));
    return text.append(data);
}

class TestProgram {
public:
    // Its daemon lives in a folder of the test's own, where none runs.
    TestProgram() : session_({}, {folder_.path() / "root", folder_.path() / "run", {}}) {
        session_.io = {null_.get(), out_.get(), err_.get()};
        ::setenv("DOCKER_CONFIG", (folder_.path() / "docker").c_str(), 1);  // nobody's credentials
    }

    int run(Command& command, const std::vector<std::string>& arguments) {
        clear();
        return command.run(session_, arguments);
    }
    // What the last run wrote.
    std::string out() const { return text(out_); }
    std::string err() const { return text(err_); }
    void clear() {
        for (const Fd* fd : {&out_, &err_}) {
            EXPECT_EQ(::ftruncate(fd->get(), 0), 0);
            EXPECT_EQ(::lseek(fd->get(), 0, SEEK_SET), 0);
        }
    }

    Stdio stdio(int in = -1) const { return {in < 0 ? null_.get() : in, out_.get(), err_.get()}; }
    Session& session() { return session_; }
    const std::filesystem::path& folder() const { return folder_.path(); }

private:
    Fd file(const char* name) const {
        return open_file(folder_.path() / name, O_RDWR | O_CREAT).value();
    }
    static std::string text(const Fd& fd) {
        return read_file("/proc/self/fd/" + std::to_string(fd.get())).value();
    }

    TempDir folder_ = TempDir::create().value();
    Fd null_ = open_file("/dev/null", O_RDWR).value();
    Fd out_ = file("out");
    Fd err_ = file("err");
    Session session_;
};

}  // namespace hako::cli
