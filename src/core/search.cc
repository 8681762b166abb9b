#include "core/search.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "core/hartigan.h"
#include "core/local_search.h"
#include "core/random.h"
#include "core/seeding.h"

namespace segmentation {
namespace {

constexpr int kMaxSinglePointPasses = 100;
// Streams of random numbers: restarts count from 0, the exchanges have one far away.
constexpr std::uint32_t kExchangeStream = 0x80000000;
// A trial whose inertia is not within this factor of the best is not worth single-point moves.
constexpr double kWorthImproving = 1.01;

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

// How many exchanges are tried, and how many row-centroid-dimension steps all of them may take before the last one starts.
struct Effort {
  int trials;
  double steps;
};

Effort EffortOf(const Tiles& points, const Options& options, std::size_t k) {
  const double pass = static_cast<double>(points.rows()) * static_cast<double>(k * points.dimensions());
  if (options.quality == Quality::kBest) return {100, std::max(4e8, 100 * pass)};
  // With few clusters ten starts leave nothing to find.
  return {k < 4 ? 0 : static_cast<int>(std::min<std::size_t>(2 * k, 20)), std::numeric_limits<double>::infinity()};
}

// Tries exchanges of a centroid for a row, each finished by Lloyd's algorithm and single-point moves, and keeps what is better.
// `start` sets the random numbers apart.
void SearchLocally(const Tiles& points, const SearchTask& task, double min_rows, int start, Clustering* best,
                   const Interrupt& interrupt) {
  const Effort effort = EffortOf(points, task.options, best->k());
  const CounterRandom random(static_cast<std::uint64_t>(task.options.seed), kExchangeStream + static_cast<std::uint32_t>(start));
  const double pass = static_cast<double>(points.rows()) * static_cast<double>(best->k() * points.dimensions());
  double steps = 0;
  std::optional<Exchanges> exchanges;
  for (int trial = 0; trial < effort.trials && steps < effort.steps && best->k() > 1 && best->inertia > 0; ++trial) {
    if (!exchanges) exchanges.emplace(points, *best, interrupt);
    Clustering changed = Lloyd(points, exchanges->Try(random.Uniform(static_cast<std::uint32_t>(trial), 0), interrupt),
                               LimitsOf(task), task.options.distance, interrupt);
    if (changed.inertia < best->inertia * kWorthImproving) Improve(points, task, &changed, interrupt);
    steps += pass * static_cast<double>(changed.iterations + 2);
    DropEmptyClusters(points.dimensions(), &changed);
    if (!IsBetter(changed, *best, min_rows)) continue;
    changed.iterations += best->iterations;
    exchanges.reset();
    *best = std::move(changed);
  }
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
    // One start can be stuck where exchanges do not help, so with quality "best" each has its own.
    if (!given && options.quality == Quality::kBest) SearchLocally(points, task, min_rows, start, &state, interrupt);
    if (start == 0 || IsBetter(state, best, min_rows)) best = std::move(state);
    if (best.inertia == 0) break;
  }
  if (!given && options.quality == Quality::kDefault) SearchLocally(points, task, min_rows, starts, &best, interrupt);
  return best;
}

}  // namespace segmentation
