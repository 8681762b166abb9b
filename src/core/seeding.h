// Where the centroids start.
#pragma once

#include <cstdint>
#include <vector>

#include "core/interrupt.h"
#include "core/options.h"
#include "core/tiles.h"

namespace segmentation {

// Centroids (at most k x dimensions) drawn for one restart; a function of (seed, restart, points) alone.
//   k-means++  greedy: each next centroid is the best of 2 + floor(ln k) rows drawn with probability proportional to
//              weight * squared distance. Arthur & Vassilvitskii 2007, section 4 of the extended report; ends early when
//              every row coincides with a centroid, that is with fewer than k different rows.
//   random     k different rows, each equally likely whatever its weight.
std::vector<double> Seed(const Tiles& points, std::size_t k, Init init, std::uint64_t seed, std::uint32_t restart,
                         const Interrupt& interrupt);

// 2 + floor(ln k) without a logarithm.
std::size_t GreedyCandidates(std::size_t k);

}  // namespace segmentation
