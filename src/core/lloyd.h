// Lloyd's algorithm on weighted points: S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28, 1982.
#pragma once

#include <cstdint>
#include <vector>

#include "core/interrupt.h"
#include "core/options.h"
#include "core/tiles.h"

namespace segmentation {

// A partition of points and the centroids it was made by. A label is an index of a centroid; labels cover whole tiles, and
// those beyond the last row mean nothing.
struct Clustering {
  std::vector<double> centroids;     // k x dimensions
  std::vector<std::int32_t> labels;  // per row
  std::vector<double> weights;       // per cluster
  std::vector<double> rows;          // per cluster (whole numbers)
  double inertia = 0;                // weighted sum of squared distances to the nearest centroid
  std::uint64_t iterations = 0;
  bool converged = false;            // within the limits, not cut off by max_iter

  std::size_t k() const { return weights.size(); }
};

struct LloydLimits {
  int max_iter = 300;
  double shift = 0;  // stop when the squared shifts of the centroids add up to this or less
};

// Iterates from the given centroids (k x dimensions) until no label changes, the shift is small, or max_iter. The labels,
// weights and inertia that come back belong to the centroids that come back. An empty cluster takes the row farthest from
// its centroid (none when that distance is 0, and then it stays empty). Under cosine distance points and centroids have
// length 1 and a centroid is the direction of its members' sum (spherical k-means: Dhillon & Modha 2001).
Clustering Lloyd(const Tiles& points, std::vector<double> centroids, const LloydLimits& limits, Distance distance,
                 const Interrupt& interrupt);

}  // namespace segmentation
