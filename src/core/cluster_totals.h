// What a cluster's centroid is made of, kept exactly while rows come and go.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "core/exact_sum.h"
#include "core/filter_tile.h"
#include "core/points.h"

namespace segmentation {

// Per cluster: number of rows, sum of weights, and sum of weight * coordinate.
class ClusterTotals {
 public:
  // The points have to outlive it.
  ClusterTotals(const Points& points, std::size_t k);

  // Takes out everything.
  void Clear();

  std::size_t k() const { return rows_.size(); }
  std::int64_t Rows(std::size_t cluster) const { return rows_[cluster]; }
  double Weight(std::size_t cluster) const {
    return weighted_ ? weights_[cluster].Value(weight_unit_) : static_cast<double>(rows_[cluster]);
  }
  // The mean of the cluster's rows (dimensions doubles). Only where it has some.
  void Mean(std::size_t cluster, double* mean) const;

  // Changes that one thread makes; they reach the totals when they are flushed.
  class Changes {
   public:
    explicit Changes(ClusterTotals* totals);
    // The rows of a tile enter the clusters of their labels.
    void EnterTile(std::size_t tile, const Label* labels);
    // A row leaves one cluster for another.
    void Move(std::size_t row, std::size_t from, std::size_t to);
    void Flush();

   private:
    double* Use(std::size_t cluster);
    std::size_t Stride() const { return 2 * (totals_->dimensions_ + 1); }

    ClusterTotals* totals_;
    std::vector<double> buffer_;       // a tile's rows, where they do not lie in memory as rows
    std::vector<double> folds_;        // per cluster: dimensions high ones, dimensions low ones, and the weight's two
    std::vector<std::int64_t> rows_;   // per cluster
    std::vector<std::uint32_t> used_;  // the clusters that have changed
    std::vector<char> is_used_;
    std::size_t terms_ = 0;
  };

 private:
  const Points& points_;
  std::size_t dimensions_;
  bool weighted_;
  std::vector<double> down_;  // per column
  std::vector<SumUnit> units_;
  SumUnit weight_unit_;
  std::vector<ExactTotal> sums_;  // k x dimensions
  std::vector<ExactTotal> weights_;
  std::vector<std::int64_t> rows_;
  std::mutex mutex_;
};

}  // namespace segmentation
