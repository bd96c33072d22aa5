#include "appliance/build/tools.h"

#include "base/program.h"

namespace hako::appliance {
namespace {

// Where programs of root lie, which are not in everybody's PATH.
constexpr std::string_view kMoreFolders[] = {"/usr/sbin", "/sbin"};

Error missing(std::string_view what, std::string_view package) {
    return {ErrorKind::not_found,
            fmt::format("{} is missing: install the package {} (apt-get install {})", what, package,
                        package)};
}

}  // namespace

Result<std::filesystem::path> find_tool(std::string_view program, std::string_view package) {
    if (auto found = find_program(program)) return *std::move(found);
    for (const auto folder : kMoreFolders) {
        auto path = std::filesystem::path(folder) / program;
        std::error_code error;
        if (std::filesystem::exists(path, error)) return path;
    }
    return fail(missing(program, package));
}

Result<void> need_file(const std::filesystem::path& path, std::string_view package) {
    std::error_code error;
    if (std::filesystem::exists(path, error)) return {};
    return fail(missing(path.native(), package));
}

}  // namespace hako::appliance
