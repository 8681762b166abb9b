#include "core/few_rows.h"

#include <algorithm>
#include <cmath>

#include "core/distance_tile.h"

namespace segmentation {

FewRows::FewRows(const Tiles& points)
    : points_(points),
      rows_(points.rows() * points.dimensions()),
      weights_(points.rows()),
      nearest_(points.tile_count() * kTileRows),
      found_(points.tile_count() * kTileRows) {
  for (std::size_t i = 0; i < points.rows(); ++i) {
    points.CopyRow(i, rows_.data() + i * points.dimensions());
    weights_[i] = points.Weight(i);
  }
  for (const double value : rows_) largest_ = std::max(largest_, std::abs(value));
}

void FewRows::Assign(const std::vector<double>& centroids, std::size_t k) {
  for (std::size_t tile = 0; tile < points_.tile_count(); ++tile) {
    NearestInTile(points_.Tile(tile), points_.dimensions(), centroids.data(), k, nearest_.data() + tile * kTileRows,
                  found_.data() + tile * kTileRows, points_.RowsIn(tile));
  }
}

bool FewRows::TakeLabels(Labels* labels) const {
  Label changed = 0;
  Label* label = labels->data();
  for (std::size_t i = 0; i < points_.rows(); ++i) {
    const auto found = static_cast<Label>(found_[i]);
    changed |= label[i] ^ found;
    label[i] = found;
  }
  return changed != 0;
}

void FewRows::SumUp(const Labels& labels, Clustering* state) {
  const std::size_t dimensions = points_.dimensions();
  std::fill(sums_.begin(), sums_.end(), 0.0);
  std::fill(state->weights.begin(), state->weights.end(), 0.0);
  std::fill(state->rows.begin(), state->rows.end(), 0.0);
  const double* __restrict row = rows_.data();
  for (std::size_t i = 0; i < points_.rows(); ++i, row += dimensions) {
    const std::size_t cluster = labels[i];
    const double weight = weights_[i];
    double* __restrict sum = sums_.data() + cluster * dimensions;
    for (std::size_t j = 0; j < dimensions; ++j) sum[j] += weight * row[j];
    state->weights[cluster] += weight;
    state->rows[cluster] += 1;
  }
}

double FewRows::Move(const Clustering& state) {
  const std::size_t dimensions = points_.dimensions();
  double total_shift = 0;
  std::size_t at = 0;
  for (const double weight : state.weights) {
    const double share = 1 / weight;
    for (const std::size_t end = at + dimensions; at < end; ++at) {
      const double mean = sums_[at] * share;
      const double shift = mean - centroids_[at];
      total_shift += shift * shift;
      centroids_[at] = mean;
    }
  }
  return total_shift;
}

bool FewRows::IsPerfect(const Clustering& state) const {
  const std::size_t dimensions = points_.dimensions();
  // A mean of n equal numbers is off by n roundings at most.
  const double off = largest_ * static_cast<double>(kFewRows) * 0x1p-52;
  const double weight = *std::max_element(weights_.begin(), weights_.end());
  if (state.inertia > off * off * weight * static_cast<double>(rows_.size())) return false;
  std::vector<const double*> first(state.k(), nullptr);
  for (std::size_t i = 0; i < points_.rows(); ++i) {
    const double* row = rows_.data() + i * dimensions;
    const double*& other = first[state.labels[i]];
    if (other == nullptr) other = row;
    if (!std::equal(row, row + dimensions, other)) return false;
  }
  return true;
}

bool FewRows::Run(const LloydLimits& limits, Clustering* state) {
  const std::size_t k = state->centroids.size() / points_.dimensions();
  centroids_ = state->centroids;
  sums_.resize(centroids_.size());
  state->weights.assign(k, 0.0);
  state->rows.assign(k, 0.0);
  state->labels.assign(found_.size(), 0);
  std::fill_n(state->labels.begin(), points_.rows(), static_cast<Label>(k));  // nobody's
  state->iterations = 0;
  state->converged = state->stable = false;
  for (int i = 0; i < limits.max_iter && !state->converged; ++i) {
    Assign(centroids_, k);
    ++state->iterations;
    if (!TakeLabels(&state->labels)) {
      state->converged = state->stable = true;
      break;
    }
    SumUp(state->labels, state);
    if (std::find(state->rows.begin(), state->rows.end(), 0.0) != state->rows.end()) return false;
    state->converged = Move(*state) <= limits.shift;
  }
  if (!state->stable) {
    Assign(centroids_, k);
    TakeLabels(&state->labels);
    SumUp(state->labels, state);
  }
  state->centroids = centroids_;
  state->inertia = 0;
  for (std::size_t i = 0; i < points_.rows(); ++i) state->inertia += weights_[i] * nearest_[i];
  if (IsPerfect(*state)) state->inertia = 0;
  return true;
}

}  // namespace segmentation
