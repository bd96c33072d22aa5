#include "vmm/template_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "base/sha256.h"
#include "vmm/memory_file.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

// The length of the devices' state, and the digest of memory and state.
Result<std::pair<std::uint64_t, std::string>> digest_of(int file, std::uint64_t memory_bytes) {
    Sha256 digest;
    HAKO_CHECK(for_each_page(file, kTemplateHeaderBytes, memory_bytes,
                             [&](std::uint64_t number, auto page) -> Result<void> {
                                 std::array<std::byte, 8> digits{};
                                 for (auto& digit : digits) {
                                     digit = static_cast<std::byte>(number);
                                     number >>= 8U;
                                 }
                                 digest.update(digits);
                                 digest.update(page);
                                 return {};
                             }));
    if (::lseek(file, static_cast<off_t>(kTemplateHeaderBytes + memory_bytes), SEEK_SET) < 0)
        return fail_errno(errno, "cannot read a template");
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

Result<TemplateWriter> TemplateWriter::create(const fs::path& path, std::uint64_t memory_bytes) {
    fs::path temporary = path;
    temporary += "." + random_id().substr(0, 8) + ".tmp";
    HAKO_TRY(Fd file, open_file(temporary, O_RDWR | O_CREAT | O_EXCL, 0600));
    TemplateWriter writer(path, std::move(temporary), std::move(file), memory_bytes);
    if (::lseek(writer.state(), static_cast<off_t>(kTemplateHeaderBytes + memory_bytes), SEEK_SET) <
        0)
        return fail_errno(errno, "cannot write {}", writer.temporary_.native());
    return writer;
}

TemplateWriter::TemplateWriter(TemplateWriter&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      file_(std::move(other.file_)),
      memory_bytes_(other.memory_bytes_) {}

TemplateWriter::~TemplateWriter() {
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

Result<void> TemplateWriter::write_memory(int memory) {
    return with_context(copy_memory(memory, 0, file_.get(), kTemplateHeaderBytes, memory_bytes_),
                        temporary_.native());
}

Result<void> TemplateWriter::finish(TemplateHeader header) {
    HAKO_TRY(const auto state, digest_of(file_.get(), memory_bytes_));
    std::string text = dump_json({{"hako_template", kTemplateFormat},
                                  {"key", header.key},
                                  {"shape", header.shape},
                                  {"memory_bytes", memory_bytes_},
                                  {"state_bytes", state.first},
                                  {"sha256", state.second},
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
    HAKO_TRY(const auto state, open_template_state(path));
    HAKO_TRY(const auto found, digest_of(state.file.get(), state.memory_bytes));
    if (found.second != header.sha256)
        return fail(ErrorKind::corrupt, "the template {} has been changed", path.native());
    return {};
}

}  // namespace hako::vmm
