// Images of machines that are no Linux guests. They hold no files: hako makes them when they are
// pulled, and their name says what a container of theirs is.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "images/image.h"
#include "oci/reference.h"

namespace hako::images {

class ImageStore;

constexpr std::string_view kMacosMachine = "macos";

// What a container of this image is: kMacosMachine for macos[:VERSION] and dockurr/macos[:any],
// which promises the same; empty for an image of files.
std::string_view machine_of_image(const oci::Reference& reference);
std::string_view machine_of_image(std::string_view name);

// Makes the image, with its name, where it is not there.
Result<Image> make_machine_image(ImageStore& images, const oci::Reference& reference);

}  // namespace hako::images
