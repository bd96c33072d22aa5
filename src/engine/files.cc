// Files in and out of containers. The guest does it, for it knows its disks: of a container that
// does not run, the VM is booted up to where its first process would be started.
#include "engine/files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "base/log.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/macos.h"
#include "images/image_store.h"

namespace hako::engine {
namespace {

using Clock = std::chrono::steady_clock;

// How long a VM that was booted for files waits for more of them, or for the container's start.
constexpr std::chrono::seconds kLinger{5};

// A guest may claim as many changes as it likes; they are all held in memory.
constexpr std::size_t kMaxChanges = 1'000'000;
constexpr std::size_t kMaxChangesText = 128 * kMiB;

class ChangesWriter : public TextWriter {
public:
    Result<void> write(std::span<const std::byte> data) override {
        changes_ += static_cast<std::size_t>(std::ranges::count(data, std::byte{0}));
        if (changes_ > kMaxChanges || text.size() + data.size() > kMaxChangesText)
            return fail(ErrorKind::too_large,
                        "the container has more than {} changed files: export it instead",
                        kMaxChanges);
        return TextWriter::write(data);
    }

private:
    std::size_t changes_ = 0;
};

bool has_running_execs(const Entry::Live& live) {
    return std::ranges::any_of(
        live.execs, [](const auto& item) { return item.second.started && !item.second.ended_at; });
}

// Ends the VM once nobody has used it for a while, or the daemon ends.
void linger(Context& context, const EntryPtr& entry) {
    context.tasks.launch("files", [&context, entry](std::stop_token stop) {
        for (;;) {
            {
                auto live = entry->live.lock();
                if (has_running_execs(*live)) live->files_used = Clock::now();
                const auto until = live->files_used + kLinger;
                entry->changed.wait_until(live.lock(), stop, until,
                                          [&] { return live->files_spec.empty(); });
                if (live->files_spec.empty()) return;
                if (!stop.stop_requested() && Clock::now() < live->files_used + kLinger) continue;
            }
            const std::lock_guard operation(entry->operation);
            const bool unused = Clock::now() >= entry->live.lock()->files_used + kLinger;
            if (unused || stop.stop_requested()) return end_files_vm(context, entry);
        }
    });
}

// With entry's operation held. for_files: the plan is to serve them.
Result<std::shared_ptr<runtime::ShimClient>> boot_stopped(Context& context, const EntryPtr& entry,
                                                          bool for_files) {
    {
        auto live = entry->live.lock();
        if (live->removed) return fail(ErrorKind::not_found, "No such container: {}", entry->id);
        if (live->container.state.status == Status::dead)
            return fail(ErrorKind::conflict, "container {} is marked for removal",
                        live->container.name);
    }
    const auto booted = [&]() -> std::shared_ptr<runtime::ShimClient> {
        auto live = entry->live.lock();
        return live->files_spec.empty() ? nullptr : live->shim;
    }();
    if (booted && booted->state()) return booted;
    end_files_vm(context, entry);  // of one that has died
    HAKO_CHECK(wait_for_sandbox_end(context, entry));
    const Container container = entry->live.lock()->container;
    HAKO_TRY(const runtime::SandboxSpec spec, plan_sandbox(context, container, for_files));
    if (auto done = place_container(context, entry, spec, false); !done) {
        remove_from_vm(context, entry);
        return fail(std::move(done).error().context(
            fmt::format("cannot reach the files of container {}", container.name)));
    }
    std::shared_ptr<runtime::ShimClient> shim;
    {
        auto live = entry->live.lock();
        live->files_spec = dump_json(to_json(spec));
        live->files_used = Clock::now();
        shim = live->shim;
    }
    linger(context, entry);
    return shim;
}

// Calls use(shim) while the VM is there.
template <typename Use>
auto with_files(Context& context, std::string_view container, Use use)
    -> decltype(use(std::declval<runtime::ShimClient&>())) {
    HAKO_TRY(const EntryPtr entry, context.registry.find(container));
    const auto running = [&]() -> std::shared_ptr<runtime::ShimClient> {
        auto live = entry->live.lock();
        return live->running() ? live->shim : nullptr;
    };
    if (const auto shim = running()) return use(*shim);
    const std::lock_guard operation(entry->operation);
    if (const auto shim = running()) return use(*shim);
    HAKO_TRY(const auto shim, boot_stopped(context, entry, true));
    auto result = use(*shim);
    entry->live.lock()->files_used = Clock::now();
    return result;
}

// Docker's word for an access, once it succeeded.
void tell(Context& context, std::string_view container, std::string action,
          const StringMap& details = {}) {
    if (const auto entry = context.registry.find(container))
        emit(context, *entry, std::move(action), details);
}

// Calls back before the first write: clients read no further than they need, so that the last one
// may never come.
class FirstWrite : public Writer {
public:
    FirstWrite(Writer& to, std::function<void()> tell) : to_(to), tell_(std::move(tell)) {}
    Result<void> write(std::span<const std::byte> data) override {
        if (tell_) std::exchange(tell_, nullptr)();
        return to_.write(data);
    }

private:
    Writer& to_;
    std::function<void()> tell_;
};

// Docker's sentence, with the container as the client named it.
template <typename Outcome>
Outcome name_missing(Outcome outcome, std::string_view path, std::string_view container) {
    if (outcome || outcome.error().kind() != ErrorKind::not_found) return outcome;
    return fail(ErrorKind::not_found, "Could not find the file {} in container {}", path,
                container);
}

Result<void> check_path(std::string_view path) {
    if (path.empty()) return fail(ErrorKind::invalid, "no path is named: give path");
    if (path.find('\0') != std::string_view::npos)
        return fail(ErrorKind::invalid, "a path holds no NUL");
    return {};
}

}  // namespace

void end_files_vm(Context& context, const EntryPtr& entry) {
    {
        auto live = entry->live.lock();
        if (live->files_spec.empty()) return;
        live->files_spec.clear();
    }
    remove_from_vm(context, entry);  // at once: what was copied in is on the disk
}

Result<std::shared_ptr<runtime::ShimClient>> reach_stopped_macos(Context& context,
                                                                 const EntryPtr& entry) {
    const std::lock_guard operation(entry->operation);
    if (auto live = entry->live.lock(); live->running()) return live->shim;
    return boot_stopped(context, entry, false);
}

bool take_files_vm(Context& context, const EntryPtr& entry, const runtime::SandboxSpec& spec) {
    {
        auto live = entry->live.lock();
        if (live->files_spec.empty()) return false;
        if (live->files_spec == dump_json(to_json(spec)) && live->shim->state()) {
            live->files_spec.clear();
            entry->changed.notify_all();
            return true;
        }
    }
    end_files_vm(context, entry);
    return false;
}

Result<PathStat> Engine::stat_path(std::string_view container, const std::string& path) {
    HAKO_CHECK(check_path(path));
    return with_files(*context_, container, [&](runtime::ShimClient& shim) {
        return name_missing(shim.stat_path(path), path, container);
    });
}

Result<void> Engine::copy_out(std::string_view container, const std::string& path, Writer& tar,
                              std::stop_token stop) {
    HAKO_CHECK(check_path(path));
    FirstWrite first(tar,
                     [&] { tell(*context_, container, path == "/" ? "export" : "archive-path"); });
    return with_files(*context_, container, [&](runtime::ShimClient& shim) {
        return name_missing(shim.copy_out(path, first, std::move(stop)), path, container);
    });
}

Result<void> Engine::copy_in(std::string_view container, const CopyTarget& target, Reader& tar,
                             std::stop_token stop) {
    HAKO_CHECK(check_path(target.path));
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const Container into = entry->live.lock()->container;
    const guest::CopyIn where{
        .path = target.path,
        .no_overwrite_dir_non_dir = target.no_overwrite_dir_non_dir,
        .owner = target.owned_by_user ? into.config.user : "",
    };
    HAKO_CHECK(with_files(*context_, container, [&](runtime::ShimClient& shim) {
        return shim.copy_in(where, tar, std::move(stop));
    }));
    tell(*context_, container, "extract-to-dir");
    return {};
}

Result<std::vector<Change>> Engine::changes(std::string_view container) {
    ChangesWriter list;
    HAKO_CHECK(with_files(*context_, container, [&](runtime::ShimClient& shim) {
        return shim.changes(true, false, list, context_->closing.get_token());
    }));
    return guest::parse_changes(list.text);
}

Result<std::string> Engine::commit(std::string_view container, const CommitOptions& options,
                                   std::stop_token stop) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const Container of = entry->live.lock()->container;
    const images::CommitOptions commit{.base = of.image_id,
                                       .name = options.name,
                                       .config = options.config,
                                       .author = options.author,
                                       .comment = options.comment,
                                       .created_by = fmt::format("{}", fmt::join(of.command, " "))};
    const auto write_layer = [&](Writer& layer) {
        return with_files(*context_, container, [&](runtime::ShimClient& shim) {
            return shim.changes(false, options.pause, layer, stop);
        });
    };
    HAKO_TRY(auto image, context_->images->commit(commit, write_layer));
    tell(*context_, container, "commit",
         {{"comment", options.comment},
          {"imageID", image},
          {"imageRef", options.name ? options.name->familiar() : ""}});
    return image;
}

}  // namespace hako::engine
