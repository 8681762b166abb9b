#include "core/cluster_totals.h"

#include <algorithm>

namespace segmentation {
namespace {

// Adds the folds of weight * row to a cluster's (dimensions high ones, then as many low ones), and takes them from another's.
#define SEGMENTATION_ADD_FOLDS(suffix, attribute)                                                                       \
  attribute void Enter##suffix(const double* __restrict row, const double* __restrict down, double weight,              \
                               std::size_t dimensions, double* __restrict to) {                                         \
    for (std::size_t j = 0; j < dimensions; ++j) {                                                                      \
      const Folds folds = Fold(weight * row[j] * down[j]);                                                              \
      to[j] += folds.high;                                                                                              \
      to[dimensions + j] += folds.low;                                                                                  \
    }                                                                                                                   \
  }                                                                                                                     \
  attribute void Move##suffix(const double* __restrict row, const double* __restrict down, double weight,               \
                              std::size_t dimensions, double* __restrict from, double* __restrict to) {                 \
    for (std::size_t j = 0; j < dimensions; ++j) {                                                                      \
      const Folds folds = Fold(weight * row[j] * down[j]);                                                              \
      from[j] -= folds.high;                                                                                            \
      from[dimensions + j] -= folds.low;                                                                                \
      to[j] += folds.high;                                                                                              \
      to[dimensions + j] += folds.low;                                                                                  \
    }                                                                                                                   \
  }

SEGMENTATION_ADD_FOLDS(Narrow, )
#if defined(__x86_64__)
SEGMENTATION_ADD_FOLDS(Wide, __attribute__((target("avx2"))))
#endif

}  // namespace

const ClusterTotals::FoldAdders& ClusterTotals::Adders() {
#if defined(__x86_64__)
  static const FoldAdders widest =
      __builtin_cpu_supports("avx2") ? FoldAdders{EnterWide, MoveWide} : FoldAdders{EnterNarrow, MoveNarrow};
#else
  static const FoldAdders widest{EnterNarrow, MoveNarrow};
#endif
  return widest;
}

ClusterTotals::ClusterTotals(const Points& points, std::size_t k)
    : dimensions_(points.dimensions()), weighted_(points.weighted()), weight_unit_(points.WeightUnit()), sums_(k * dimensions_),
      weights_(weighted_ ? k : 0), rows_(k, 0) {
  for (std::size_t j = 0; j < dimensions_; ++j) {
    units_.push_back(points.UnitOf(j));
    down_.push_back(units_.back().down());
  }
}

void ClusterTotals::Clear() {
  std::fill(sums_.begin(), sums_.end(), ExactTotal());
  std::fill(weights_.begin(), weights_.end(), ExactTotal());
  std::fill(rows_.begin(), rows_.end(), 0);
}

void ClusterTotals::Mean(std::size_t cluster, double* mean) const {
  const double weight = Weight(cluster);
  for (std::size_t j = 0; j < dimensions_; ++j) mean[j] = sums_[cluster * dimensions_ + j].Value(units_[j]) / weight;
}

ClusterTotals::Changes::Changes(ClusterTotals* totals)
    : totals_(totals),
      down_(totals->down_.data()),
      adders_(Adders()),
      row_(totals->dimensions_),
      folds_(totals->k() * 2 * (totals->dimensions_ + 1), 0.0),
      rows_(totals->k(), 0),
      is_used_(totals->k(), false) {}

// The folds of a cluster, which are going to change.
double* ClusterTotals::Changes::Use(std::size_t cluster) {
  if (!is_used_[cluster]) {
    is_used_[cluster] = true;
    used_.push_back(static_cast<std::uint32_t>(cluster));
  }
  return folds_.data() + cluster * 2 * (totals_->dimensions_ + 1);
}

void ClusterTotals::Changes::Enter(std::size_t cluster, double weight) {
  if (terms_ == kMaxTerms) Flush();
  ++terms_;
  const std::size_t dimensions = totals_->dimensions_;
  double* to = Use(cluster);
  rows_[cluster] += 1;
  adders_.enter(row_.data(), down_, weight, dimensions, to);
  if (!totals_->weighted_) return;
  const Folds folds = Fold(weight * totals_->weight_unit_.down());
  to[2 * dimensions] += folds.high;
  to[2 * dimensions + 1] += folds.low;
}

void ClusterTotals::Changes::Move(std::size_t from_cluster, std::size_t to_cluster, double weight) {
  if (terms_ == kMaxTerms) Flush();
  ++terms_;
  const std::size_t dimensions = totals_->dimensions_;
  double* from = Use(from_cluster);
  double* to = Use(to_cluster);
  rows_[from_cluster] -= 1;
  rows_[to_cluster] += 1;
  adders_.move(row_.data(), down_, weight, dimensions, from, to);
  if (!totals_->weighted_) return;
  const Folds folds = Fold(weight * totals_->weight_unit_.down());
  from[2 * dimensions] -= folds.high;
  from[2 * dimensions + 1] -= folds.low;
  to[2 * dimensions] += folds.high;
  to[2 * dimensions + 1] += folds.low;
}

void ClusterTotals::Changes::Flush() {
  const std::lock_guard<std::mutex> lock(totals_->mutex_);
  const std::size_t dimensions = totals_->dimensions_;
  for (const std::uint32_t cluster : used_) {
    double* high = folds_.data() + cluster * 2 * (dimensions + 1);
    for (std::size_t j = 0; j < dimensions; ++j) totals_->sums_[cluster * dimensions + j].Add(high[j], high[dimensions + j]);
    if (totals_->weighted_) totals_->weights_[cluster].Add(high[2 * dimensions], high[2 * dimensions + 1]);
    totals_->rows_[cluster] += rows_[cluster];
    rows_[cluster] = 0;
    is_used_[cluster] = false;
    std::fill_n(high, 2 * (dimensions + 1), 0.0);
  }
  used_.clear();
  terms_ = 0;
}

}  // namespace segmentation
