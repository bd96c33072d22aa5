#include "engine/trash.h"

#include <system_error>

#include "base/log.h"
#include "engine/context.h"

namespace hako::engine {
namespace {

namespace fs = std::filesystem;

fs::path trash_of(const Context& context) { return context.layout.root() / "trash"; }

void remove_in_background(Context& context, fs::path path) {
    context.tasks.launch("trash", [path = std::move(path)](const std::stop_token&) {
        std::error_code error;
        fs::remove_all(path, error);
        if (error) log_warn("cannot remove {}: {}", path.native(), error.message());
    });
}

}  // namespace

Result<void> throw_away(Context& context, const fs::path& folder) {
    const auto trash = trash_of(context);
    HAKO_CHECK(make_folders(trash));
    const auto place = trash / random_id();
    std::error_code error;
    fs::rename(folder, place, error);
    if (error == std::errc::no_such_file_or_directory) return {};
    if (error) return fail_errno(error.value(), "cannot remove {}", folder.native());
    remove_in_background(context, place);
    return {};
}

void empty_trash(Context& context) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(trash_of(context), error))
        remove_in_background(context, entry.path());
}

}  // namespace hako::engine
