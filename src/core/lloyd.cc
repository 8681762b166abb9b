#include "core/lloyd.h"

#include <algorithm>

#include "core/distance_tile.h"
#include "core/empty_cluster.h"
#include "core/preprocess.h"
#include "core/reduce.h"

namespace segmentation {
namespace {

// What one pass over the points sums up, in one vector: k x dimensions of weight * (x - centroid), then per cluster the
// weight and the number of rows, then the inertia and the number of labels that changed.
class PassSums {
 public:
  PassSums(std::size_t k, std::size_t dimensions) : k_(k), dimensions_(dimensions) {}
  std::size_t width() const { return k_ * dimensions_ + 2 * k_ + 2; }
  std::size_t Shift(std::size_t cluster) const { return cluster * dimensions_; }
  std::size_t Weight(std::size_t cluster) const { return k_ * dimensions_ + cluster; }
  std::size_t Rows(std::size_t cluster) const { return k_ * dimensions_ + k_ + cluster; }
  std::size_t Inertia() const { return width() - 2; }
  std::size_t Changed() const { return width() - 1; }

 private:
  std::size_t k_;
  std::size_t dimensions_;
};

// Adds the rows of one tile to the block's sums.
void AddTile(const Tiles& points, std::size_t tile, const std::vector<double>& centroids, const PassSums& at,
             const std::int32_t* labels, double* sums) {
  const std::size_t dimensions = points.dimensions();
  const double* values = points.Tile(tile);
  const double* weights = points.Weights(tile);
  for (std::size_t r = 0; r < points.RowsIn(tile); ++r) {
    const auto cluster = static_cast<std::size_t>(labels[r]);
    const double weight = weights[r];
    const double* centroid = centroids.data() + cluster * dimensions;
    double* shift = sums + at.Shift(cluster);
    for (std::size_t j = 0; j < dimensions; ++j) shift[j] += weight * (values[j * kTileRows + r] - centroid[j]);
    sums[at.Weight(cluster)] += weight;
    sums[at.Rows(cluster)] += 1;
  }
}

// Assigns every row to its nearest centroid and sums up what the update needs.
std::vector<double> AssignAndSum(const Tiles& points, const PassSums& at, Clustering* state, const Interrupt& interrupt) {
  const std::size_t dimensions = points.dimensions();
  return SumOverTiles(points.tile_count(), at.width(), interrupt, [&](std::size_t tile, double* sums) {
    double distance[kTileRows];
    std::int32_t label[kTileRows];
    NearestInTile(points.Tile(tile), dimensions, state->centroids.data(), state->k(), distance, label);
    std::int32_t* previous = state->labels.data() + tile * kTileRows;
    double changed = 0;
    for (std::size_t r = 0; r < points.RowsIn(tile); ++r) changed += label[r] != previous[r] ? 1 : 0;
    std::copy(label, label + kTileRows, previous);
    AddTile(points, tile, state->centroids, at, label, sums);
    const double* weights = points.Weights(tile);
    for (std::size_t r = 0; r < kTileRows; ++r) distance[r] = Weighted(weights[r], distance[r]);
    sums[at.Inertia()] += FoldTile(distance);
    sums[at.Changed()] += changed;
  });
}

// Moves each centroid to the mean (or the direction) of its rows; returns the sum of the squared shifts.
double MoveCentroids(const PassSums& at, const std::vector<double>& sums, std::size_t dimensions, Distance distance,
                     std::vector<double>* centroids) {
  double total_shift = 0;
  const std::size_t k = centroids->size() / dimensions;
  std::vector<double> moved(dimensions);
  for (std::size_t cluster = 0; cluster < k; ++cluster) {
    const double weight = sums[at.Weight(cluster)];
    if (weight <= 0) continue;
    double* centroid = centroids->data() + cluster * dimensions;
    for (std::size_t j = 0; j < dimensions; ++j) moved[j] = centroid[j] + sums[at.Shift(cluster) + j] / weight;
    if (distance == Distance::kCosine && !NormalizeDirection(moved.data(), dimensions)) continue;
    for (std::size_t j = 0; j < dimensions; ++j) {
      const double shift = moved[j] - centroid[j];
      total_shift += shift * shift;
      centroid[j] = moved[j];
    }
  }
  return total_shift;
}

// Gives each empty cluster the farthest row: out of its old cluster's sums, and the new centroid is the row itself.
bool RefillEmptyClusters(const Tiles& points, const PassSums& at, std::vector<double>* sums, Clustering* state,
                         const Interrupt& interrupt) {
  std::vector<std::size_t> empty;
  for (std::size_t cluster = 0; cluster < state->k(); ++cluster) {
    if ((*sums)[at.Rows(cluster)] == 0) empty.push_back(cluster);
  }
  if (empty.empty()) return false;
  const std::size_t dimensions = points.dimensions();
  bool refilled = false;
  std::vector<double> row(dimensions);
  const auto farthest = FarthestRows(points, state->centroids, empty.size(), interrupt);
  for (std::size_t i = 0; i < farthest.size(); ++i) {
    const auto donor = static_cast<std::size_t>(state->labels[farthest[i]]);
    if ((*sums)[at.Rows(donor)] <= 1) continue;
    const double weight = points.Weight(farthest[i]);
    points.CopyRow(farthest[i], row.data());
    for (std::size_t j = 0; j < dimensions; ++j) {
      (*sums)[at.Shift(donor) + j] -= weight * (row[j] - state->centroids[donor * dimensions + j]);
      state->centroids[empty[i] * dimensions + j] = row[j];
    }
    (*sums)[at.Weight(donor)] -= weight;
    (*sums)[at.Rows(donor)] -= 1;
    state->labels[farthest[i]] = static_cast<std::int32_t>(empty[i]);
    refilled = true;
  }
  return refilled;
}

}  // namespace

Clustering Lloyd(const Tiles& points, std::vector<double> centroids, const LloydLimits& limits, Distance distance,
                 const Interrupt& interrupt) {
  const std::size_t dimensions = points.dimensions();
  const std::size_t k = centroids.size() / dimensions;
  const PassSums at(k, dimensions);
  Clustering state;
  state.centroids = std::move(centroids);
  state.labels.assign(points.tile_count() * kTileRows, -1);
  state.weights.resize(k);
  state.rows.resize(k);
  std::vector<double> sums;
  bool labels_are_current = false;
  for (int i = 0; i < limits.max_iter && !state.converged; ++i) {
    sums = AssignAndSum(points, at, &state, interrupt);
    ++state.iterations;
    if (sums[at.Changed()] == 0) {
      state.converged = labels_are_current = true;
      break;
    }
    const bool refilled = RefillEmptyClusters(points, at, &sums, &state, interrupt);
    const double shift = MoveCentroids(at, sums, dimensions, distance, &state.centroids);
    state.converged = shift <= limits.shift && !refilled;
  }
  if (!labels_are_current) sums = AssignAndSum(points, at, &state, interrupt);
  for (std::size_t cluster = 0; cluster < k; ++cluster) {
    state.weights[cluster] = sums[at.Weight(cluster)];
    state.rows[cluster] = sums[at.Rows(cluster)];
  }
  state.inertia = sums[at.Inertia()];
  return state;
}

}  // namespace segmentation
