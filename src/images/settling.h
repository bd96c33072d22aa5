// Lets an image be used before its files are on the disk for good: they are written to the disk in
// the background, and a note tells the next daemon which images a power failure may have damaged.
#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "oci/digest.h"

namespace hako::images {

// Thread-safe.
class Settling {
public:
    // All files that an image needs; asked by the background thread.
    using FilesOf =
        std::function<Result<std::vector<std::filesystem::path>>(const oci::Digest& image)>;

    // Notes lie in `folder`, which exists, one file an image.
    Settling(std::filesystem::path folder, FilesOf files_of);
    // Ends the file under way; what is left stays noted.
    ~Settling();

    // Images that were noted before the host went down. What they need may be damaged; whoever has
    // removed them calls forget().
    Result<std::vector<oci::Digest>> doubtful() const;
    // Goes on with what another daemon noted since the host came up.
    Result<void> resume();

    // Before the image is registered: the note is on the disk when this returns.
    Result<void> note(const oci::Digest& image) const;
    // After: its files go to the disk, then the note goes away.
    void settle(const oci::Digest& image);
    Result<void> forget(const oci::Digest& image) const;

private:
    struct Note {
        oci::Digest image;
        bool of_this_boot;
    };
    Result<std::vector<Note>> notes() const;
    void run(const std::stop_token& stop);
    Result<void> write_out(const oci::Digest& image, const std::stop_token& stop) const;

    std::filesystem::path folder_;
    FilesOf files_of_;
    Guarded<std::deque<oci::Digest>> queue_;
    std::condition_variable_any queued_;
    std::jthread worker_;  // last: it uses all above
};

}  // namespace hako::images
