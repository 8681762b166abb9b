#include "core/search.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "core/few_rows.h"
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

bool AreFew(const Points& points, const SearchTask& task) {
  return points.rows() <= kFewRows && task.options.distance == Distance::kEuclidean;
}

// Lloyd's algorithm as one thread runs it again and again on the same points.
class Runner {
 public:
  // From the centroids of the state. The inertia of few rows comes along in any case.
  void Run(const Points& points, const SearchTask& task, LloydLimits limits, ThreadTeam& team, Clustering* state) {
    if (AreFew(points, task)) {
      if (!few_) few_.emplace(points.tiles());
      if (few_->Run(limits, state)) return;
      limits.with_inertia = true;
    }
    *state = Lloyd(points, std::move(state->centroids), limits, task.options.distance, team, &workspace_);
  }

 private:
  LloydWorkspace workspace_;
  std::optional<FewRows> few_;
};

// Single-point moves, then Lloyd's algorithm until nothing moves (the moves leave rounding errors in the centroids).
void Improve(const Points& points, const SearchTask& task, Clustering* state, ThreadTeam& team, Runner* runner) {
  const std::size_t moved =
      MoveSinglePoints(points.tiles(), task.options.distance, kMaxSinglePointPasses, state, team.interrupt());
  if (moved > 0 || !state->stable) {
    const std::uint64_t before = state->iterations;
    runner->Run(points, task, {task.options.max_iter, 0, false}, team, state);
    state->iterations += before;
  }
  if (!AreFew(points, task)) state->inertia = Inertia(points, state->centroids, state->labels, team);
}

bool IsBetter(const Clustering& a, const Clustering& b, const SearchTask& task, double min_rows) {
  const bool a_large = AllLargeEnough(a, task, min_rows);
  const bool b_large = AllLargeEnough(b, task, min_rows);
  return a_large != b_large ? a_large : a.inertia < b.inertia;
}

// How much is done with one set of points.
struct Effort {
  bool settles;  // every start down to where no single row moves
  int trials;    // exchanges that are tried
  double steps;  // row-centroid-dimension steps that all of them may take before the last one starts
};

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

double StepsOfPass(const Points& points, std::size_t k) {
  return static_cast<double>(points.rows()) * static_cast<double>(k * points.dimensions());
}

// With few clusters ten starts leave nothing for exchanges to find.
int TrialsOf(std::size_t k, std::size_t per_cluster, std::size_t most) {
  return k < 4 ? 0 : static_cast<int>(std::min(per_cluster * k, most));
}

Effort EffortOf(const Points& points, const SearchTask& task) {
  switch (task.options.quality) {
    case Quality::kFast: return {false, 0, kNoLimit};
    case Quality::kDefault: return {true, TrialsOf(task.k, 2, 20), kNoLimit};
    case Quality::kBest: return {true, 100, std::max(4e8, 100 * StepsOfPass(points, task.k))};
  }
  return {};
}

// The clustering that an exchange leads to.
Clustering AfterExchange(const Points& points, const SearchTask& task, const Effort& effort, const Exchanges& exchanges, double best,
                         double fraction, ThreadTeam& team, Runner* runner) {
  Clustering changed;
  changed.centroids = exchanges.Try(fraction, team.interrupt());
  runner->Run(points, task, LimitsOf(task), team, &changed);
  if (effort.settles && changed.inertia < best * kWorthImproving) Improve(points, task, &changed, team, runner);
  return changed;
}

