#include "core/cluster_totals.h"

namespace segmentation {
namespace {

// high += sign * the high folds of weight * row, and low likewise.
#define SEGMENTATION_ADD_FOLDS(name, attribute)                                                                          \
  attribute void name(const double* __restrict row, const double* __restrict down, double weight, double sign,           \
                      std::size_t dimensions, double* __restrict high, double* __restrict low) {                         \
    for (std::size_t j = 0; j < dimensions; ++j) {                                                                       \
      const Folds folds = Fold(weight * row[j] * down[j]);                                                               \
      high[j] += sign * folds.high;                                                                                      \
      low[j] += sign * folds.low;                                                                                        \
    }                                                                                                                    \
  }

using AddFolds = void (*)(const double*, const double*, double, double, std::size_t, double*, double*);

SEGMENTATION_ADD_FOLDS(AddFoldsNarrow, )
#if defined(__x86_64__)
SEGMENTATION_ADD_FOLDS(AddFoldsWide, __attribute__((target("avx2"))))
#endif

AddFolds Widest() {
#if defined(__x86_64__)
  static const AddFolds widest = __builtin_cpu_supports("avx2") ? AddFoldsWide : AddFoldsNarrow;
  return widest;
#else
  return AddFoldsNarrow;
#endif
}

}  // namespace

ClusterTotals::ClusterTotals(const Points& points, std::size_t k)
    : dimensions_(points.dimensions()), weighted_(points.weighted()), weight_unit_(points.WeightUnit()), sums_(k * dimensions_),
      weights_(weighted_ ? k : 0), rows_(k, 0) {
  for (std::size_t j = 0; j < dimensions_; ++j) {
    units_.push_back(points.UnitOf(j));
    down_.push_back(units_.back().down());
  }
}

void ClusterTotals::Mean(std::size_t cluster, double* mean) const {
  const double weight = Weight(cluster);
  for (std::size_t j = 0; j < dimensions_; ++j) mean[j] = sums_[cluster * dimensions_ + j].Value(units_[j]) / weight;
}

ClusterTotals::Changes::Changes(ClusterTotals* totals)
    : totals_(totals),
      row_(totals->dimensions_),
      folds_(totals->k() * 2 * (totals->dimensions_ + 1), 0.0),
      rows_(totals->k(), 0),
      is_used_(totals->k(), false) {}

void ClusterTotals::Changes::Add(std::size_t cluster, double weight, double sign) {
  if (terms_ == kMaxTerms) Flush();
  ++terms_;
  if (!is_used_[cluster]) {
    is_used_[cluster] = true;
    used_.push_back(static_cast<std::uint32_t>(cluster));
  }
  rows_[cluster] += sign > 0 ? 1 : -1;
  const std::size_t dimensions = totals_->dimensions_;
  double* high = folds_.data() + cluster * 2 * (dimensions + 1);
  Widest()(row_.data(), totals_->down_.data(), weight, sign, dimensions, high, high + dimensions);
  if (!totals_->weighted_) return;
  const Folds folds = Fold(weight * totals_->weight_unit_.down());
  high[2 * dimensions] += sign * folds.high;
  high[2 * dimensions + 1] += sign * folds.low;
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
