// One mutex per key, made on demand: two threads that want the same thing do it once.
#pragma once

#include <condition_variable>
#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>

#include "base/guarded.h"

namespace hako {

// Thread-safe. Must outlive what it hands out.
class KeyedLock {
public:
    class Held {
    public:
        Held(Held&& other) noexcept
            : owner_(std::exchange(other.owner_, nullptr)), key_(std::move(other.key_)) {}
        Held& operator=(Held&&) = delete;
        ~Held() {
            if (owner_ == nullptr) return;
            owner_->held_.lock()->erase(key_);
            owner_->released_.notify_all();
        }

    private:
        friend class KeyedLock;
        Held(KeyedLock& owner, std::string key) : owner_(&owner), key_(std::move(key)) {}
        KeyedLock* owner_;
        std::string key_;
    };

    // Blocks until the key is free; nullopt when stopped before. on_wait is called if it is not
    // free at once.
    [[nodiscard]] std::optional<Held> lock(const std::string& key, std::stop_token stop = {},
                                           const std::function<void()>& on_wait = {}) {
        auto held = held_.lock();
        if (on_wait && held->contains(key)) on_wait();
        if (!released_.wait(held.lock(), stop, [&] { return !held->contains(key); }))
            return std::nullopt;
        held->insert(key);
        return Held(*this, key);
    }

private:
    Guarded<std::set<std::string>> held_;
    std::condition_variable_any released_;
};

}  // namespace hako
