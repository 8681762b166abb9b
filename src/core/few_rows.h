// Lloyd's algorithm on few rows, where what goes on around its sums would take longer than the sums.
#pragma once

#include <cstdint>
#include <vector>

#include "core/lloyd.h"

namespace segmentation {

constexpr std::size_t kFewRows = 256;

// Keeps its memory from one run to the next. Does what Lloyd() does under Euclidean distance, but for this: sums are plain ones, in
// the order of the rows. So the rows have to lie in canonical order, and centroids can be off by a rounding error; whoever keeps them
// lets Lloyd() have the last word.
class FewRows {
 public:
  explicit FewRows(const Tiles& points);

  // From the centroids of the state to what belongs to them. False where a cluster has lost all of its rows, which is left to
  // Lloyd(): then only the centroids are still those that were given.
  bool Run(const LloydLimits& limits, Clustering* state);

 private:
  void Assign(const std::vector<double>& centroids, std::size_t k);
  // Takes the labels over; false where they are those already.
  bool TakeLabels(Labels* labels) const;
  void SumUp(const Labels& labels, Clustering* state);
  // Whether the rows of each cluster are all the same, when the inertia could be nothing but rounding; then it is 0.
  bool IsPerfect(const Clustering& state) const;
  // Moves the centroids to the means; returns the sum of the squared shifts.
  double Move(const Clustering& state);

  const Tiles& points_;
  std::vector<double> rows_;      // rows x dimensions
  std::vector<double> weights_;
  double largest_ = 0;            // of the rows' numbers, without signs
  std::vector<double> nearest_;   // squared distance of each row to its centroid
  std::vector<std::int32_t> found_;
  std::vector<double> centroids_;
  std::vector<double> sums_;      // k x dimensions
};

}  // namespace segmentation
