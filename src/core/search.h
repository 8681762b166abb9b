// The search for a good clustering of points in model space.
#pragma once

#include <cstdint>
#include <vector>

#include "core/go_on.h"
#include "core/interrupt.h"
#include "core/lloyd.h"
#include "core/options.h"
#include "core/points.h"
#include "core/threads.h"

namespace segmentation {

// The best clustering of all starts on these points, which lie in tiles in canonical order. A start whose clusters all have
// min_rows rows (or weigh as much, with task.sizes_by_weight) wins over any that has a smaller one. Clusters without rows are
// left out. Starts and exchanges are shared out to the team; the result does not depend on it.
Clustering Search(const Points& points, const SearchTask& task, double min_rows, ThreadTeam& team);

// The same for many points, or a sample of more on which Lloyd's algorithm will go on from what is found here: no start is settled
// to its last row, and starts are made and exchanges tried on samples of these points. Lloyd's algorithm takes the best of those to
// all points, several of them where clusters are many, and what is best there is the result.
Clustering SearchSample(const Points& sample, const SearchTask& task, double min_rows, ThreadTeam& team);

// Points for the search: with bounds and filter.
Points SearchPoints(Tiles tiles, ThreadTeam& team);

}  // namespace segmentation
