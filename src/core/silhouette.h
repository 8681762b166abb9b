// The silhouette of a clustering: P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
// analysis", 1987.
#pragma once

#include <cstddef>
#include <vector>

#include "core/threads.h"
#include "core/tiles.h"

namespace segmentation {

// More points than this are too many: all distances between them are computed.
constexpr std::size_t kSilhouetteRows = 10'000;

// The weighted mean over the points of (b - a) / max(a, b): a the mean distance to the other points of the own cluster, b the smallest mean
// distance to those of another one; 0 for a point alone in its cluster. A point of weight w stands for w equal ones. NaN with fewer
// than two clusters. labels: per point, below k.
double MeanSilhouette(const Tiles& points, const std::vector<std::size_t>& labels, std::size_t k, ThreadTeam& team);

}  // namespace segmentation
