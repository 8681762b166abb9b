#include "core/seeding.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "core/distance_tile.h"
#include "core/mass_sampler.h"
#include "core/random.h"
#include "core/reduce.h"

namespace segmentation {
namespace {

// The potential (weighted sum of squared distances to the nearest centroid) after each candidate were added.
std::vector<double> PotentialsWith(const Tiles& points, const MassSampler& sampler, const std::vector<double>& candidates,
                                   std::size_t count, bool first, const Interrupt& interrupt) {
  const std::size_t dimensions = points.dimensions();
  return SumOverTiles(points.tile_count(), count, interrupt, [&](std::size_t tile, double* sums) {
    const double* nearest = sampler.Nearest(tile);
    const double* weights = points.Weights(tile);
    const std::size_t width = FoldWidth(points.RowsIn(tile));
    for (std::size_t c = 0; c < count; ++c) {
      double distance[kTileRows];
      DistanceInTile(points.Tile(tile), dimensions, candidates.data() + c * dimensions, distance, width);
      for (std::size_t r = 0; r < width; ++r) {
        distance[r] = Weighted(weights[r], first || distance[r] < nearest[r] ? distance[r] : nearest[r]);
      }
      sums[c] += FoldTile(distance, width);
    }
  });
}

void TakeCentroid(const Tiles& points, const double* centroid, bool first, MassSampler* sampler, const Interrupt& interrupt) {
  for (std::size_t tile = 0; tile < points.tile_count(); ++tile) {
    if (tile % kBlockTiles == 0) interrupt.Poll();
    const std::size_t rows = points.RowsIn(tile);
    double distance[kTileRows];
    DistanceInTile(points.Tile(tile), points.dimensions(), centroid, distance, rows);
    double* nearest = sampler->Nearest(tile);
    for (std::size_t r = 0; r < rows; ++r) nearest[r] = first || distance[r] < nearest[r] ? distance[r] : nearest[r];
  }
  sampler->Refresh(interrupt);
}

std::vector<double> PlusPlus(const Tiles& points, std::size_t k, const CounterRandom& random, const Interrupt& interrupt) {
  const std::size_t dimensions = points.dimensions();
  std::vector<double> centroids;
  centroids.reserve(std::min(k, points.rows()) * dimensions);
  std::vector<double> candidates(GreedyCandidates(k) * dimensions);
  MassSampler sampler(points);
  sampler.Refresh(interrupt);  // mass = weight: the first centroid is a row drawn by weight
  for (std::size_t chosen = 0; chosen < k && sampler.total() > 0; ++chosen) {
    const bool first = chosen == 0;
    const std::size_t count = first ? 1 : GreedyCandidates(k);
    for (std::size_t c = 0; c < count; ++c) {
      const std::size_t row = sampler.Draw(random.Uniform(static_cast<std::uint32_t>(chosen), c));
      points.CopyRow(row, candidates.data() + c * dimensions);
    }
    std::size_t best = 0;
    if (count > 1) {
      const auto potentials = PotentialsWith(points, sampler, candidates, count, first, interrupt);
      best = static_cast<std::size_t>(std::min_element(potentials.begin(), potentials.end()) - potentials.begin());
    }
    const double* centroid = candidates.data() + best * dimensions;
    centroids.insert(centroids.end(), centroid, centroid + dimensions);
    TakeCentroid(points, centroid, first, &sampler, interrupt);
  }
  return centroids;
}

// The first k of a random permutation (Fisher & Yates); only the positions that were moved are kept.
std::vector<double> RandomRows(const Tiles& points, std::size_t k, const CounterRandom& random) {
  const std::size_t n = points.rows();
  const std::size_t count = std::min(k, n);
  std::vector<double> centroids(count * points.dimensions());
  std::unordered_map<std::size_t, std::size_t> moved;
  const auto standing_at = [&](std::size_t position) {
    const auto found = moved.find(position);
    return found == moved.end() ? position : found->second;
  };
  for (std::size_t i = 0; i < count; ++i) {
    const auto other = i + static_cast<std::size_t>(random.Bits(0, i) % (n - i));
    points.CopyRow(standing_at(other), centroids.data() + i * points.dimensions());
    moved[other] = standing_at(i);
  }
  return centroids;
}

}  // namespace

std::size_t GreedyCandidates(std::size_t k) {
  // e^1 .. e^12, rounded up to the next whole number: k >= e^i exactly when k >= this.
  constexpr std::size_t kPowers[] = {3, 8, 21, 55, 149, 404, 1097, 2981, 8104, 22027, 59875, 162755};
  std::size_t floor_of_log = 0;
  while (floor_of_log < std::size(kPowers) && k >= kPowers[floor_of_log]) ++floor_of_log;
  return 2 + floor_of_log;
}

std::vector<double> Seed(const Tiles& points, std::size_t k, Init init, std::uint64_t seed, std::uint32_t restart,
                         const Interrupt& interrupt) {
  const CounterRandom random(seed, restart);
  return init == Init::kRandom ? RandomRows(points, k, random) : PlusPlus(points, k, random, interrupt);
}

}  // namespace segmentation
