#include "core/cluster_totals.h"

#include <algorithm>

#include "core/row_kernels.h"

namespace segmentation {

ClusterTotals::ClusterTotals(const Points& points, std::size_t k)
    : points_(points), dimensions_(points.dimensions()), weighted_(points.weighted()), weight_unit_(points.WeightUnit()),
      sums_(k * dimensions_), weights_(weighted_ ? k : 0), rows_(k, 0) {
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
      buffer_(totals->dimensions_ * (totals->points_.in_place() ? 1 : kTileRows)),
      folds_(totals->k() * Stride(), 0.0),
      rows_(totals->k(), 0),
      is_used_(totals->k(), false) {}

// The folds of a cluster, which are going to change.
double* ClusterTotals::Changes::Use(std::size_t cluster) {
  if (!is_used_[cluster]) {
    is_used_[cluster] = true;
    used_.push_back(static_cast<std::uint32_t>(cluster));
  }
  return folds_.data() + cluster * Stride();
}

void ClusterTotals::Changes::EnterTile(std::size_t tile, const Label* labels) {
  const Points& points = totals_->points_;
  const std::size_t count = points.RowsIn(tile);
  if (terms_ + count > kMaxTerms) Flush();
  terms_ += count;
  for (std::size_t r = 0; r < count; ++r) {
    Use(labels[r]);
    rows_[labels[r]] += 1;
  }
  double weight_buffer[kTileRows];
  const double* weights = totals_->weighted_ ? points.Weights(tile, weight_buffer) : nullptr;
  WidestRowKernels().enter(points.Rows(tile, buffer_.data()), count, totals_->dimensions_, points.scaling(), totals_->down_.data(),
                           weights, labels, folds_.data(), Stride());
  if (!totals_->weighted_) return;
  for (std::size_t r = 0; r < count; ++r) {
    double* to = Use(labels[r]) + 2 * totals_->dimensions_;
    const Folds folds = Fold(weights[r] * totals_->weight_unit_.down());
    to[0] += folds.high;
    to[1] += folds.low;
  }
}

void ClusterTotals::Changes::Move(std::size_t row, std::size_t from_cluster, std::size_t to_cluster) {
  if (terms_ == kMaxTerms) Flush();
  ++terms_;
  const Points& points = totals_->points_;
  const std::size_t dimensions = totals_->dimensions_;
  double* from = Use(from_cluster);
  double* to = Use(to_cluster);
  rows_[from_cluster] -= 1;
  rows_[to_cluster] += 1;
  const double weight = points.Weight(row);
  WidestRowKernels().move(points.Row(row, buffer_.data()), dimensions, points.scaling(), totals_->down_.data(), weight, from, to);
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
    double* high = folds_.data() + cluster * Stride();
    for (std::size_t j = 0; j < dimensions; ++j) totals_->sums_[cluster * dimensions + j].Add(high[j], high[dimensions + j]);
    if (totals_->weighted_) totals_->weights_[cluster].Add(high[2 * dimensions], high[2 * dimensions + 1]);
    totals_->rows_[cluster] += rows_[cluster];
    rows_[cluster] = 0;
    is_used_[cluster] = false;
    std::fill_n(high, Stride(), 0.0);
  }
  used_.clear();
  terms_ = 0;
}

}  // namespace segmentation
