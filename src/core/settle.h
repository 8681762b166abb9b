// The end of a fit: segments that are large enough, in the order of their ids.
#pragma once

#include <vector>

#include "core/go_on.h"
#include "core/metrics.h"
#include "core/preprocess.h"
#include "core/threads.h"

namespace segmentation {

// Dissolves the smallest cluster below min_size, gives its rows to the others, and so on until none is left.
void Dissolve(const Points& points, const SearchTask& task, Clustering* state, ThreadTeam& team);

// Centroids in the order of the segment ids, and what their segments hold.
struct Settled {
  std::vector<double> centroids;
  std::vector<ClusterSums> clusters;
  double inner = 0;  // what lies within the cells that are kept
};

// A row between two centroids goes to the one listed first, so putting them in order can move rows: then once more from there,
// until order and rows agree. What is left after some rounds (a cycle of ties) only loses its empty segments.
Settled Settle(const Preprocessed& prepared, const SearchTask& task, Clustering* state, ThreadTeam& team);

}  // namespace segmentation
