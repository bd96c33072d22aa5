// The images behind Engine::images() and Engine::remove_image().
#pragma once

#include "images/image_store.h"  // IWYU pragma: export
#include "oci/reference.h"       // IWYU pragma: export
