// What a cluster's centroid is made of, kept exactly while rows come and go.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "core/exact_sum.h"
#include "core/points.h"

namespace segmentation {

// Per cluster: number of rows, sum of weights, and sum of weight * coordinate.
class ClusterTotals {
 public:
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

  // Loops over the columns of a row, at the width of this machine: (row, down, weight, dimensions, folds of the cluster it enters)
  // and (row, down, weight, dimensions, folds of the one it leaves, and of the one it enters).
  struct FoldAdders {
    void (*enter)(const double*, const double*, double, std::size_t, double*);
    void (*move)(const double*, const double*, double, std::size_t, double*, double*);
  };

  // Changes that one thread makes; they reach the totals when they are flushed.
  class Changes {
   public:
    explicit Changes(ClusterTotals* totals);
    // Room for a row to be handed over in.
    double* row() { return row_.data(); }
    // The row in row() enters a cluster.
    void Enter(std::size_t cluster, double weight);
    // It leaves one for another.
    void Move(std::size_t from, std::size_t to, double weight);
    void Flush();

   private:
    double* Use(std::size_t cluster);

    ClusterTotals* totals_;
    const double* down_;
    FoldAdders adders_;
    std::vector<double> row_;
    std::vector<double> folds_;        // per cluster: dimensions high ones, dimensions low ones, and the weight's two
    std::vector<std::int64_t> rows_;   // per cluster
    std::vector<std::uint32_t> used_;  // the clusters that have changed
    std::vector<char> is_used_;
    int terms_ = 0;
  };

 private:
  static const FoldAdders& Adders();

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
