#include "core/empty_cluster.h"

#include <algorithm>
#include <utility>

#include "core/distance_tile.h"

namespace segmentation {

std::vector<std::size_t> FarthestRows(const Points& points, const std::vector<double>& centroids, std::size_t count,
                                      const Interrupt& interrupt) {
  using Candidate = std::pair<double, std::size_t>;  // squared distance, row
  // By their coordinates, because the order of rows means nothing.
  std::vector<double> row_a(points.dimensions());
  std::vector<double> row_b(points.dimensions());
  const auto before = [&](const Candidate& a, const Candidate& b) {
    if (a.first != b.first) return a.first > b.first;
    points.CopyRow(a.second, row_a.data());
    points.CopyRow(b.second, row_b.data());
    return row_a != row_b ? row_a < row_b : a.second < b.second;
  };
  const std::size_t k = centroids.size() / points.dimensions();
  std::vector<Candidate> found;
  std::vector<double> buffer(points.in_place() ? points.dimensions() * kTileRows : 0);
  for (std::size_t tile = 0; tile < points.tile_count(); ++tile) {
    interrupt.Poll();
    double distance[kTileRows];
    std::int32_t label[kTileRows];
    NearestInTile(points.Tile(tile, buffer.data()), points.dimensions(), centroids.data(), k, distance, label);
    for (std::size_t r = 0; r < points.RowsIn(tile); ++r) {
      if (distance[r] > 0) found.emplace_back(distance[r], tile * kTileRows + r);
    }
    if (found.size() > 2 * count + kTileRows) {
      std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count), found.end(), before);
      found.resize(count);
    }
  }
  std::sort(found.begin(), found.end(), before);
  if (found.size() > count) found.resize(count);
  std::vector<std::size_t> rows;
  for (const Candidate& candidate : found) rows.push_back(candidate.second);
  return rows;
}

}  // namespace segmentation
