#include "images/machine_image.h"

#include <algorithm>

#include "base/stream.h"
#include "images/image_store.h"

namespace hako::images {
namespace {

constexpr std::string_view kOwn = "docker.io/library/macos";
// dockur's, in both of the registries that it is published in.
constexpr std::string_view kDockurs[] = {"docker.io/dockurr/macos", "ghcr.io/dockur/macos"};
constexpr std::size_t kEmptyTar = 1024;

}  // namespace

std::string_view machine_of_image(const oci::Reference& reference) {
    const auto name = reference.name();
    const bool is_macos = name == kOwn || std::ranges::find(kDockurs, name) != std::end(kDockurs);
    return is_macos ? kMacosMachine : std::string_view();
}

std::string_view machine_of_image(std::string_view name) {
    const auto reference = oci::Reference::parse(name);
    return reference ? machine_of_image(*reference) : std::string_view();
}

Result<Image> make_machine_image(ImageStore& images, const oci::Reference& reference) {
    auto found = images.find(reference.text());
    if (found || found.error().kind() != ErrorKind::not_found) return found;
    ImportOptions options{.name = reference,
                          .changes = {R"(ENTRYPOINT ["hako-macos"])", "EXPOSE 8006/tcp 5900/tcp"},
                          .message = "A macOS machine of hako"};
    // The tags of dockur are those of its own releases.
    if (reference.name() == kOwn && !reference.tag.empty() && reference.tag != oci::kDefaultTag)
        options.changes.push_back("ENV VERSION=" + reference.tag);
    TextReader nothing(std::string(kEmptyTar, '\0'));
    return images.import(nothing, options);
}

}  // namespace hako::images
