// The settings (GUCs) of the extension.
#pragma once

#include <cstdint>

namespace segmentation {

// segmentation.train_memory in bytes: what exact rows may take, per group and process.
std::uint64_t TrainMemoryBytes();

}  // namespace segmentation
