// Lloyd's algorithm on weighted points: S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28, 1982.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/filter_tile.h"
#include "core/options.h"
#include "core/points.h"
#include "core/threads.h"

namespace segmentation {

using Labels = std::vector<Label, CacheLineAllocator<Label>>;

// A partition of points and the centroids it was made by. A label is an index of a centroid; labels cover whole tiles, and
// those beyond the last row mean nothing.
struct Clustering {
  std::vector<double> centroids;  // k x dimensions
  Labels labels;                  // per row
  std::vector<double> weights;    // per cluster
  std::vector<double> rows;       // per cluster (whole numbers)
  double inertia = 0;             // weighted sum of squared distances to the nearest centroid
  std::uint64_t iterations = 0;
  bool converged = false;         // within the limits, not cut off by max_iter
  bool stable = false;            // and no label changed in the last iteration: another one would change nothing

  std::size_t k() const { return weights.size(); }
};

struct LloydLimits {
  int max_iter = 300;
  double shift = 0;             // stop when the squared shifts of the centroids add up to this or less
  bool with_inertia = true;     // that takes a pass of its own
};

// Iterates from the given centroids (k x dimensions) until no label changes, the shift is small, or max_iter. The labels,
// weights and inertia that come back belong to the centroids that come back. An empty cluster takes the row farthest from
// its centroid (none when that distance is 0, and then it stays empty). Under cosine distance points and centroids have
// length 1 and a centroid is the direction of its members' sum (spherical k-means: Dhillon & Modha 2001).
//
// The result depends on the points alone, not on their order nor on the team: labels are those that double precision gives
// whatever finds them (filter_tile.h), and centroids are made of exact sums (exact_sum.h), which follow the rows that change
// their cluster. The points need their bounds; with their filter it is faster.
//
// Where that is worth it (BoundsPay), a row also keeps by how much its second nearest centroid is farther than its own, less
// what the centroids have moved since; while that is positive its label cannot change (one bound for the two of G. Hamerly,
// "Making k-means even faster", SDM 2010). The rows of a block that fail are gathered into tiles of their own.
//
// workspace: kept from one run to the next on the same points with the same k, it saves the allocations, which are most of the
// time where rows are few. Nothing in it has a meaning between runs.
class LloydWorkspace;
Clustering Lloyd(const Points& points, std::vector<double> centroids, const LloydLimits& limits, Distance distance, ThreadTeam& team,
                 LloydWorkspace* workspace = nullptr);

class Assignment;  // lloyd.cc

class LloydWorkspace {
 public:
  LloydWorkspace();
  ~LloydWorkspace();
  LloydWorkspace(LloydWorkspace&&) noexcept;
  LloydWorkspace& operator=(LloydWorkspace&&) noexcept;

 private:
  friend Clustering Lloyd(const Points&, std::vector<double>, const LloydLimits&, Distance, ThreadTeam&, LloydWorkspace*);
  std::unique_ptr<Assignment> assignment_;
};

// Whether keeping bounds costs less than what they save, by the steps that a row takes without them. What lies in a cache pays sooner:
// bounds are read and written in every iteration.
constexpr bool BoundsPay(std::size_t rows, std::size_t k, std::size_t dimensions) {
  constexpr std::size_t kCachedRows = 200'000;
  return k > 1 && k * dimensions >= (rows <= kCachedRows ? 50 : 100);
}

// The weighted sum of squared distances of the rows to the centroids of their labels, which are the nearest ones. An exact sum.
double Inertia(const Points& points, const std::vector<double>& centroids, const Labels& labels, ThreadTeam& team);

// A bound of weight * squared distance of any point to its nearest centroid.
double SquareBound(const Points& points, const std::vector<double>& centroids);

}  // namespace segmentation
