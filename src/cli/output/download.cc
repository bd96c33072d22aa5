#include "cli/output/download.h"

#include <fcntl.h>

#include <filesystem>
#include <vector>

#include "base/units.h"

namespace hako::cli {
namespace {

constexpr std::size_t kPieceBytes = 256U << 10U;

Result<void> copy(Reader& from, int to) {
    std::vector<std::byte> buffer(kPieceBytes);
    while (true) {
        HAKO_TRY(const auto count, from.read(buffer));
        if (count == 0) return {};
        HAKO_CHECK(write_all(to, std::span(buffer).first(count)));
    }
}

// The file appears complete or not at all.
Result<void> copy_to_file(Reader& from, const std::string& path) {
    const auto partial = fmt::format("{}.{}.partial", path, random_id().substr(0, 8));
    HAKO_TRY(const auto file, open_file(partial, O_WRONLY | O_CREAT | O_EXCL, 0600));
    auto done = copy(from, file.get());
    std::error_code error;
    if (done) {
        std::filesystem::rename(partial, path, error);
        if (error) done = fail_errno(error.value(), "cannot write {}", path);
    }
    if (!done) std::filesystem::remove(partial, error);
    return done;
}

}  // namespace

Result<void> check_output(const Stdio& io, const std::string& output) {
    if (!output.empty() || !io.out_is_terminal()) return {};
    return fail(ErrorKind::invalid,
                "cowardly refusing to save to a terminal: use -o or redirect the output");
}

Result<void> download(Reader& from, const Stdio& io, const std::string& output) {
    return output.empty() ? copy(from, io.out) : copy_to_file(from, output);
}

}  // namespace hako::cli
