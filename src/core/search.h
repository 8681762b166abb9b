// The search for a good clustering of points in model space.
#pragma once

#include <cstdint>
#include <vector>

#include "core/interrupt.h"
#include "core/lloyd.h"
#include "core/options.h"
#include "core/tiles.h"

namespace segmentation {

struct SearchTask {
  std::size_t k = 0;
  Options options;                        // init is not explicit here
  double shift = 0;                       // LloydLimits::shift
  std::vector<double> initial_centroids;  // k x dimensions in model space; not empty: the only start
};

// The best clustering of all starts on these points. A start whose clusters all have min_rows rows wins over
// any that has a smaller one. Clusters without rows are left out.
Clustering Search(const Tiles& points, const SearchTask& task, double min_rows, const Interrupt& interrupt);

// Takes away the clusters without rows.
void DropEmptyClusters(std::size_t dimensions, Clustering* state);

}  // namespace segmentation
