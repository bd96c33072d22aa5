#include "macos/recovery.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/paths.h"
#include "base/units.h"
#include "macos/fetch_lock.h"
#include "macos/udif.h"
#include "store/file.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDmg = "BaseSystem.dmg";
constexpr std::string_view kChunklist = "BaseSystem.chunklist";
constexpr std::string_view kPartial = "BaseSystem.dmg.partial";

// Gives a whole image its name, so that it is there after a power failure, too.
Result<void> publish(const fs::path& partial, const fs::path& place) {
    {
        HAKO_TRY(const Fd fd, open_file(partial, O_RDWR));
        if (::fsync(fd.get()) != 0) return fail_errno(errno, "cannot save {}", partial.native());
    }
    std::error_code error;
    fs::rename(partial, place / kDmg, error);
    if (error) return fail_errno(error.value(), "cannot rename {}", partial.native());
    return store::sync_folder(place);
}

Result<void> copy_over(const fs::path& from, const fs::path& to) {
    std::error_code error;
    fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
    if (error) return fail_errno(error.value(), "cannot copy {} to {}", from.native(), to.native());
    return {};
}

}  // namespace

Result<Chunklist> RecoveryCache::read_trusted(std::string_view text) const {
    HAKO_TRY(auto list, read_chunklist(as_bytes(text), options_.keys));
    if (!list.is_signed && !options_.allow_unverified)
        return fail(ErrorKind::forbidden,
                    "the recovery image is not signed by Apple, so anybody may have made it; "
                    "nothing was kept. Only if you know where it comes from: --allow-unverified");
    return list;
}

Result<std::optional<RecoveryImage>> RecoveryCache::find(const Version& version) const {
    RecoveryImage image{
        .dmg = place(version) / kDmg, .chunklist = place(version) / kChunklist, .was_here = true};
    std::error_code error;
    if (!fs::exists(image.dmg, error)) return std::nullopt;
    HAKO_TRY(const auto text, read_file(image.chunklist, kMaxChunklist));
    HAKO_TRY(const auto list, read_trusted(text));
    // What is under this name was checked piece by piece when it came.
    if (fs::file_size(image.dmg, error) != list.image_bytes()) return std::nullopt;
    image.is_signed = list.is_signed;
    return image;
}

Result<void> RecoveryCache::download(const Version& version, const fs::path& place,
                                     const DownloadProgress& progress,
                                     const std::stop_token& stop) const {
    oci::Transport transport(options_.transport);
    RecoveryServer server(transport, options_.server, system_draw());
    HAKO_TRY(const auto offer, server.offer(version, stop));
    HAKO_TRY(const auto text, server.fetch(offer.chunklist_url, offer.chunklist_token, stop));
    HAKO_TRY(const auto list, read_trusted(text));
    HAKO_CHECK(store::write_file_atomic(place / kChunklist, text, 0644));
    HAKO_CHECK(download_image(
        transport, list, offer, [&] { return server.offer(version, stop); }, place / kPartial,
        options_.download, progress, stop));
    HAKO_CHECK(check_udif(place / kPartial));
    return publish(place / kPartial, place);
}

Result<RecoveryImage> RecoveryCache::fetch(const Version& version, const DownloadProgress& progress,
                                           const std::stop_token& stop) {
    const auto folder = place(version);
    HAKO_TRY([[maybe_unused]] const auto lock, wait_for_fetch_lock(folder, options_.on_wait, stop));
    HAKO_TRY(auto here, find(version));
    if (here) return *std::move(here);
    HAKO_CHECK(with_context(download(version, folder, progress, stop),
                            fmt::format("macOS {} ({})", version.number, version.name)));
    HAKO_TRY(here, find(version));
    if (!here)
        return fail(ErrorKind::corrupt, "the recovery image in {} changed while it was checked",
                    folder.native());
    here->was_here = false;
    return *std::move(here);
}

Result<RecoveryImage> RecoveryCache::import(const Version& version, const fs::path& from) {
    HAKO_TRY(const auto text,
             with_context(read_file(from / kChunklist, kMaxChunklist),
                          fmt::format("{} needs a {} and a {}", from.native(), kDmg, kChunklist)));
    HAKO_TRY(const auto list, read_trusted(text));
    const auto folder = place(version);
    HAKO_TRY([[maybe_unused]] const auto lock, take_fetch_lock(folder));
    HAKO_CHECK(copy_over(from / kDmg, folder / kPartial));
    // The copy is checked, so that what is checked is what is used.
    HAKO_TRY(const auto missing, missing_chunks(list, folder / kPartial));
    std::error_code error;
    if (!missing.empty() || fs::file_size(folder / kPartial, error) != list.image_bytes()) {
        fs::remove(folder / kPartial, error);
        return fail(ErrorKind::corrupt,
                    "{} is not the image that its chunklist tells of: it is cut short, or changed. "
                    "Fetch it anew",
                    (from / kDmg).native());
    }
    HAKO_CHECK(check_udif(folder / kPartial));
    HAKO_CHECK(store::write_file_atomic(folder / kChunklist, text, 0644));
    HAKO_CHECK(publish(folder / kPartial, folder));
    return RecoveryImage{
        .dmg = folder / kDmg, .chunklist = folder / kChunklist, .is_signed = list.is_signed};
}

Result<void> RecoveryCache::export_to(const Version& version, const fs::path& to) const {
    HAKO_TRY(const auto image, find(version));
    if (!image)
        return fail(ErrorKind::not_found, "macOS {} is not here: `hako macos fetch --version {}`",
                    version.number, version.number);
    HAKO_CHECK(make_folders(to, 0755));
    HAKO_CHECK(copy_over(image->chunklist, to / kChunklist));
    return copy_over(image->dmg, to / kDmg);
}

}  // namespace hako::macos
