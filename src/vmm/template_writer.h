// Writes templates (vmm/template_file.h), and checks them as a whole.
#pragma once

#include <filesystem>

#include "base/fd.h"
#include "base/result.h"
#include "vmm/template_file.h"

namespace hako::vmm {

// Writes a template: to a temporary file beside `path`, which takes its place in publish() only,
// and is gone without it.
class TemplateWriter {
public:
    static Result<TemplateWriter> create(const std::filesystem::path& path);
    TemplateWriter(TemplateWriter&& other) noexcept;
    TemplateWriter& operator=(TemplateWriter&&) = delete;
    ~TemplateWriter();

    // The state goes here, from the descriptor's offset on.
    int state() const { return file_.get(); }
    const std::filesystem::path& temporary() const { return temporary_; }
    // Writes the header; synced. state_bytes and state_sha256 are found out.
    Result<void> finish(TemplateHeader header);
    Result<void> publish();

private:
    TemplateWriter(std::filesystem::path path, std::filesystem::path temporary, Fd file)
        : path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}

    std::filesystem::path path_;
    std::filesystem::path temporary_;  // empty once it is published
    Fd file_;
};

// Reads all of it. ErrorKind::corrupt where the state has another digest than the header says.
Result<void> verify_template(const std::filesystem::path& path);

}  // namespace hako::vmm
