#include "vmm/template_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

Result<Json> read_header(int file) {
    std::array<std::byte, kTemplateHeaderBytes> bytes{};
    HAKO_TRY(const auto count, read_full(file, bytes));
    if (count != bytes.size()) return fail(ErrorKind::corrupt, "the file is cut off");
    const auto json = parse_json(as_text(bytes));
    if (!json || !json->is_object()) return fail(ErrorKind::corrupt, "the file is no template");
    HAKO_TRY(const auto format, json_field_or(*json, "hako_template", 0));
    if (format != kTemplateFormat)
        return fail(ErrorKind::corrupt, "the file is of format {}, not {}", format,
                    kTemplateFormat);
    return *json;
}

// The descriptor is at the state afterwards.
Result<TemplateHeader> read_open_template(int file) {
    HAKO_TRY(const auto json, read_header(file));
    TemplateHeader header;
    HAKO_TRY(header.key, json_field_or<std::string>(json, "key", {}));
    HAKO_TRY(header.shape, json_field_or(json, "shape", Json::object()));
    HAKO_TRY(header.memory_bytes, json_field_or<std::uint64_t>(json, "memory_bytes", 0));
    HAKO_TRY(header.state_bytes, json_field_or<std::uint64_t>(json, "state_bytes", 0));
    HAKO_TRY(header.sha256, json_field_or<std::string>(json, "sha256", {}));
    HAKO_TRY(const auto created, json_field_or<std::string>(json, "created", {}));
    HAKO_TRY(header.created, parse_time(created));
    struct stat status {};
    if (::fstat(file, &status) != 0) return fail_errno(errno, "cannot look at the file");
    const std::uint64_t state = kTemplateHeaderBytes + header.memory_bytes;
    if (static_cast<std::uint64_t>(status.st_size) != state + header.state_bytes)
        return fail(ErrorKind::corrupt, "the file has {} bytes instead of {}", status.st_size,
                    state + header.state_bytes);
    if (::lseek(file, static_cast<off_t>(state), SEEK_SET) < 0)
        return fail_errno(errno, "cannot read the file");
    return header;
}

Result<std::pair<Fd, TemplateHeader>> open_template(const fs::path& path) {
    HAKO_TRY(Fd file, open_file(path, O_RDONLY));
    HAKO_TRY(auto header, with_context(read_open_template(file.get()),
                                       fmt::format("the template {}", path.native())));
    return std::pair(std::move(file), std::move(header));
}

}  // namespace

Result<TemplateHeader> read_template(const fs::path& path) {
    HAKO_TRY(auto opened, open_template(path));
    return std::move(opened.second);
}

Result<TemplateState> open_template_state(const fs::path& path) {
    HAKO_TRY(auto opened, open_template(path));
    return TemplateState{std::move(opened.first), opened.second.memory_bytes};
}

}  // namespace hako::vmm
