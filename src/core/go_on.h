// Going on from centroids, with or without rows that are left out; what the search and the end of a training share.
#pragma once

#include <cstdint>
#include <vector>

#include "core/lloyd.h"
#include "core/options.h"
#include "core/points.h"
#include "core/threads.h"

namespace segmentation {

struct SearchTask {
  std::size_t k = 0;
  Options options;                        // init is not explicit in a search
  double shift = 0;                       // LloydLimits::shift
  bool sizes_by_weight = false;           // points stand for as many rows as they weigh
};

// Whether all clusters are that large.
bool AllLargeEnough(const Clustering& state, const SearchTask& task, double min_rows);

// Takes away the clusters without rows. A label that is none of a cluster's (left out) stays so.
void DropEmptyClusters(std::size_t dimensions, Clustering* state);

// Lloyd's algorithm, or with option trim its trimmed form, from the centroids of the state, without the clusters that it leaves empty.
// Its iterations are added to the state's. The inertia comes along where the limits say so, and with option trim.
void GoOn(const Points& points, const SearchTask& task, const LloydLimits& limits, ThreadTeam& team, Clustering* state);

// What option trim may leave out of these points; 0 without it.
double TrimLimitOf(const Points& points, const SearchTask& task, ThreadTeam& team);

}  // namespace segmentation
