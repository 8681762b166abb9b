#include "core/local_search.h"

#include <algorithm>
#include <limits>

#include "core/distance_tile.h"
#include "core/reduce.h"

namespace segmentation {

Exchanges::Exchanges(const Tiles& points, const Clustering& state, const Interrupt& interrupt)
    : points_(points),
      state_(state),
      nearest_(points),
      second_(points.tile_count() * kTileRows),
      labels_(points.tile_count() * kTileRows) {
  for (std::size_t tile = 0; tile < points.tile_count(); ++tile) {
    interrupt.Poll();
    NearestTwoInTile(points.Tile(tile), points.dimensions(), state.centroids.data(), state.k(), nearest_.Nearest(tile),
                     labels_.data() + tile * kTileRows, second_.data() + tile * kTileRows);
  }
  nearest_.Refresh(interrupt);
}

std::vector<double> Exchanges::Try(double fraction, const Interrupt& interrupt) const {
  const std::size_t dimensions = points_.dimensions();
  std::vector<double> row(dimensions);
  const std::size_t drawn = nearest_.Draw(fraction);
  points_.CopyRow(drawn, row.data());
  // What the inertia gains per cluster when its centroid goes: its rows fall back on their second nearest, or on the new one.
  auto missed = SumOverTiles(points_.tile_count(), state_.k(), interrupt, [&](std::size_t tile, double* sums) {
    double fresh[kTileRows];
    DistanceInTile(points_.Tile(tile), dimensions, row.data(), fresh);
    const double* nearest = nearest_.Nearest(tile);
    const double* second = second_.data() + tile * kTileRows;
    const double* weights = points_.Weights(tile);
    for (std::size_t r = 0; r < points_.RowsIn(tile); ++r) {
      const double without = std::min(second[r], fresh[r]);
      const double with = std::min(nearest[r], fresh[r]);
      sums[labels_[tile * kTileRows + r]] += weights[r] * (without - with);
    }
  });
  missed[static_cast<std::size_t>(labels_[drawn])] = std::numeric_limits<double>::infinity();
  const auto least = static_cast<std::size_t>(std::min_element(missed.begin(), missed.end()) - missed.begin());
  std::vector<double> centroids = state_.centroids;
  std::copy(row.begin(), row.end(), centroids.begin() + static_cast<std::ptrdiff_t>(least * dimensions));
  return centroids;
}

}  // namespace segmentation
