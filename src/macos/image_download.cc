#include "macos/image_download.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <thread>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/thread.h"
#include "base/units.h"
#include "fsimage/output_file.h"

namespace hako::macos {
namespace {

// Of one request: large enough that asking costs nothing, small enough to share the work.
constexpr std::uint64_t kRunBytes = 32 * kMiB;
constexpr std::size_t kMaxErrorBody = 64 * kKiB;

// Pieces that follow each other and are fetched by one request.
using Run = std::deque<Chunk>;

std::deque<Run> make_runs(const std::vector<Chunk>& chunks) {
    std::deque<Run> runs;
    for (const auto& chunk : chunks) {
        const bool goes_on =
            !runs.empty() &&
            runs.back().back().offset + runs.back().back().length == chunk.offset &&
            chunk.offset - runs.back().front().offset < kRunBytes;
        if (!goes_on) runs.emplace_back();
        runs.back().push_back(chunk);
    }
    return runs;
}

// The bytes of an answer, cut into the run's pieces; whole pieces leave the run.
class RunWriter {
public:
    RunWriter(int fd, Run& run, std::function<void(std::uint64_t)> verified)
        : fd_(fd), run_(run), verified_(std::move(verified)), at_(run.front().offset) {}

    Result<void> take(const oci::HttpResponse& head, std::span<const std::byte> data) {
        if (!begun_) {
            begun_ = true;
            // Without ranges the answer begins with the image's first byte.
            skip_ = head.status == 206 ? 0 : at_;
        }
        const auto skipped = std::min<std::uint64_t>(skip_, data.size());
        skip_ -= skipped;
        data = data.subspan(skipped);
        while (!data.empty() && !run_.empty()) {
            const Chunk chunk = run_.front();
            const auto piece =
                data.first(std::min<std::uint64_t>(data.size(), chunk.offset + chunk.length - at_));
            HAKO_CHECK(fsimage::write_at(fd_, at_, piece));
            sum_.update(piece);
            at_ += piece.size();
            data = data.subspan(piece.size());
            if (at_ < chunk.offset + chunk.length) continue;
            if (sum_.hex_digest() != chunk.sha256)
                return fail(ErrorKind::corrupt,
                            "the bytes from {} on are not those that the chunklist tells of",
                            chunk.offset);
            run_.pop_front();
            verified_(chunk.length);
        }
        // A server without ranges goes on: enough.
        if (!data.empty()) return fail(ErrorKind::cancelled, "all is here");
        return {};
    }

private:
    int fd_;
    Run& run_;
    std::function<void(std::uint64_t)> verified_;
    std::uint64_t at_;
    std::uint64_t skip_ = 0;
    bool begun_ = false;
    Sha256 sum_;
};

class Download {
public:
    Download(oci::Transport& transport, const RecoveryOffer& offer, const RenewOffer& renew, int fd,
             const DownloadOptions& options, const DownloadProgress& progress,
             const std::stop_token& stop)
        : transport_(transport),
          renew_(renew),
          fd_(fd),
          options_(options),
          progress_(progress),
          outer_(stop, [this] { stop_.request_stop(); }) {
        offer_.lock()->offer = offer;
    }

    Result<void> run(std::deque<Run> runs, std::uint64_t total) {
        std::uint64_t missing = 0;
        for (const auto& run : runs)
            for (const auto& chunk : run) missing += chunk.length;
        {
            auto state = state_.lock();
            state->runs = std::move(runs);
            state->total = total;
            state->done = total - missing;
            progress_(state->done, total);
        }
        {
            std::vector<std::jthread> workers;
            for (std::size_t i = 0; i < options_.connections; ++i)
                workers.push_back(
                    start_thread("recovery", [this](const std::stop_token&) { work(); }));
        }
        auto state = state_.lock();
        if (state->failure) return fail(*state->failure);
        if (stop_.stop_requested()) return fail(ErrorKind::cancelled, "the download was stopped");
        return {};
    }

private:
    struct Tokens {
        RecoveryOffer offer;
        unsigned generation = 0;
    };
    struct State {
        std::deque<Run> runs;
        std::uint64_t done = 0;
        std::uint64_t total = 0;
        std::optional<Error> failure;
    };

    void work() {
        while (!stop_.stop_requested()) {
            Run run;
            {
                auto state = state_.lock();
                if (state->runs.empty()) return;
                run = std::move(state->runs.front());
                state->runs.pop_front();
            }
            if (auto fetched = fetch(run); !fetched) {
                auto state = state_.lock();
                if (!state->failure && !stop_.stop_requested())
                    state->failure = std::move(fetched).error();
                stop_.request_stop();
            }
        }
    }