// Tries exchanges of a centroid for a row, each finished by Lloyd's algorithm and single-point moves, and keeps what is better.
// `stream` sets the random numbers apart. The team tries several at a time from the same clustering; they count in their order,
// and those after one that was kept are tried again from there.
void SearchLocally(const Points& points, const SearchTask& task, const Effort& effort, double min_rows, std::uint32_t stream,
                   Clustering* best, ThreadTeam& team) {
  const CounterRandom random(static_cast<std::uint64_t>(task.options.seed), kExchangeStream + stream);
  const double pass = StepsOfPass(points, best->k());
  std::vector<Runner> runners(team.size());
  double steps = 0;
  for (int trial = 0; trial < effort.trials && steps < effort.steps && best->k() > 1 && best->inertia > 0;) {
    const Exchanges exchanges(points.tiles(), *best, team.interrupt());
    bool kept = false;
    while (!kept && trial < effort.trials && steps < effort.steps) {
      const auto wave = std::min(team.size(), static_cast<std::size_t>(effort.trials - trial));
      std::vector<Clustering> changed(wave);
      team.ForEach(wave, [&](std::size_t i, std::size_t worker, const Interrupt& interrupt) {
        ThreadTeam alone(interrupt);
        const double fraction = random.Uniform(static_cast<std::uint32_t>(trial) + static_cast<std::uint32_t>(i), 0);
        changed[i] = AfterExchange(points, task, effort, exchanges, best->inertia, fraction, alone, &runners[worker]);
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

// Puts the clusters in the order of their centroids, so that equal partitions are equal clusterings (sums are exact, or in one order).
void OrderClusters(std::size_t dimensions, Clustering* state) {
  const std::size_t k = state->k();
  const auto centroid = [&](std::size_t c) { return state->centroids.begin() + static_cast<std::ptrdiff_t>(c * dimensions); };
  std::vector<std::size_t> order(k);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::lexicographical_compare(centroid(a), centroid(a + 1), centroid(b), centroid(b + 1));
  });
  if (std::is_sorted(order.begin(), order.end())) return;
  std::vector<Label> place(k);
  for (std::size_t c = 0; c < k; ++c) place[order[c]] = static_cast<Label>(c);
  for (Label& label : state->labels) label = place[label];
  for (std::size_t c = 0; c < k; ++c) {  // each cycle of the permutation by swaps; places that are settled stand for themselves
    std::size_t at = c;
    while (order[at] != c) {
      const std::size_t next = order[at];
      std::swap_ranges(centroid(at), centroid(at + 1), centroid(next));
      std::swap(state->weights[at], state->weights[next]);
      std::swap(state->rows[at], state->rows[next]);
      order[at] = at;
      at = next;
    }
    order[at] = at;
  }
}

// What one thread has met in its starts.
struct Visited {
  Runner runner;
  Clustering spare;                         // its memory is used again
  std::vector<std::vector<double>> stable;  // centroids that starts came to before they were improved
};

// One start: seeded, run through Lloyd's algorithm, improved. Without clusters when it came to where an earlier start had been:
// it would end as that one did.
Clustering RunStart(const Points& points, const SearchTask& task, const Effort& effort, double min_rows, std::uint32_t start,
                    ThreadTeam& team, Visited* visited) {
  const Options& options = task.options;
  Clustering state = std::move(visited->spare);
  state.centroids = Seed(points.tiles(), task.k, options.init, static_cast<std::uint64_t>(options.seed), start, team.interrupt());
  visited->runner.Run(points, task, {options.max_iter, task.shift, !effort.settles}, team, &state);
  if (effort.settles) {
    OrderClusters(points.dimensions(), &state);
    if (state.stable) {
      const auto& known = visited->stable;
      if (std::find(known.begin(), known.end(), state.centroids) != known.end()) {
        visited->spare = std::move(state);
        return {};
      }
      visited->stable.push_back(state.centroids);
    }
    Improve(points, task, &state, team, &visited->runner);
  }
  DropEmptyClusters(points.dimensions(), &state);
  // One start can be stuck where exchanges do not help, so with quality "best" each has its own.
  if (options.quality == Quality::kBest) SearchLocally(points, task, effort, min_rows, start, &state, team);
  return state;
}

// The best of all starts, of equals the earliest; then exchanges.
Clustering SearchFrom(const Points& points, const SearchTask& task, const Effort& effort, double min_rows, ThreadTeam& team) {
  const int starts = task.options.quality == Quality::kFast ? 1 : task.options.n_init;
  struct Found {
    Clustering state;
    std::size_t start = SIZE_MAX;
  };
  std::vector<Found> found(team.size());  // the best of each thread
  std::vector<Visited> visited(team.size());
  int perfect = 0;  // later starts, which are those not begun yet, cannot be better than an inertia of 0
  team.ForEach(static_cast<std::size_t>(starts), [&](std::size_t start, std::size_t worker, const Interrupt& interrupt) {
    if (__atomic_load_n(&perfect, __ATOMIC_RELAXED) != 0) return;
    ThreadTeam alone(interrupt);
    Clustering state = RunStart(points, task, effort, min_rows, static_cast<std::uint32_t>(start), alone, &visited[worker]);
    if (state.k() == 0) return;
    if (state.inertia == 0 && AllLargeEnough(state, task, min_rows)) __atomic_store_n(&perfect, 1, __ATOMIC_RELAXED);
    Found& best = found[worker];
    if (best.start == SIZE_MAX || IsBetter(state, best.state, task, min_rows)) {
      std::swap(best.state, state);
      best.start = start;
    }
    visited[worker].spare = std::move(state);
  });
  Found* best = nullptr;
  for (Found& other : found) {
    if (other.start == SIZE_MAX) continue;
    if (best == nullptr || IsBetter(other.state, best->state, task, min_rows) ||
        (!IsBetter(best->state, other.state, task, min_rows) && other.start < best->start)) {
      best = &other;
    }
  }
  if (task.options.quality != Quality::kBest) {
    SearchLocally(points, task, effort, min_rows, static_cast<std::uint32_t>(starts), &best->state, team);
  }
  if (AreFew(points, task)) {  // the same once more with exact sums; what was cut off is only labelled
    Clustering plain = std::move(best->state);
    const LloydLimits limits{plain.stable ? task.options.max_iter : 0, task.shift, true};
    best->state = Lloyd(points, std::move(plain.centroids), limits, task.options.distance, team);
    best->state.iterations = plain.iterations;
    best->state.converged = plain.converged;
    DropEmptyClusters(points.dimensions(), &best->state);
  }
  return std::move(best->state);
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

Points SearchPoints(Tiles tiles, ThreadTeam& team) {
  Points points(std::move(tiles));
  points.FindBounds(team);
  points.BuildFilter(team);
  return points;
}

Clustering Search(const Points& points, const SearchTask& task, double min_rows, ThreadTeam& team) {
  return SearchFrom(points, task, EffortOf(points, task), min_rows, team);
}

Clustering SearchSample(const Points& sample, const SearchTask& task, double min_rows, ThreadTeam& team) {
  Effort effort = EffortOf(sample, task);
  effort.settles = false;
  const std::size_t few = std::max<std::size_t>(10'000, 100 * task.k);
  if (task.options.quality == Quality::kBest || 2 * few > sample.rows()) return SearchFrom(sample, task, effort, min_rows, team);
  const double share = static_cast<double>(few) / static_cast<double>(sample.rows());
  const bool exchanges = effort.trials > 0;
  effort.trials = exchanges ? std::max(TrialsOf(task.k, 3, 100), TrialsOf(task.k, 40, 40)) : 0;
  Clustering state = SearchFrom(SearchPoints(sample.tiles().EveryMth(few), team), task, effort, min_rows * share, team);
  const std::uint64_t before = state.iterations;
  state = Lloyd(sample, std::move(state.centroids), LimitsOf(task), task.options.distance, team);
  state.iterations += before;
  DropEmptyClusters(sample.dimensions(), &state);
  effort.trials = exchanges ? TrialsOf(task.k, 1, 20) : 0;
  SearchLocally(sample, task, effort, min_rows, static_cast<std::uint32_t>(task.options.n_init) + 1, &state, team);
  return state;
}

}  // namespace segmentation
