// Single-point moves: a row changes its cluster when that lowers the inertia, counting that both centroids follow. Finds
// better partitions than Lloyd's algorithm, whose fixed points they need not be: J. A. Hartigan, "Clustering Algorithms",
// 1975; Telgarsky & Vattani, "Hartigan's method: k-means clustering without Voronoi", AISTATS 2010.
#pragma once

#include <cstddef>

#include "core/interrupt.h"
#include "core/lloyd.h"
#include "core/options.h"
#include "core/tiles.h"

namespace segmentation {

// Moves rows until a whole pass moves none, or max_passes. Changes labels, weights, rows and centroids of `state` (its inertia
// is left behind); returns how many rows were moved. A cluster is never emptied.
std::size_t MoveSinglePoints(const Tiles& points, Distance distance, int max_passes, Clustering* state,
                             const Interrupt& interrupt);

}  // namespace segmentation
