#include "core/metrics.h"

#include <algorithm>
#include <cmath>

#include "core/distance_tile.h"
#include "core/reduce.h"

namespace segmentation {
namespace {

// Where the sums of one cluster lie in the vector of a pass.
enum Field : std::size_t { kRows, kWeight, kDistance, kInertia, kSilhouette, kShift };

void AddTile(const Tiles& points, std::size_t tile, const std::vector<double>& centroids, std::size_t k, double* sums) {
  const std::size_t dimensions = points.dimensions();
  const std::size_t stride = kShift + dimensions;
  double nearest[kTileRows];
  double second[kTileRows];
  std::int32_t label[kTileRows];
  NearestTwoInTile(points.Tile(tile), dimensions, centroids.data(), k, nearest, label, second);
  for (std::size_t r = 0; r < points.RowsIn(tile); ++r) {
    const auto cluster = static_cast<std::size_t>(label[r]);
    const double weight = points.Weights(tile)[r];
    double* at = sums + cluster * stride;
    at[kRows] += 1;
    at[kWeight] += weight;
    at[kDistance] += weight * std::sqrt(nearest[r]);
    at[kInertia] += weight * nearest[r];
    at[kSilhouette] += weight * CentroidSilhouette(nearest[r], second[r]);
    for (std::size_t j = 0; j < dimensions; ++j) {
      at[kShift + j] += weight * (points.Tile(tile)[j * kTileRows + r] - centroids[cluster * dimensions + j]);
    }
  }
}

// Mean over the clusters of the worst ratio of their spreads to the distance of their centroids.
double DaviesBouldin(const std::vector<ClusterSums>& clusters, const std::vector<double>& centroids, std::size_t dimensions,
                     const Interrupt& interrupt) {
  double sum = 0;
  double count = 0;
  for (std::size_t a = 0; a < clusters.size(); ++a) {
    if (clusters[a].weight <= 0) continue;
    double worst = 0;
    for (std::size_t b = 0; b < clusters.size(); ++b) {
      interrupt.Poll();
      if (a == b || clusters[b].weight <= 0) continue;
      double square = 0;
      for (std::size_t j = 0; j < dimensions; ++j) {
        const double difference = centroids[a * dimensions + j] - centroids[b * dimensions + j];
        square += difference * difference;
      }
      if (square <= 0) continue;
      const double spread = clusters[a].distance / clusters[a].weight + clusters[b].distance / clusters[b].weight;
      worst = std::max(worst, spread / std::sqrt(square));
    }
    sum += worst;
    count += 1;
  }
  return sum / count;
}

// Inertia about the means of the rows: within the clusters, and of the clusters about the mean of all.
struct WithinAndBetween {
  double within = 0;
  double between = 0;
};

WithinAndBetween Decompose(const std::vector<ClusterSums>& clusters, const std::vector<double>& centroids,
                           std::size_t dimensions, double weight) {
  WithinAndBetween result;
  for (const ClusterSums& cluster : clusters) result.within += cluster.inertia;
  for (std::size_t j = 0; j < dimensions; ++j) {
    double mean = 0;
    for (std::size_t c = 0; c < clusters.size(); ++c) {
      mean += (clusters[c].weight * centroids[c * dimensions + j] + clusters[c].shift[j]) / weight;
    }
    for (std::size_t c = 0; c < clusters.size(); ++c) {
      if (clusters[c].weight <= 0) continue;
      const double shift = clusters[c].shift[j] / clusters[c].weight;
      const double difference = centroids[c * dimensions + j] + shift - mean;
      result.between += clusters[c].weight * difference * difference;
      result.within -= clusters[c].weight * shift * shift;
    }
  }
  result.within = std::max(result.within, 0.0);
  return result;
}

}  // namespace

double CentroidSilhouette(double nearest, double second) {
  if (!(second > 0)) return 0;
  return std::isinf(second) ? 0 : 1 - std::sqrt(nearest / second);
}

Evaluation Evaluate(const std::vector<ClusterSums>& clusters, const std::vector<double>& centroids, std::size_t dimensions,
                    const Interrupt& interrupt) {
  Evaluation out;
  double used = 0;
  double distance = 0;
  double silhouette = 0;
  for (const ClusterSums& cluster : clusters) {
    out.rows += cluster.rows;
    out.weight += cluster.weight;
    out.metrics.inertia += cluster.inertia;
    distance += cluster.distance;
    silhouette += cluster.silhouette;
    used += cluster.weight > 0 ? 1 : 0;
  }
  if (!(out.weight > 0)) return out;
  const WithinAndBetween parts = Decompose(clusters, centroids, dimensions, out.weight);
  out.metrics.total_inertia = parts.within + parts.between;
  out.metrics.mean_distance = distance / out.weight;
  if (clusters.size() > 1) out.metrics.silhouette = silhouette / out.weight;
  if (used < 2) return out;
  // A quotient beyond the range of a double is not defined either: a model holds finite numbers only.
  const auto finite_or_undefined = [](double value) { return std::isfinite(value) ? value : Metrics::kUndefined; };
  out.metrics.davies_bouldin = finite_or_undefined(DaviesBouldin(clusters, centroids, dimensions, interrupt));
  if (parts.within > 0 && out.weight > used) {
    out.metrics.calinski_harabasz = finite_or_undefined((parts.between / (used - 1)) / (parts.within / (out.weight - used)));
  }
  return out;
}

std::vector<ClusterSums> SumClusters(const Tiles& points, const std::vector<double>& centroids, const Interrupt& interrupt) {
  const std::size_t dimensions = points.dimensions();
  const std::size_t k = centroids.size() / dimensions;
  const std::size_t stride = kShift + dimensions;
  const auto sums = SumOverTiles(points.tile_count(), k * stride, interrupt, [&](std::size_t tile, double* block) {
    AddTile(points, tile, centroids, k, block);
  });
  std::vector<ClusterSums> clusters(k);
  for (std::size_t c = 0; c < k; ++c) {
    const double* at = sums.data() + c * stride;
    clusters[c] = {at[kRows], at[kWeight], at[kDistance], at[kInertia], at[kSilhouette],
                   std::vector<double>(at + kShift, at + stride)};
  }
  return clusters;
}

}  // namespace segmentation