    Result<void> fetch(Run& run) {
        int failed = 0;
        while (!run.empty()) {
            const Tokens tokens = *offer_.lock();
            const auto before = run.size();
            auto tried = attempt(run, tokens.offer);
            if (run.empty()) break;
            if (stop_.stop_requested())
                return fail(ErrorKind::cancelled, "the download was stopped");
            if (tried) tried = fail(ErrorKind::unavailable, "the answer was too short");
            failed = run.size() < before ? 1 : failed + 1;
            if (tried.error().kind() == ErrorKind::exhausted || failed >= options_.attempts)
                return fail(tried.error().context(
                    fmt::format("cannot download the recovery image, {} attempts failed", failed)));
            log_info("recovery image from {} on: {}; trying again", run.front().offset,
                     tried.error().message());
            rest(failed);
            // Where that fails, too, the next attempt with the old ones tells why.
            if (auto renewed = renew_tokens(tokens.generation); !renewed)
                log_info("no new session: {}", renewed.error().message());
        }
        return {};
    }

    Result<void> attempt(Run& run, const RecoveryOffer& offer) {
        RunWriter writer(fd_, run, [this](std::uint64_t bytes) { count(bytes); });
        auto request = RecoveryServer::asset_request(offer.image_url, offer.image_token);
        request.headers.push_back(fmt::format("Range: bytes={}-{}", run.front().offset,
                                              run.back().offset + run.back().length - 1));
        std::optional<Error> refused;
        const auto response = transport_.exchange(
            request, kMaxErrorBody, stop_.get_token(),
            [&](const oci::HttpResponse& head, std::span<const std::byte> data) -> Result<void> {
                auto taken = writer.take(head, data);
                if (!taken) refused = taken.error();
                return taken;
            });
        if (refused) return fail(*refused);
        if (!response) return fail(response.error().error);
        return RecoveryServer::check_status(response->status, "the recovery image");
    }

    // Once for all that met the same expired token.
    Result<void> renew_tokens(unsigned generation) {
        auto tokens = offer_.lock();
        if (tokens->generation != generation) return {};
        HAKO_TRY(tokens->offer, renew_());
        ++tokens->generation;
        return {};
    }

    void count(std::uint64_t bytes) {
        auto state = state_.lock();
        state->done += bytes;
        progress_(state->done, state->total);
    }

    void rest(int failed) { (void)sleep_for(options_.pause * failed, stop_.get_token()); }

    oci::Transport& transport_;
    const RenewOffer& renew_;
    int fd_;
    const DownloadOptions& options_;
    const DownloadProgress& progress_;
    std::stop_source stop_;
    std::stop_callback<std::function<void()>> outer_;
    Guarded<Tokens> offer_;
    Guarded<State> state_;
};

}  // namespace

Result<std::vector<Chunk>> missing_chunks(const Chunklist& list,
                                          const std::filesystem::path& file) {
    std::error_code error;
    if (!std::filesystem::exists(file, error)) return list.chunks;
    HAKO_TRY(const Fd fd, open_file(file, O_RDONLY));
    std::vector<Chunk> missing;
    std::vector<std::byte> buffer;
    for (const auto& chunk : list.chunks) {
        buffer.resize(chunk.length);
        HAKO_TRY(const auto count, read_full(fd.get(), buffer));
        if (count != chunk.length || sha256_hex(buffer) != chunk.sha256) missing.push_back(chunk);
    }
    return missing;
}

Result<void> download_image(oci::Transport& transport, const Chunklist& list,
                            const RecoveryOffer& offer, const RenewOffer& renew,
                            const std::filesystem::path& file, const DownloadOptions& options,
                            const DownloadProgress& progress, const std::stop_token& stop) {
    HAKO_TRY(const auto missing, missing_chunks(list, file));
    HAKO_TRY(const Fd fd, open_file(file, O_RDWR | O_CREAT, 0644));
    if (::ftruncate(fd.get(), static_cast<off_t>(list.image_bytes())) != 0)
        return fail_errno(errno, "cannot make room for the recovery image");
    return Download(transport, offer, renew, fd.get(), options, progress, stop)
        .run(make_runs(missing), list.image_bytes());
}

}  // namespace hako::macos
