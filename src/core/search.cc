#include "core/search.h"

#include <algorithm>

#include "core/hartigan.h"
#include "core/random.h"
#include "core/seeding.h"

namespace segmentation {
namespace {

constexpr int kMaxSinglePointPasses = 100;
// Streams of random numbers: restarts count from 0, the swaps have one far away.
constexpr std::uint32_t kSwapStream = 0x80000000;

LloydLimits LimitsOf(const SearchTask& task) { return {task.options.max_iter, task.shift}; }

// Single-point moves, then Lloyd's algorithm until nothing moves (the moves leave rounding errors in the centroids). Done
// again when an empty cluster was filled in between.
void Improve(const Tiles& points, const SearchTask& task, Clustering* state, const Interrupt& interrupt) {
  if (MoveSinglePoints(points, task.options.distance, kMaxSinglePointPasses, state, interrupt) == 0 && state->converged &&
      task.shift == 0) {
    return;
  }
  const std::uint64_t before = state->iterations;
  *state = Lloyd(points, std::move(state->centroids), {task.options.max_iter, 0}, task.options.distance, interrupt);
  state->iterations += before;
}

bool AllLargeEnough(const Clustering& state, double min_rows) {
  return std::all_of(state.rows.begin(), state.rows.end(), [=](double rows) { return rows >= min_rows; });
}

bool IsBetter(const Clustering& a, const Clustering& b, double min_rows) {
  const bool a_large = AllLargeEnough(a, min_rows);
  const bool b_large = AllLargeEnough(b, min_rows);
  return a_large != b_large ? a_large : a.inertia < b.inertia;
}

// Random swaps: put a centroid on a random row, let Lloyd's algorithm take two steps, keep the change if it is better.
// P. Fränti, "Efficiency of random swap clustering", J. Big Data 5, 2018. The number of trials is fixed by the size of the task.
void SwapCentroids(const Tiles& points, const SearchTask& task, double min_rows, Clustering* best,
                   const Interrupt& interrupt) {
  if (best->k() < 2 || points.rows() <= best->k()) return;
  const std::size_t dimensions = points.dimensions();
  const CounterRandom random(static_cast<std::uint64_t>(task.options.seed), kSwapStream);
  constexpr double kEffort = 4e9;  // multiply-adds
  const double per_trial = 3.0 * static_cast<double>(points.rows()) * static_cast<double>(best->k() * dimensions);
  const auto trials = static_cast<std::uint32_t>(std::clamp(kEffort / per_trial, 10.0, 1000.0));
  for (std::uint32_t trial = 0; trial < trials; ++trial) {
    std::vector<double> centroids = best->centroids;
    const auto cluster = static_cast<std::size_t>(random.Bits(trial, 0) % best->k());
    const auto row = static_cast<std::size_t>(random.Bits(trial, 1) % points.rows());
    points.CopyRow(row, centroids.data() + cluster * dimensions);
    Clustering changed = Lloyd(points, std::move(centroids), {2, 0}, task.options.distance, interrupt);
    if (!IsBetter(changed, *best, min_rows)) continue;
    changed.iterations += best->iterations;
    *best = std::move(changed);
  }
  const std::uint64_t before = best->iterations;
  *best = Lloyd(points, std::move(best->centroids), LimitsOf(task), task.options.distance, interrupt);
  best->iterations += before;
  Improve(points, task, best, interrupt);
}

}  // namespace

void DropEmptyClusters(std::size_t dimensions, Clustering* state) {
  std::size_t kept = 0;
  std::vector<std::int32_t> new_label(state->k());
  for (std::size_t c = 0; c < state->k(); ++c) {
    new_label[c] = static_cast<std::int32_t>(kept);
    if (state->rows[c] == 0) continue;
    std::copy_n(state->centroids.data() + c * dimensions, dimensions, state->centroids.data() + kept * dimensions);
    state->weights[kept] = state->weights[c];
    state->rows[kept] = state->rows[c];
    ++kept;
  }
  if (kept == state->k()) return;
  for (std::int32_t& label : state->labels) label = new_label[static_cast<std::size_t>(label)];
  state->centroids.resize(kept * dimensions);
  state->weights.resize(kept);
  state->rows.resize(kept);
}

Clustering Search(const Tiles& points, const SearchTask& task, double min_rows, const Interrupt& interrupt) {
  const Options& options = task.options;
  const bool given = !task.initial_centroids.empty();
  const int starts = given || options.quality == Quality::kFast ? 1 : options.n_init;
  Clustering best;
  for (int start = 0; start < starts; ++start) {
    std::vector<double> centroids = given ? task.initial_centroids
                                          : Seed(points, task.k, options.init, static_cast<std::uint64_t>(options.seed),
                                                 static_cast<std::uint32_t>(start), interrupt);
    Clustering state = Lloyd(points, std::move(centroids), LimitsOf(task), options.distance, interrupt);
    if (!given && options.quality != Quality::kFast) Improve(points, task, &state, interrupt);
    DropEmptyClusters(points.dimensions(), &state);
    if (start == 0 || IsBetter(state, best, min_rows)) best = std::move(state);
    if (best.inertia == 0) break;
  }
  if (options.quality == Quality::kBest && !given) {
    SwapCentroids(points, task, min_rows, &best, interrupt);
    DropEmptyClusters(points.dimensions(), &best);
  }
  return best;
}

}  // namespace segmentation
