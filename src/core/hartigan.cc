#include "core/hartigan.h"

#include <algorithm>
#include <cmath>

#include "core/distance_tile.h"

namespace segmentation {
namespace {

// A move must gain more than rounding could pretend, so that passes end.
constexpr double kLeastGain = 1e-12;

struct Move {
  std::size_t to;
  bool gains;
};

double SquaredDistance(const double* a, const double* b, std::size_t dimensions) {
  double sum = 0;
  for (std::size_t j = 0; j < dimensions; ++j) {
    const double difference = a[j] - b[j];
    sum += difference * difference;
  }
  return sum;
}

// The centroid of a cluster of weight W moves away when a row of weight w leaves it: the inertia falls by
// W w / (W - w) d^2; it rises by W w / (W + w) d^2 in the cluster that the row joins.
class EuclideanMoves {
 public:
  static constexpr bool kHasFilter = true;
  EuclideanMoves(std::size_t dimensions, Clustering* state) : dimensions_(dimensions), state_(state) {}

  Move Best(const double* row, double weight, std::size_t from) const {
    const double left = state_->weights[from] - weight;
    if (!(left > 0)) return {from, false};
    const double fall = SquaredDistance(row, Centroid(from), dimensions_) * (state_->weights[from] / left);
    double least_rise = fall;
    std::size_t to = from;
    for (std::size_t c = 0; c < state_->k(); ++c) {
      if (c == from) continue;
      const double total = state_->weights[c];
      const double rise = SquaredDistance(row, Centroid(c), dimensions_) * (total / (total + weight));
      if (rise < least_rise) {
        least_rise = rise;
        to = c;
      }
    }
    return {to, to != from && least_rise < fall * (1 - kLeastGain)};
  }

  void Apply(const double* row, double weight, std::size_t from, std::size_t to) {
    Pull(from, row, -weight / (state_->weights[from] - weight));
    Pull(to, row, weight / (state_->weights[to] + weight));
  }

 private:
  const double* Centroid(std::size_t c) const { return state_->centroids.data() + c * dimensions_; }
  void Pull(std::size_t c, const double* row, double by) {
    double* centroid = state_->centroids.data() + c * dimensions_;
    for (std::size_t j = 0; j < dimensions_; ++j) centroid[j] += by * (row[j] - centroid[j]);
  }

  std::size_t dimensions_;
  Clustering* state_;
};

// On the sphere the inertia is 2 (total weight - sum over the clusters of |S|), S = sum of weight * x: a move gains what the
// lengths gain (the "first variation" of Dhillon, Guan & Kogan, ICDM 2002).
class CosineMoves {
 public:
  static constexpr bool kHasFilter = false;
  CosineMoves(const Tiles& points, Clustering* state, const Interrupt& interrupt) : dimensions_(points.dimensions()), state_(state) {
    sums_.assign(state->centroids.size(), 0.0);
    for (std::size_t i = 0; i < points.rows(); ++i) {
      interrupt.Poll();
      double* sum = sums_.data() + static_cast<std::size_t>(state->labels[i]) * dimensions_;
      for (std::size_t j = 0; j < dimensions_; ++j) sum[j] += points.Weight(i) * points.At(i, j);
    }
  }

  Move Best(const double* row, double weight, std::size_t from) const {
    const double loss = Length(from, row, 0) - Length(from, row, -weight);
    double most = loss;
    std::size_t to = from;
    for (std::size_t c = 0; c < state_->k(); ++c) {
      if (c == from) continue;
      const double gain = Length(c, row, weight) - Length(c, row, 0);
      if (gain > most) {
        most = gain;
        to = c;
      }
    }
    return {to, to != from && most - loss > kLeastGain * state_->weights[to]};
  }

  void Apply(const double* row, double weight, std::size_t from, std::size_t to) {
    AddTo(from, row, -weight);
    AddTo(to, row, weight);
  }

