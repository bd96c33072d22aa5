// The viewer beside a machine: a process of its own in a jail, where it has the page's files, the
// machine's progress and its screen, and nothing else. What its buttons ask for comes by a pipe.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/paths.h"
#include "base/process.h"
#include "base/result.h"
#include "macos/machine_request.h"
#include "macos/progress.h"

namespace hako::macshim {

struct ViewerSpec {
    std::string container;         // its id
    std::filesystem::path folder;  // where the viewer sees progress and screen; short
    std::vector<macos::ViewerPlace> places;
    std::string password;
    bool has_sound = false;
    std::string starter;  // the command that starts the machine again
    std::string api;      // hakod, for the power buttons
    int errors = 2;       // where its words go
};

class MacViewer {
public:
    // It ends with this, and with the calling thread.
    static Result<std::unique_ptr<MacViewer>> start(ViewerSpec spec,
                                                    const Installation& installation);
    MacViewer(const MacViewer&) = delete;
    MacViewer& operator=(const MacViewer&) = delete;
    ~MacViewer();

    // "http://127.0.0.1:8006/", one of each place.
    const std::vector<std::string>& addresses() const { return addresses_; }
    uid_t uid() const { return uid_; }  // to own the screen's socket
    void show(const macos::Progress& progress) const;

private:
    MacViewer(std::filesystem::path folder, std::vector<std::string> addresses, uid_t uid)
        : folder_(std::move(folder)), addresses_(std::move(addresses)), uid_(uid) {}

    const std::filesystem::path folder_;
    const std::vector<std::string> addresses_;
    const uid_t uid_;
    std::optional<Process> process_;
    std::jthread buttons_;
};

}  // namespace hako::macshim
