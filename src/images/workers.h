// A few threads that do many things of one kind: the layers of a pull or a push.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "base/guarded.h"
#include "base/result.h"

namespace hako::images {

class Workers {
public:
    // name: "pull", of the threads and in the error of one that was stopped.
    Workers(std::string name, std::stop_token caller)
        : name_(std::move(name)),
          caller_stop_(std::move(caller), [this] { stop_.request_stop(); }) {}

    // The caller's wish to stop, or the first error's.
    std::stop_token stop() const { return stop_.get_token(); }

    // work(i) for each i below count, in at most `threads` threads. The first error stops them all
    // and is returned; ErrorKind::cancelled when the caller stopped them.
    Result<void> run(std::size_t threads, std::size_t count,
                     const std::function<Result<void>(std::size_t)>& work);

private:
    void give_up(Error error);

    std::string name_;
    std::stop_source stop_;
    std::stop_callback<std::function<void()>> caller_stop_;
    Guarded<std::optional<Error>> first_error_;
};

}  // namespace hako::images