 private:
  // |S + w x|
  double Length(std::size_t c, const double* row, double weight) const {
    const double* sum = sums_.data() + c * dimensions_;
    double square = 0;
    for (std::size_t j = 0; j < dimensions_; ++j) {
      const double value = sum[j] + weight * row[j];
      square += value * value;
    }
    return std::sqrt(square);
  }
  void AddTo(std::size_t c, const double* row, double weight) {
    double* sum = sums_.data() + c * dimensions_;
    for (std::size_t j = 0; j < dimensions_; ++j) sum[j] += weight * row[j];
    const double length = Length(c, row, 0);
    if (!(length > 0)) return;
    for (std::size_t j = 0; j < dimensions_; ++j) state_->centroids[c * dimensions_ + j] = sum[j] / length;
  }

  std::size_t dimensions_;
  Clustering* state_;
  std::vector<double> sums_;
};

// Marks the rows of a tile that could gain from a move, generously: the nearest other centroid, at the largest discount that
// any cluster gives, against the row's own at its surcharge.
void MarkCandidates(const Tiles& points, std::size_t tile, const Clustering& state, double smallest, bool* candidate) {
  constexpr double kSlack = 1 + 1e-9;
  double nearest[kTileRows];
  double second[kTileRows];
  std::int32_t label[kTileRows];
  NearestTwoInTile(points.Tile(tile), points.dimensions(), state.centroids.data(), state.k(), nearest, label, second,
                   points.RowsIn(tile));
  const double* weights = points.Weights(tile);
  for (std::size_t r = 0; r < points.RowsIn(tile); ++r) {
    const auto own = static_cast<std::int32_t>(state.labels[tile * kTileRows + r]);
    const double total = state.weights[static_cast<std::size_t>(own)];
    const double rise = second[r] * (smallest / (smallest + weights[r]));
    const double fall = nearest[r] * (total / (total - weights[r]));
    candidate[r] = label[r] != own || rise < fall * kSlack;
  }
}

template <typename Moves>
std::size_t RunPasses(const Tiles& points, int max_passes, Moves moves, Clustering* state, const Interrupt& interrupt) {
  std::vector<double> row(points.dimensions());
  std::size_t moved_in_all = 0;
  for (int pass = 0; pass < max_passes; ++pass) {
    std::size_t moved = 0;
    for (std::size_t tile = 0; tile < points.tile_count(); ++tile) {
      interrupt.Poll();
      bool candidate[kTileRows];
      std::fill_n(candidate, kTileRows, true);
      if constexpr (Moves::kHasFilter) {
        MarkCandidates(points, tile, *state, *std::min_element(state->weights.begin(), state->weights.end()), candidate);
      }
      for (std::size_t r = 0; r < points.RowsIn(tile); ++r) {
        const std::size_t i = tile * kTileRows + r;
        const auto from = static_cast<std::size_t>(state->labels[i]);
        if (!candidate[r] || state->rows[from] <= 1) continue;
        interrupt.Poll();
        const double weight = points.Weight(i);
        points.CopyRow(i, row.data());
        const Move move = moves.Best(row.data(), weight, from);
        if (!move.gains) continue;
        moves.Apply(row.data(), weight, from, move.to);
        state->weights[from] -= weight;
        state->weights[move.to] += weight;
        state->rows[from] -= 1;
        state->rows[move.to] += 1;
        state->labels[i] = static_cast<Label>(move.to);
        ++moved;
      }
    }
    moved_in_all += moved;
    if (moved == 0) break;
  }
  return moved_in_all;
}

}  // namespace

std::size_t MoveSinglePoints(const Tiles& points, Distance distance, int max_passes, Clustering* state,
                             const Interrupt& interrupt) {
  if (state->k() < 2) return 0;
  if (distance == Distance::kCosine) return RunPasses(points, max_passes, CosineMoves(points, state, interrupt), state, interrupt);
  return RunPasses(points, max_passes, EuclideanMoves(points.dimensions(), state), state, interrupt);
}

}  // namespace segmentation
