#include "base/thread.h"

#include <pthread.h>

#include <condition_variable>
#include <exception>
#include <mutex>

#include "base/log.h"

namespace hako {

bool run_guarded(const std::string& name, const std::function<void()>& body) {
    try {
        body();
        return true;
    } catch (const std::exception& error) {
        log_error("{} stopped by an exception: {}", name, error.what());
    } catch (...) {
        log_error("{} stopped by an unknown exception", name);
    }
    return false;
}

std::jthread start_thread(std::string name, std::function<void(std::stop_token)> body) {
    return std::jthread([name = std::move(name), body = std::move(body)](std::stop_token stop) {
        pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
        run_guarded(name, [&] { body(stop); });
    });
}

bool sleep_for(std::chrono::milliseconds time, const std::stop_token& stop) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any never;
    never.wait_for(lock, stop, time, [] { return false; });
    return !stop.stop_requested();
}

}  // namespace hako
