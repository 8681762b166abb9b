// How many segments there are in points, and whether there are any.
//
// Whether: the inertia falls with k on any data, and fastest, of all data that have no clusters, on uniform ones. So its fall is compared
// with that on uniform points in a box along the principal axes of the data (the reference of the gap statistic: R. Tibshirani, G.
// Walther, T. Hastie 2001).
// How many: as many as are found again in other rows of the same kind (prediction strength: R. Tibshirani, G. Walther 2005), up to
// where that falls most. What can be found again is not therefore real: one long Gaussian is cut in two in the same place every time.
#pragma once

#include <cstdint>
#include <vector>

#include "core/options.h"
#include "core/threads.h"
#include "core/tiles.h"

namespace segmentation {

// This many points decide, at most. With more, clusters that are cut in two are found again, too.
constexpr std::size_t kChoiceRows = 3000;

struct KTrial {
  std::size_t k = 0;
  double gap = 0;        // how much lower the logarithm of the inertia is than on the references, in the mean
  double gap_error = 0;  // standard deviation of the references, times sqrt(1 + 1 / references)
  // By how many of their standard deviations the fall of the inertia from one cluster to k exceeds that on the references.
  double evidence = 0;
  // Rows of one half that share a cluster there, as a share that is also put together by the centroids of the other half: of the worst
  // cluster, in the mean over halvings. 1 for k = 1.
  double prediction_strength = 1;
};

struct KChoice {
  bool structured = false;     // false: segments are a partition only
  std::size_t k = 1;           // where there is no structure, the most reproducible one from 2 on
  std::vector<KTrial> trials;  // k = 1, 2, ..., as far as there are different points
  std::size_t sampled = 0;
};

// One of k_min to k_max, as far as there are different points. points: in model space, in an order that says nothing about them
// (canonical). 1 <= k_min <= k_max. Deterministic for a seed.
KChoice ChooseK(const Tiles& points, std::size_t k_min, std::size_t k_max, Distance distance, std::uint64_t seed, ThreadTeam& team);

// Whether there are any segments in the points: `structured` of a choice from 2 to 10, or by the evidence for k clusters where those are more.
bool HasStructure(const Tiles& points, std::size_t k, Distance distance, std::uint64_t seed, ThreadTeam& team);

// For each point the index of its nearest centroid, of equals the first. centroids: row-major.
std::vector<std::size_t> NearestCentroids(const Tiles& points, const std::vector<double>& centroids);

}  // namespace segmentation
