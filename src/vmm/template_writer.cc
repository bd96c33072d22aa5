#include "vmm/template_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/sha256.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

// From the descriptor's offset to the end.
Result<std::pair<std::uint64_t, std::string>> digest_rest(int file) {
    Sha256 digest;
    std::uint64_t bytes = 0;
    std::vector<std::byte> buffer(kMiB);
    for (;;) {
        HAKO_TRY(const auto count, read_some(file, buffer));
        if (count == 0) return std::pair(bytes, digest.hex_digest());
        digest.update(std::span(buffer).first(count));
        bytes += count;
    }
}

}  // namespace

Result<TemplateWriter> TemplateWriter::create(const fs::path& path) {
    fs::path temporary = path;
    temporary += "." + random_id().substr(0, 8) + ".tmp";
    HAKO_TRY(Fd file, open_file(temporary, O_RDWR | O_CREAT | O_EXCL, 0600));
    TemplateWriter writer(path, std::move(temporary), std::move(file));
    if (::lseek(writer.state(), kTemplateHeaderBytes, SEEK_SET) < 0)
        return fail_errno(errno, "cannot write {}", writer.temporary_.native());
    return writer;
}

TemplateWriter::TemplateWriter(TemplateWriter&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      file_(std::move(other.file_)) {}

TemplateWriter::~TemplateWriter() {
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

Result<void> TemplateWriter::finish(TemplateHeader header) {
    if (::lseek(file_.get(), kTemplateHeaderBytes, SEEK_SET) < 0)
        return fail_errno(errno, "cannot read {}", temporary_.native());
    HAKO_TRY(const auto state, digest_rest(file_.get()));
    std::string text = dump_json({{"hako_template", kTemplateFormat},
                                  {"key", header.key},
                                  {"shape", header.shape},
                                  {"state_bytes", state.first},
                                  {"state_sha256", state.second},
                                  {"created", format_time(header.created)}});
    if (text.size() >= kTemplateHeaderBytes)
        return fail(ErrorKind::too_large, "the template's header has {} bytes", text.size());
    text.resize(kTemplateHeaderBytes - 1, ' ');
    text += '\n';
    if (::lseek(file_.get(), 0, SEEK_SET) < 0)
        return fail_errno(errno, "cannot write {}", temporary_.native());
    HAKO_CHECK(with_context(write_all(file_.get(), text), temporary_.native()));
    if (::fsync(file_.get()) != 0) return fail_errno(errno, "cannot save {}", temporary_.native());
    return {};
}

Result<void> TemplateWriter::publish() {
    std::error_code error;
    fs::rename(temporary_, path_, error);
    if (error) return fail_errno(error.value(), "cannot publish {}", path_.native());
    temporary_.clear();
    return {};
}

Result<void> verify_template(const fs::path& path) {
    HAKO_TRY(const auto header, read_template(path));
    HAKO_TRY(const Fd state, open_template_state(path));
    HAKO_TRY(const auto found, digest_rest(state.get()));
    if (found.second != header.state_sha256)
        return fail(ErrorKind::corrupt, "the template {} has been changed", path.native());
    return {};
}

}  // namespace hako::vmm
