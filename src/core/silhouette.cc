#include "core/silhouette.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/reduce.h"

namespace segmentation {
namespace {

// Distances of one point to those of a tile.
void DistancesToTile(const double* tile, const double* point, std::size_t dimensions, double* distances) {
  double squares[kTileRows] = {};
  for (std::size_t j = 0; j < dimensions; ++j) {
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const double off = tile[j * kTileRows + r] - point[j];
      squares[r] += off * off;
    }
  }
  for (std::size_t r = 0; r < kTileRows; ++r) distances[r] = std::sqrt(squares[r]);
}

// From the weighted sums of distances to each cluster.
double Silhouette(const std::vector<double>& sums, const std::vector<double>& weights, std::size_t own, double weight) {
  // Of the own cluster, all but the point itself, once: a point of weight 2 has its equal beside it.
  const double others = weights[own] - std::min(1.0, weight);
  if (!(others > 0)) return 0;
  const double a = sums[own] / others;
  double b = std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < sums.size(); ++c) {
    if (c != own && weights[c] > 0) b = std::min(b, sums[c] / weights[c]);
  }
  const double larger = std::max(a, b);
  return larger > 0 ? (b - a) / larger : 0;
}

}  // namespace

double MeanSilhouette(const Tiles& points, const std::vector<std::size_t>& labels, std::size_t k, ThreadTeam& team) {
  const std::size_t dimensions = points.dimensions();
  std::vector<double> weights(k);
  for (std::size_t i = 0; i < points.rows(); ++i) weights[labels[i]] += points.Weight(i);
  if (std::count_if(weights.begin(), weights.end(), [](double weight) { return weight > 0; }) < 2) return std::numeric_limits<double>::quiet_NaN();
  std::vector<double> silhouettes(points.rows());
  team.ForEach(points.tile_count(), [&](std::size_t own_tile, std::size_t, const Interrupt& interrupt) {
    std::vector<double> point(dimensions);
    std::vector<double> sums(k);
    double distances[kTileRows];
    for (std::size_t i = own_tile * kTileRows; i < own_tile * kTileRows + points.RowsIn(own_tile); ++i) {
      interrupt.Poll();
      points.CopyRow(i, point.data());
      std::fill(sums.begin(), sums.end(), 0.0);
      for (std::size_t tile = 0; tile < points.tile_count(); ++tile) {
        DistancesToTile(points.Tile(tile), point.data(), dimensions, distances);
        for (std::size_t r = 0; r < points.RowsIn(tile); ++r) sums[labels[tile * kTileRows + r]] += points.Weights(tile)[r] * distances[r];
      }
      silhouettes[i] = Silhouette(sums, weights, labels[i], points.Weight(i));
    }
  });
  const std::vector<double> sums = SumOverTiles(points.tile_count(), 2, team.interrupt(), [&](std::size_t tile, double* block) {
    for (std::size_t r = 0; r < points.RowsIn(tile); ++r) {
      block[0] += points.Weights(tile)[r] * silhouettes[tile * kTileRows + r];
      block[1] += points.Weights(tile)[r];
    }
  });
  return sums[0] / sums[1];
}

}  // namespace segmentation
