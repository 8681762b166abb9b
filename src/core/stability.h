// Whether the segments of a model are found again in other rows of the same kind.
//
// Rows are drawn anew with replacement, as many as there are, and clustered; every segment is compared with the cluster that is most like
// it, by the Jaccard similarity (rows in both as a share of rows in either) over the different rows that were drawn: C. Hennig, "Cluster-wise
// assessment of cluster stability", Computational Statistics & Data Analysis 52, 2007. A segment is dissolved where that is 0.5 or less.
//
// What is found again is not therefore real: k-means cuts one long Gaussian in two in the same place every time. So it is asked beside it
// whether there is any structure (choose_k.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/model.h"
#include "core/rows.h"
#include "core/threads.h"

namespace segmentation {

// Rows that decide, at most.
constexpr std::size_t kStabilityRows = 10'000;
constexpr int kFewestSamples = 10;
constexpr int kMostSamples = 1000;

struct SegmentStability {
  std::int32_t segment = 0;  // id
  std::size_t rows = 0;      // that the model assigns to it
  // Over the samples in which any of its rows were drawn; NaN where there are none.
  double jaccard = 0;        // mean
  double jaccard_low = 0;    // 5 % quantile
  double dissolved = 0;      // share of samples
};

struct Stability {
  std::vector<SegmentStability> segments;  // in the order of the model
  double adjusted_rand_index = 0;          // of both partitions of the rows drawn: mean over the samples
  bool structured = false;
  std::size_t rows = 0;
};

// points: rows in the space of the model, with their weights where the set is weighted; 1 to kStabilityRows of them. A weight goes along
// with its row, which is drawn and counted as one. Clusters are searched for as the model's were (k, distance, n_init, at most 10,
// quality, "best" as the default, min_size), but never from centroids that were given. Deterministic for the model's seed, whatever the order of the rows and the team.
// Throws kInvalidParameter for a number of samples that is out of bounds, kLimit for too many rows, kDimensionMismatch for points of
// another dimension.
// outliers: the share of the points that the training left out, which cannot be told from the others here; samples leave out so many as option
// trim does.
Stability FindStability(const RowSet& points, const Model& model, int samples, ThreadTeam& team, double outliers = 0);

}  // namespace segmentation
