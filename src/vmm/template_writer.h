// Writes templates (vmm/template_file.h), and checks them as a whole.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/fd.h"
#include "base/result.h"
#include "vmm/template_file.h"

namespace hako::vmm {

// Writes a template: to a temporary file beside `path`, which takes its place in publish() only,
// and is gone without it.
class TemplateWriter {
public:
    static Result<TemplateWriter> create(const std::filesystem::path& path,
                                         std::uint64_t memory_bytes = 0);
    TemplateWriter(TemplateWriter&& other) noexcept;
    TemplateWriter& operator=(TemplateWriter&&) = delete;
    ~TemplateWriter();

    // The devices' state goes here, from the descriptor's offset on.
    int state() const { return file_.get(); }
    // From a file that holds the memory from its beginning on.
    Result<void> write_memory(int memory);
    const std::filesystem::path& temporary() const { return temporary_; }
    // Writes the header; synced. Lengths and digest are found out.
    Result<void> finish(TemplateHeader header);
    Result<void> publish();

private:
    TemplateWriter(std::filesystem::path path, std::filesystem::path temporary, Fd file,
                   std::uint64_t memory_bytes)
        : path_(std::move(path)),
          temporary_(std::move(temporary)),
          file_(std::move(file)),
          memory_bytes_(memory_bytes) {}

    std::filesystem::path path_;
    std::filesystem::path temporary_;  // empty once it is published
    Fd file_;
    std::uint64_t memory_bytes_;
};

// Reads all of it. ErrorKind::corrupt where it has another digest than the header says: that of all
// pages of the memory that are not zero, each behind its number (8 bytes, little-endian), and of
// the devices' state.
Result<void> verify_template(const std::filesystem::path& path);

}  // namespace hako::vmm
