#include "engine/context.h"
#include "engine/engine.h"
#include "engine/output.h"

namespace hako::engine {
namespace {

// Opened with the first byte: the container may be attached to before it is started.
class ContainerInput : public InputStream {
public:
    explicit ContainerInput(EntryPtr entry) : entry_(std::move(entry)) {
        auto live = entry_->live.lock();
        ends_ = live->ends;
        const ContainerConfig& config = live->container.config;
        ends_with_client_ = config.stdin_once && !config.tty;
    }

    Result<void> write(std::span<const std::byte> data, std::stop_token stop) override {
        HAKO_CHECK(open(stop));
        return target_->write(data, stop);
    }

    Result<void> close(std::stop_token stop) override {
        if (!ends_with_client_) {
            target_.reset();
            return {};
        }
        HAKO_CHECK(open(stop));
        return target_->close(stop);
    }

private:
    Result<void> open(std::stop_token stop) {
        if (target_) return {};
        std::shared_ptr<runtime::ShimClient> shim;
        {
            auto live = entry_->live.lock();
            const auto over = [&] { return live->removed || live->ends != ends_; };
            const bool settled =
                entry_->changed.wait(live.lock(), stop, [&] { return over() || live->running(); });
            if (!settled) return fail(ErrorKind::cancelled, "the client has left");
            if (over()) return fail(ErrorKind::conflict, "the container's run has ended");
            shim = live->shim;
        }
        HAKO_TRY(target_, shim->open_input(""));
        return {};
    }

    EntryPtr entry_;
    std::uint64_t ends_ = 0;  // at the time of attaching
    bool ends_with_client_ = false;
    std::unique_ptr<runtime::InputStream> target_;
};

Result<std::unique_ptr<OutputStream>> open_output(const Context& context, const EntryPtr& entry,
                                                  bool from_the_beginning) {
    // Before the log is opened: a run that ends meanwhile then is over.
    RunEnd end;
    {
        auto live = entry->live.lock();
        const std::uint64_t ends = live->ends;
        end.over = [ends](const Entry::Live& later) { return later.ends != ends; };
        end.not_before = live->running() ? live->container.state.started_at : now();
    }
    HAKO_TRY(auto reader, runtime::LogReader::open(context.layout.container_log(entry->id)));
    if (!from_the_beginning) HAKO_CHECK(reader.seek_end());
    return follow_output(LogFollower(std::move(reader), entry, std::move(end)));
}

}  // namespace

Result<Session> Engine::attach(std::string_view container, const Attach& options) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    HAKO_CHECK(check_not_paused(entry));
    Session session;
    bool open_stdin = false;
    {
        auto live = entry->live.lock();
        session.tty = live->container.config.tty;
        open_stdin = live->container.config.open_stdin;
    }
    if (options.input && open_stdin) session.input = std::make_unique<ContainerInput>(entry);
    if (options.output) {
        HAKO_TRY(session.output, open_output(*context_, entry, options.logs));
    }
    session.on_detach = [context = context_.get(), entry] { emit(*context, entry, "detach"); };
    emit(*context_, entry, "attach");
    return session;
}

Result<void> Engine::resize(std::string_view container, WindowSize size) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    std::shared_ptr<runtime::ShimClient> shim;
    {
        auto live = entry->live.lock();
        if (!live->running())
            return fail(ErrorKind::conflict, "container {} is not running", entry->id);
        shim = live->shim;
    }
    HAKO_CHECK(check_not_paused(entry));
    HAKO_CHECK(shim->resize("", size.columns, size.rows));
    emit(*context_, entry, "resize",
         {{"width", std::to_string(size.columns)}, {"height", std::to_string(size.rows)}});
    return {};
}

}  // namespace hako::engine
