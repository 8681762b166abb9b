#include "core/search.h"

#include <algorithm>
#include <limits>

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

LloydLimits LimitsOf(const SearchTask& task) { return {task.options.max_iter, task.shift, true}; }

// Single-point moves, then Lloyd's algorithm until nothing moves (the moves leave rounding errors in the centroids). Done
// again when an empty cluster was filled in between.
void Improve(const Points& points, const SearchTask& task, Clustering* state, ThreadTeam& team) {
  if (MoveSinglePoints(points.tiles(), task.options.distance, kMaxSinglePointPasses, state, team.interrupt()) == 0 &&
      state->converged && task.shift == 0) {
    return;
  }
  const std::uint64_t before = state->iterations;
  *state = Lloyd(points, std::move(state->centroids), {task.options.max_iter, 0, true}, task.options.distance, team);
  state->iterations += before;
}

bool IsBetter(const Clustering& a, const Clustering& b, const SearchTask& task, double min_rows) {
  const bool a_large = AllLargeEnough(a, task, min_rows);
  const bool b_large = AllLargeEnough(b, task, min_rows);
  return a_large != b_large ? a_large : a.inertia < b.inertia;
}

// How many exchanges are tried, and how many row-centroid-dimension steps all of them may take before the last one starts.
struct Effort {
  int trials;
  double steps;
};

Effort EffortOf(const Points& points, const Options& options, std::size_t k) {
  const double pass = static_cast<double>(points.rows()) * static_cast<double>(k * points.dimensions());
  if (options.quality == Quality::kBest) return {100, std::max(4e8, 100 * pass)};
  // With few clusters ten starts leave nothing to find.
  return {k < 4 ? 0 : static_cast<int>(std::min<std::size_t>(2 * k, getenv("TR")?atol(getenv("TR")):20)), std::numeric_limits<double>::infinity()};
}

// The clustering that an exchange leads to.
Clustering AfterExchange(const Points& points, const SearchTask& task, const Exchanges& exchanges, double best, double fraction,
                         ThreadTeam& team) {
  Clustering changed = Lloyd(points, exchanges.Try(fraction, team.interrupt()), LimitsOf(task), task.options.distance, team);
  if (!task.is_draft && changed.inertia < best * kWorthImproving) Improve(points, task, &changed, team);
  return changed;
}

}
// Tries exchanges of a centroid for a row, each finished by Lloyd's algorithm and single-point moves, and keeps what is better.
// `start` sets the random numbers apart. The team tries several at a time from the same clustering; they count in their order,
// and those after one that was kept are tried again from there.
void SearchLocally(const Points& points, const SearchTask& task, double min_rows, int start, Clustering* best, ThreadTeam& team) {
  Effort effort = EffortOf(points, task.options, best->k());
  if (task.trials >= 0) effort.trials = task.trials;
  const CounterRandom random(static_cast<std::uint64_t>(task.options.seed), kExchangeStream + static_cast<std::uint32_t>(start));
  const double pass = static_cast<double>(points.rows()) * static_cast<double>(best->k() * points.dimensions());
  double steps = 0;
  for (int trial = 0; trial < effort.trials && steps < effort.steps && best->k() > 1 && best->inertia > 0;) {
    const Exchanges exchanges(points.tiles(), *best, team.interrupt());
    bool kept = false;
    while (!kept && trial < effort.trials && steps < effort.steps) {
      const auto wave = std::min(team.size(), static_cast<std::size_t>(effort.trials - trial));
      std::vector<Clustering> changed(wave);
      team.ForEach(wave, [&](std::size_t i, std::size_t, const Interrupt& interrupt) {
        ThreadTeam alone(interrupt);
        const double fraction = random.Uniform(static_cast<std::uint32_t>(trial) + static_cast<std::uint32_t>(i), 0);
        changed[i] = AfterExchange(points, task, exchanges, best->inertia, fraction, alone);
      });
      for (std::size_t i = 0; i < wave && !kept && steps < effort.steps; ++i, ++trial) {
        steps += pass * static_cast<double>(changed[i].iterations + 2);
        DropEmptyClusters(points.dimensions(), &changed[i]);
        kept = IsBetter(changed[i], *best, task, min_rows);
        if (!kept) continue;
        changed[i].iterations += best->iterations;
        *best = std::move(changed[i]);
      }
    }
  }
}

