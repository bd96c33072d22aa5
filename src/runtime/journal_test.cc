#include "runtime/journal.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>

#include "runtime/output_log.h"

namespace hako::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class JournalTest : public ::testing::Test {
protected:
    JournalTest() {
        receiver_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        std::ranges::copy(socket().native(), address.sun_path);
        EXPECT_EQ(
            ::bind(receiver_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
    }

    std::filesystem::path socket() const { return dir_.path() / "socket"; }
    OutputLog open() {
        return OutputLog::open({.file = dir_.path() / "log",
                                .journal = {{"CONTAINER_NAME", "app"}, {"ROLE", "a\nb"}},
                                .journal_socket = socket()})
            .value();
    }
    // The datagrams that came.
    std::vector<std::string> received() {
        std::vector<std::string> messages;
        std::string buffer(256 * kKiB, '\0');
        for (;;) {
            const auto count = ::recv(receiver_.get(), buffer.data(), buffer.size(), 0);
            if (count < 0) return messages;
            messages.push_back(buffer.substr(0, static_cast<std::size_t>(count)));
        }
    }

    TempDir dir_ = TempDir::create().value();
    Fd receiver_;
};

const std::string kFields =
    "CONTAINER_NAME=app\nROLE\n" + std::string("\3\0\0\0\0\0\0\0", 8) + "a\nb\n";

TEST_F(JournalTest, EachLineIsAnEntryWithTheFields) {
    OutputLog log = open();
    ASSERT_TRUE(log.append(LogStream::out, as_bytes("one\ntw")));
    ASSERT_TRUE(log.append(LogStream::err, as_bytes("wrong\n")));
    EXPECT_THAT(received(), ElementsAre("MESSAGE=one\nPRIORITY=6\n" + kFields,
                                        "MESSAGE=wrong\nPRIORITY=3\n" + kFields));
    ASSERT_TRUE(log.append(LogStream::out, as_bytes("o\n\nlast")));
    ASSERT_TRUE(log.finish());
    EXPECT_THAT(received(), ElementsAre("MESSAGE=two\nPRIORITY=6\n" + kFields,
                                        "MESSAGE=\nPRIORITY=6\n" + kFields,
                                        "MESSAGE=last\nPRIORITY=6\n" + kFields));
    // The file has it, too: logs and attach read that.
    auto reader = LogReader::open(dir_.path() / "log").value();
    EXPECT_EQ(reader.next().value()->data, "one\ntw");
}

TEST_F(JournalTest, LongLinesComeInParts) {
    OutputLog log = open();
    ASSERT_TRUE(log.append(LogStream::out, as_bytes(std::string(kMaxLogData + 3, 'x') + "\n")));
    const auto messages = received();
    ASSERT_EQ(messages.size(), 2U);
    EXPECT_THAT(messages[0], HasSubstr("\nCONTAINER_PARTIAL_MESSAGE=true\n"));
    EXPECT_THAT(messages[1], ::testing::StartsWith("MESSAGE=xxx\nPRIORITY=6\nCONTAINER_NAME"));
}

TEST_F(JournalTest, AJournalThatIsGoneLosesLinesOfItsOwnOnly) {
    OutputLog log = open();
    receiver_.reset();
    std::filesystem::remove(socket());
    EXPECT_TRUE(log.append(LogStream::out, as_bytes("kept\n")));
    EXPECT_EQ(LogReader::open(dir_.path() / "log").value().next().value()->data, "kept\n");
    auto journal = Journal::open({}, socket()).value();
    EXPECT_THAT(journal.send({.text = "line\n"}).error().message(), HasSubstr(socket().native()));
}

}  // namespace
}  // namespace hako::runtime
