// The containers that the engine knows, by id and by name, and what is live about each.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "engine/types.h"
#include "engine/vms.h"
#include "runtime/shim_client.h"

namespace hako::engine {

struct LiveExec {
    Exec exec;
    bool started = false;
    std::optional<std::chrono::steady_clock::time_point> ended_at;
};

// One container. Two locks, taken in this order:
//   operation  held through start, stop, restart, rename and remove: one verb at a time, seconds
//   live       held for moments, to look and to change
struct Entry {
    struct Live {
        Container container;
        // Set from the start of the VM until all of it is gone, also past the container's exit.
        std::shared_ptr<runtime::ShimClient> shim;
        std::shared_ptr<Vm> vm;  // with it, and a moment before
        // The container does not run and its VM is there for its files: as it was planned, in
        // JSON. Else empty.
        std::string files_spec;
        std::chrono::steady_clock::time_point files_used{};
        std::map<std::string, LiveExec> execs;
        // How often a run, or an attempt to start one, has come to its end; and the last one's.
        std::uint64_t ends = 0;
        WaitResult last_end;
        bool removed = false;
        bool vm_ends = false;   // in the background: what is left of it is no concern of anybody's
        bool restarts = false;  // somebody does it: the disks of the run that ends are wanted
        // For its restart policy: when this run began, and how long the next restart waits.
        std::chrono::steady_clock::time_point begun{};
        std::chrono::milliseconds back_off{0};

        const std::string& vm_id() const { return vm ? vm->id : container.id; }
        bool running() const { return container.state.running(); }
        bool has_status(Status status) const { return container.state.status == status; }
    };

    explicit Entry(Container container) : id(container.id) {
        auto now = live.lock();
        now->last_end = {container.state.exit_code, container.state.error};
        now->container = std::move(container);
    }

    const std::string id;
    std::mutex operation;
    Guarded<Live> live;
    std::condition_variable_any changed;  // with live's lock: anything in it changed
};
using EntryPtr = std::shared_ptr<Entry>;

// Thread-safe. Its own lock is short and is never held together with an entry's.
class Registry {
public:
    // By id, name (with or without a slash) or unique beginning of an id; in this order.
    // not_found "No such container: x".
    Result<EntryPtr> find(std::string_view reference) const;
    std::vector<EntryPtr> all() const;

    // Takes the name for the id: a conflict names the holder. Released by erase() or
    // release_name().
    Result<void> reserve_name(std::string_view name, std::string_view id);
    void release_name(std::string_view name);
    // The entry's name was reserved before.
    void insert(EntryPtr entry);
    void erase(const std::string& id);

    void insert_exec(const std::string& exec, const EntryPtr& entry);
    void erase_exec(const std::string& exec);
    // not_found "No such exec instance: x".
    Result<EntryPtr> find_exec(std::string_view exec) const;

private:
    struct Maps {
        std::map<std::string, EntryPtr, std::less<>> entries;
        std::map<std::string, std::string, std::less<>> names;  // -> id
        std::map<std::string, std::weak_ptr<Entry>, std::less<>> execs;
    };
    Guarded<Maps> maps_;
};

}  // namespace hako::engine