namespace {
// One start: seeded, run through Lloyd's algorithm, improved.
Clustering RunStart(const Points& points, const SearchTask& task, double min_rows, int start, ThreadTeam& team) {
  const Options& options = task.options;
  std::vector<double> centroids = Seed(points.tiles(), task.k, options.init, static_cast<std::uint64_t>(options.seed),
                                       static_cast<std::uint32_t>(start), team.interrupt());
  Clustering state = Lloyd(points, std::move(centroids), LimitsOf(task), options.distance, team);
  if (options.quality != Quality::kFast && !task.is_draft) Improve(points, task, &state, team);
  DropEmptyClusters(points.dimensions(), &state);
  // One start can be stuck where exchanges do not help, so with quality "best" each has its own.
  if (options.quality == Quality::kBest) SearchLocally(points, task, min_rows, start, &state, team);
  return state;
}

}  // namespace

void DropEmptyClusters(std::size_t dimensions, Clustering* state) {
  std::size_t kept = 0;
  std::vector<Label> new_label(state->k());
  for (std::size_t c = 0; c < state->k(); ++c) {
    new_label[c] = static_cast<Label>(kept);
    if (state->rows[c] == 0) continue;
    std::copy_n(state->centroids.data() + c * dimensions, dimensions, state->centroids.data() + kept * dimensions);
    state->weights[kept] = state->weights[c];
    state->rows[kept] = state->rows[c];
    ++kept;
  }
  if (kept == state->k()) return;
  for (Label& label : state->labels) label = new_label[label];
  state->centroids.resize(kept * dimensions);
  state->weights.resize(kept);
  state->rows.resize(kept);
}

bool AllLargeEnough(const Clustering& state, const SearchTask& task, double min_rows) {
  const std::vector<double>& sizes = task.sizes_by_weight ? state.weights : state.rows;
  return std::all_of(sizes.begin(), sizes.end(), [=](double size) { return size >= min_rows; });
}

Clustering Search(const Points& points, const SearchTask& task, double min_rows, ThreadTeam& team) {
  const Options& options = task.options;
  if (!task.initial_centroids.empty()) {
    Clustering state = Lloyd(points, task.initial_centroids, LimitsOf(task), options.distance, team);
    DropEmptyClusters(points.dimensions(), &state);
    return state;
  }
  const int starts = options.quality == Quality::kFast ? 1 : options.n_init;
  // The best start of each thread; of equals the earliest counts.
  struct Found {
    Clustering state;
    std::size_t start = SIZE_MAX;
  };
  std::vector<Found> found(team.size());
  int perfect = 0;  // later starts, which are those not begun yet, cannot be better than an inertia of 0
  team.ForEach(static_cast<std::size_t>(starts), [&](std::size_t start, std::size_t worker, const Interrupt& interrupt) {
    if (__atomic_load_n(&perfect, __ATOMIC_RELAXED) != 0) return;
    ThreadTeam alone(interrupt);
    Clustering state = RunStart(points, task, min_rows, static_cast<int>(start), alone);
    Found& best = found[worker];
    if (best.start != SIZE_MAX && !IsBetter(state, best.state, task, min_rows)) return;
    if (state.inertia == 0 && AllLargeEnough(state, task, min_rows)) __atomic_store_n(&perfect, 1, __ATOMIC_RELAXED);
    best = {std::move(state), start};
  });
  Found* best = nullptr;
  for (Found& other : found) {
    if (other.start == SIZE_MAX) continue;
    if (best == nullptr || IsBetter(other.state, best->state, task, min_rows) ||
        (!IsBetter(best->state, other.state, task, min_rows) && other.start < best->start)) {
      best = &other;
    }
  }
  if (options.quality == Quality::kDefault) SearchLocally(points, task, min_rows, starts, &best->state, team);
  return std::move(best->state);
}

}  // namespace segmentation
