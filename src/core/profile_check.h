// Whether a profile is one that ProfileJson could have written: views read those of models from elsewhere, too, and one that cannot be read would
// break them for everybody.
#pragma once

#include <cstddef>
#include <string_view>

namespace segmentation {

// Throws kInvalidParameter with a detail. segments: how many the model has.
void CheckProfile(std::string_view json, std::size_t segments);

}  // namespace segmentation
