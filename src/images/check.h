// Checking the store: what is damaged, missing or left over, and what can be done about it.
#pragma once

#include "base/result.h"
#include "images/image.h"
#include "images/stores.h"

namespace hako::images {

// See ImageStore::check.
Result<CheckReport> check_stores(Stores& stores, const CheckOptions& options);

}  // namespace hako::images
