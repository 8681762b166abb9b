#include "core/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "core/cluster_totals.h"
#include "core/distance_tile.h"
#include "core/lloyd.h"
#include "core/row_kernels.h"

namespace segmentation {
namespace {

// What is summed per cluster beside ClusterTotals. One is 0 and fills up a vector.
enum Field : std::size_t { kDistance, kInertia, kSilhouette, kUnused, kFields };

// The sums of one thread and of all.
class ClusterSummer {
 public:
  ClusterSummer(const Points& points, const std::vector<double>& centroids, const std::vector<double>* inner, const Labels* labels)
      : points_(points), centroids_(centroids), inner_(inner), given_(labels), k_(centroids.size() / points.dimensions()),
        clusters_(k_ + (labels == nullptr ? 0 : 1)), totals_(points, clusters_), sums_(clusters_ * kFields) {
    double square = SquareBound(points, centroids);
    if (inner != nullptr && !inner->empty()) square += *std::max_element(inner->begin(), inner->end());
    units_[kDistance] = SumUnit(std::min(std::sqrt(square) * std::sqrt(points.largest_weight()) * (1 + 1e-9), kLargest));
    units_[kInertia] = SumUnit(std::min(square, kLargest));
    units_[kSilhouette] = SumUnit(points.largest_weight());
    for (std::size_t field = 0; field < kFields; ++field) down_[field] = units_[field].down();
  }

  struct Worker {
    Worker(ClusterSummer* all, const Points& points)
        : changes(&all->totals_), folds(all->clusters_ * kFields * 2, 0.0),
          tile(points.in_place() ? points.dimensions() * kTileRows : 0) {}
    ClusterTotals::Changes changes;
    std::vector<double> folds;
    std::vector<double> tile;
  };

  // One block, of at most kMaxTerms rows.
  void AddBlock(std::size_t block, Worker* worker, const Interrupt& interrupt) {
    const std::size_t end = points_.BlockEnd(block);
    for (std::size_t tile = block * kBlockTiles; tile < end; ++tile) {
      interrupt.Poll();
      AddTile(tile, worker);
    }
    Flush(worker);
  }

  std::vector<ClusterSums> Result() const {
    const std::size_t dimensions = points_.dimensions();
    std::vector<ClusterSums> clusters(k_);
    for (std::size_t c = 0; c < k_; ++c) {
      ClusterSums& sums = clusters[c];
      sums.rows = static_cast<double>(totals_.Rows(c));
      sums.weight = totals_.Weight(c);
      sums.distance = sums_[c * kFields + kDistance].Value(units_[kDistance]);
      sums.inertia = sums_[c * kFields + kInertia].Value(units_[kInertia]);
      sums.silhouette = sums_[c * kFields + kSilhouette].Value(units_[kSilhouette]);
      sums.shift.assign(dimensions, 0.0);
      if (totals_.Rows(c) == 0) continue;
      totals_.Mean(c, sums.shift.data());
      for (std::size_t j = 0; j < dimensions; ++j) sums.shift[j] = (sums.shift[j] - centroids_[c * dimensions + j]) * sums.weight;
    }
    return clusters;
  }

 private:
  static constexpr double kLargest = std::numeric_limits<double>::max();

  void AddTile(std::size_t tile, Worker* worker) {
    double nearest[kTileRows];
    double second[kTileRows];
    std::int32_t nearest_index[kTileRows];
    const double* values = points_.Tile(tile, worker->tile.data());
    NearestTwoInTile(values, points_.dimensions(), centroids_.data(), k_, nearest, nearest_index, second);
    double weight_buffer[kTileRows];
    const double* weights = points_.Weights(tile, weight_buffer);
    Label labels[kTileRows];
    double terms[kTileRows][kFields];
    for (std::size_t r = 0; r < points_.RowsIn(tile); ++r) {
      labels[r] = static_cast<Label>(nearest_index[r]);
      terms[r][kDistance] = weights[r] * std::sqrt(nearest[r]);
      terms[r][kInertia] = weights[r] * nearest[r];
      terms[r][kSilhouette] = weights[r] * CentroidSilhouette(nearest[r], second[r]);
      terms[r][kUnused] = 0;
    }
    if (inner_ != nullptr && !inner_->empty()) {
      for (std::size_t r = 0; r < points_.RowsIn(tile); ++r) terms[r][kInertia] += (*inner_)[tile * kTileRows + r];
    }
    if (given_ != nullptr) {
      for (std::size_t r = 0; r < points_.RowsIn(tile); ++r) {
        if ((*given_)[tile * kTileRows + r] >= k_) labels[r] = static_cast<Label>(k_);
      }
    }
    worker->changes.EnterTile(tile, labels);
    WidestRowKernels().enter({reinterpret_cast<const char*>(terms), sizeof terms[0]}, points_.RowsIn(tile), kFields, {}, down_,
                             nullptr, labels, worker->folds.data(), kFields * 2);
  }

  void Flush(Worker* worker) {
    worker->changes.Flush();
    const std::lock_guard<std::mutex> lock(mutex_);
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      const double* high = worker->folds.data() + i / kFields * kFields * 2 + i % kFields;
      sums_[i].Add(high[0], high[kFields]);
    }
    std::fill(worker->folds.begin(), worker->folds.end(), 0.0);
  }

  const Points& points_;
  const std::vector<double>& centroids_;
  const std::vector<double>* inner_;
  const Labels* given_;
  std::size_t k_;
  std::size_t clusters_;  // one more for what is left out
  ClusterTotals totals_;
  SumUnit units_[kFields];
  double down_[kFields];
  std::vector<ExactTotal> sums_;
  std::mutex mutex_;
};

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

std::vector<ClusterSums> SumClusters(const Points& points, const std::vector<double>& centroids, ThreadTeam& team,
                                     const std::vector<double>* inner, const Labels* labels) {
  ClusterSummer summer(points, centroids, inner, labels);
  std::vector<ClusterSummer::Worker> workers;
  workers.reserve(team.size());
  for (std::size_t worker = 0; worker < team.size(); ++worker) workers.emplace_back(&summer, points);
  team.ForEach(points.block_count(), [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
    summer.AddBlock(block, &workers[worker], interrupt);
  });
  return summer.Result();
}

}  // namespace segmentation
