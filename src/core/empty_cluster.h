// Which rows an empty cluster may take.
#pragma once

#include <cstddef>
#include <vector>

#include "core/interrupt.h"
#include "core/points.h"

namespace segmentation {

// The rows farthest from their nearest centroid, farthest first, ties to the smallest coordinates; at most `count`, and none whose
// distance is 0.
std::vector<std::size_t> FarthestRows(const Points& points, const std::vector<double>& centroids, std::size_t count,
                                      const Interrupt& interrupt);

}  // namespace segmentation
