#include "fsimage/layer_path.h"

namespace hako::fsimage {

Result<std::string> normalize_path(std::string_view path) {
    constexpr std::size_t kMaxName = 255;
    constexpr std::size_t kMaxPath = 4095;
    if (path.find('\0') != std::string_view::npos)
        return fail(ErrorKind::invalid, "the layer names a file with a NUL in its name");
    std::string result;
    for (std::string_view rest = path; !rest.empty();) {
        const std::size_t slash = rest.find('/');
        const std::string_view name = rest.substr(0, slash);
        rest = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
        if (name.empty() || name == ".") continue;
        if (name == "..")
            return fail(ErrorKind::invalid, "the layer names a file outside of its root: {}", path);
        if (name.size() > kMaxName)
            return fail(ErrorKind::invalid, "the layer has a file name of {} bytes, over 255",
                        name.size());
        if (!result.empty()) result += '/';
        result += name;
    }
    if (result.size() > kMaxPath)
        return fail(ErrorKind::invalid, "the layer has a path of {} bytes, over 4095",
                    result.size());
    return result;
}

SplitPath split_path(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return {"", path};
    return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace hako::fsimage
