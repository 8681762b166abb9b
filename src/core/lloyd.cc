#include "core/lloyd.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/assignment.h"
#include "core/empty_cluster.h"
#include "core/preprocess.h"

namespace segmentation {
namespace {

// Moves each centroid to the mean (or the direction) of its rows; returns the sum of the squared shifts. moved: how far.
double MoveCentroids(const ClusterTotals& totals, std::size_t dimensions, Distance distance, std::vector<double>* centroids,
                     std::vector<double>* moved) {
  double total_shift = 0;
  std::vector<double> mean(dimensions);
  moved->assign(totals.k(), 0.0);
  for (std::size_t cluster = 0; cluster < totals.k(); ++cluster) {
    if (totals.Rows(cluster) == 0) continue;
    double* centroid = centroids->data() + cluster * dimensions;
    totals.Mean(cluster, mean.data());
    if (distance == Distance::kCosine && !NormalizeDirection(mean.data(), dimensions)) continue;
    double square = 0;
    for (std::size_t j = 0; j < dimensions; ++j) {
      const double shift = mean[j] - centroid[j];
      square += shift * shift;
      centroid[j] = mean[j];
    }
    (*moved)[cluster] = std::sqrt(square);
    total_shift += square;
  }
  return total_shift;
}

// Gives each empty cluster the farthest row that is not the last of its own; its centroid becomes that row.
bool RefillEmptyClusters(const Points& points, const std::vector<double>& centroids, Assignment* assignment, ThreadTeam& team) {
  const ClusterTotals& totals = assignment->totals();
  std::vector<std::size_t> empty;
  for (std::size_t cluster = 0; cluster < totals.k(); ++cluster) {
    if (totals.Rows(cluster) == 0) empty.push_back(cluster);
  }
  if (empty.empty()) return false;
  bool refilled = false;
  const auto farthest = FarthestRows(points, centroids, empty.size(), team.interrupt());
  for (std::size_t i = 0; i < farthest.size(); ++i) {
    if (totals.Rows(assignment->labels()[farthest[i]]) <= 1) continue;
    assignment->MoveRow(farthest[i], empty[i]);
    refilled = true;
  }
  return refilled;
}

}  // namespace

double SquareBound(const Points& points, const std::vector<double>& centroids) {
  const std::size_t dimensions = points.dimensions();
  double least = std::numeric_limits<double>::max() / 2;
  for (std::size_t c = 0; c < centroids.size(); c += dimensions) {
    double farthest = 0;
    for (std::size_t j = 0; j < dimensions; ++j) {
      const double reach = std::max(std::abs(points.high()[j] - centroids[c + j]), std::abs(points.low()[j] - centroids[c + j]));
      farthest += reach * reach;
    }
    least = std::min(least, farthest);
  }
  return std::min(least * (1 + 1e-9) * points.largest_weight(), std::numeric_limits<double>::max());
}

double Inertia(const Points& points, const std::vector<double>& centroids, const Labels& labels, ThreadTeam& team) {
  const std::size_t dimensions = points.dimensions();
  const SumUnit unit(SquareBound(points, centroids));
  std::vector<ExactTotal> totals(team.size());
  std::vector<std::vector<double>> buffers(points.in_place() ? team.size() : 0, std::vector<double>(dimensions * kTileRows));
  team.ForEach(points.block_count(), [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
    double high = 0;
    double low = 0;
    for (std::size_t tile = block * kBlockTiles; tile < points.BlockEnd(block); ++tile) {
      interrupt.Poll();
      const double* values = points.Tile(tile, points.in_place() ? buffers[worker].data() : nullptr);
      double weight_buffer[kTileRows];
      const double* weights = points.Weights(tile, weight_buffer);
      double square[kTileRows] = {};
      const Label* label = labels.data() + tile * kTileRows;
      for (std::size_t j = 0; j < dimensions; ++j) {
        for (std::size_t r = 0; r < kTileRows; ++r) {
          const double difference = values[j * kTileRows + r] - centroids[label[r] * dimensions + j];
          square[r] += difference * difference;
        }
      }
      for (std::size_t r = 0; r < points.RowsIn(tile); ++r) {
        const Folds folds = Fold(weights[r] * square[r] * unit.down());
        high += folds.high;
        low += folds.low;
      }
    }
    totals[worker].Add(high, low);
  });
  for (std::size_t worker = 1; worker < totals.size(); ++worker) totals[0].Add(totals[worker]);
  return totals[0].Value(unit);
}

// Iterations over fewer rows are not worth telling of.
constexpr std::size_t kReportRows = 10'000;

LloydWorkspace::LloydWorkspace() = default;
LloydWorkspace::~LloydWorkspace() = default;
LloydWorkspace::LloydWorkspace(LloydWorkspace&&) noexcept = default;
LloydWorkspace& LloydWorkspace::operator=(LloydWorkspace&&) noexcept = default;

Clustering Lloyd(const Points& points, std::vector<double> centroids, const LloydLimits& limits, Distance distance, ThreadTeam& team,
                 LloydWorkspace* workspace) {
  const std::size_t dimensions = points.dimensions();
  const std::size_t k = centroids.size() / dimensions;
  Clustering state;
  state.centroids = std::move(centroids);
  LloydWorkspace own;
  std::unique_ptr<Assignment>& kept = (workspace == nullptr ? own : *workspace).assignment_;
  if (kept == nullptr || !kept->Restart(points, k, team)) kept = std::make_unique<Assignment>(points, k, team);
  Assignment& assignment = *kept;
  std::vector<double> moved;
  for (int i = 0; i < limits.max_iter && !state.converged; ++i) {
    const std::size_t changed = assignment.Assign(state.centroids, moved, team);
    ++state.iterations;
    if (points.rows() >= kReportRows) {
      team.interrupt().Report({Progress::Stage::kIterations, state.iterations, static_cast<std::uint64_t>(limits.max_iter), points.rows(), NAN});
    }
    if (changed == 0) {
      state.converged = state.stable = true;
      break;
    }
    const bool refilled = RefillEmptyClusters(points, state.centroids, &assignment, team);
    const double shift = MoveCentroids(assignment.totals(), dimensions, distance, &state.centroids, &moved);
    state.converged = shift <= limits.shift && !refilled;
  }
  if (!state.stable) assignment.Assign(state.centroids, moved, team);
  state.weights.resize(k);
  state.rows.resize(k);
  for (std::size_t cluster = 0; cluster < k; ++cluster) {
    state.weights[cluster] = assignment.totals().Weight(cluster);
    state.rows[cluster] = static_cast<double>(assignment.totals().Rows(cluster));
  }
  state.labels = assignment.TakeLabels();
  if (limits.with_inertia) state.inertia = Inertia(points, state.centroids, state.labels, team);
  return state;
}

}  // namespace segmentation
