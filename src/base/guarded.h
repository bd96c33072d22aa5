// A value that can only be reached with its mutex held.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

namespace hako {

template <typename T>
class Guarded {
public:
    class Lock {
    public:
        T* operator->() { return &value_; }
        T& operator*() { return value_; }
        std::unique_lock<std::mutex>& lock() { return lock_; }  // for condition variables

    private:
        friend class Guarded;
        Lock(std::mutex& mutex, T& value) : lock_(mutex), value_(value) {}
        std::unique_lock<std::mutex> lock_;
        T& value_;
    };

    Guarded() = default;
    explicit Guarded(T value) : value_(std::move(value)) {}

    [[nodiscard]] Lock lock() { return Lock(mutex_, value_); }
    [[nodiscard]] Lock lock() const { return Lock(mutex_, value_); }

private:
    mutable std::mutex mutex_;
    mutable T value_{};
};

}  // namespace hako
