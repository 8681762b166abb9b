// The search for a good clustering where option trim leaves rows out.
#pragma once

#include "core/go_on.h"
#include "core/points.h"
#include "core/threads.h"

namespace segmentation {

// Centroids for one start, drawn as greedy k-means++ does (seeding.h), but from the rows that would be kept: those farthest from the
// centroids drawn so far have no chance, and of the candidates the one wins that leaves the least inertia without the rows then farthest.
// So an outlier is drawn only where nothing else is left. Points in tiles in canonical order.
std::vector<double> SeedTrimmed(const Points& points, const SearchTask& task, std::uint32_t restart, ThreadTeam& team);

// The best clustering of all starts, by the inertia of what is kept: n_init of them (one with quality "fast"), each run through
// TrimmedLloyd; then exchanges of a centroid for a row are tried from the best one. A start whose clusters all have min_rows rows (or weigh
// as much, with task.sizes_by_weight) wins over any that has a smaller one. Points in tiles in canonical order, with their bounds.
Clustering SearchTrimmed(const Points& points, const SearchTask& task, double min_rows, ThreadTeam& team);

// The rows that are kept, in their order. labels: a label that is k or more is left out.
Tiles KeptRows(const Tiles& points, const Labels& labels, std::size_t k);

}  // namespace segmentation
