#include "cli/output/download.h"

#include <fcntl.h>

#include <filesystem>

#include "base/stream.h"
#include "base/units.h"

namespace hako::cli {
namespace {

// The file appears complete or not at all.
Result<void> copy_to_file(Reader& from, const std::string& path) {
    const auto partial = fmt::format("{}.{}.partial", path, random_id().substr(0, 8));
    HAKO_TRY(const auto file, open_file(partial, O_WRONLY | O_CREAT | O_EXCL, 0600));
    FdWriter to(file.get());
    Result<void> done = copy_all(from, to).map([](auto) {});
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
    if (!output.empty()) return copy_to_file(from, output);
    FdWriter out(io.out);
    HAKO_CHECK(copy_all(from, out));
    return {};
}

}  // namespace hako::cli
