#include "core/settle.h"

#include <algorithm>
#include <numeric>

#include "core/trimmed.h"

namespace segmentation {
namespace {

// The clusters in the order of their segment ids: the heaviest first, equal ones by their centroids.
std::vector<double> Ordered(const Clustering& state, std::size_t dimensions) {
  std::vector<std::size_t> order(state.k());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto centroid = [&](std::size_t c) { return state.centroids.begin() + static_cast<std::ptrdiff_t>(c * dimensions); };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (state.weights[a] != state.weights[b]) return state.weights[a] > state.weights[b];
    return std::lexicographical_compare(centroid(a), centroid(a + 1), centroid(b), centroid(b + 1));
  });
  std::vector<double> centroids;
  for (std::size_t c : order) centroids.insert(centroids.end(), centroid(c), centroid(c + 1));
  return centroids;
}

// The sums of the rows that are kept.
void SumKept(const Preprocessed& prepared, const SearchTask& task, ThreadTeam& team, Settled* settled) {
  const std::vector<double>& inner = prepared.inner;
  settled->inner = std::accumulate(inner.begin(), inner.end(), 0.0);
  if (!(task.options.trim > 0)) {
    settled->clusters = SumClusters(prepared.points, settled->centroids, team, &inner);
    return;
  }
  const std::size_t k = settled->centroids.size() / prepared.points.dimensions();
  const Clustering cut = TrimmedLloyd(prepared.points, settled->centroids, TrimLimitOf(prepared.points, task, team), {0, 0, true}, task.options.distance, team);
  settled->clusters = SumClusters(prepared.points, settled->centroids, team, &inner, &cut.labels);
  for (std::size_t i = 0; i < inner.size(); ++i) settled->inner -= cut.labels[i] < k ? 0 : inner[i];
}

bool IsSettled(const Settled& settled, const SearchTask& task) {
  const auto& clusters = settled.clusters;
  for (std::size_t c = 0; c < clusters.size(); ++c) {
    const double size = task.sizes_by_weight ? clusters[c].weight : clusters[c].rows;
    if (clusters[c].rows == 0 || (clusters.size() > 1 && size < static_cast<double>(task.options.min_size))) return false;
    if (c > 0 && clusters[c].weight > clusters[c - 1].weight) return false;
  }
  return true;
}

}  // namespace

void Dissolve(const Points& points, const SearchTask& task, Clustering* state, ThreadTeam& team) {
  const std::size_t dimensions = points.dimensions();
  while (state->k() > 1) {
    const std::vector<double>& sizes = task.sizes_by_weight ? state->weights : state->rows;
    const auto smallest = std::min_element(sizes.begin(), sizes.end());
    if (*smallest >= static_cast<double>(task.options.min_size)) return;
    const auto at = state->centroids.begin() + (smallest - sizes.begin()) * static_cast<std::ptrdiff_t>(dimensions);
    state->centroids.erase(at, at + static_cast<std::ptrdiff_t>(dimensions));
    GoOn(points, task, {task.options.max_iter, task.shift, false}, team, state);
  }
}

Settled Settle(const Preprocessed& prepared, const SearchTask& task, Clustering* state, ThreadTeam& team) {
  constexpr int kMaxRounds = 8;
  const Points& points = prepared.points;
  const std::size_t dimensions = points.dimensions();
  for (int round = 0;; ++round) {
    Settled settled{Ordered(*state, dimensions), {}};
    SumKept(prepared, task, team, &settled);
    if (IsSettled(settled, task)) return settled;
    if (round == kMaxRounds) {
      for (std::size_t c = settled.clusters.size(); c-- > 0;) {
        if (settled.clusters[c].rows > 0) continue;
        const auto at = static_cast<std::ptrdiff_t>(c * dimensions);
        settled.clusters.erase(settled.clusters.begin() + static_cast<std::ptrdiff_t>(c));
        settled.centroids.erase(settled.centroids.begin() + at, settled.centroids.begin() + at + static_cast<std::ptrdiff_t>(dimensions));
      }
      return settled;
    }
    state->centroids = settled.centroids;
    GoOn(points, task, {task.options.max_iter, 0, false}, team, state);
    Dissolve(points, task, state, team);
  }
}

}  // namespace segmentation
