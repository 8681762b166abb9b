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
// On this many rows an exchange is so cheap that twice as many are tried.
constexpr std::size_t kCheapRows = 1000;
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

// The best clustering of those that a team finds, of equals the one with the lowest number: the same whoever finds them. Keeps no more
// than one for each thread.
class BestFound {
 public:
  BestFound(const SearchTask& task, double min_rows, const ThreadTeam& team) : task_(task), min_rows_(min_rows), found_(team.size()) {}

  // A thread's numbers ascend. What is not kept is in *state afterwards.
  void Offer(std::size_t worker, std::size_t number, Clustering* state) {
    One& best = found_[worker];
    if (best.number != SIZE_MAX && !IsBetter(*state, best.state, task_, min_rows_)) return;
    std::swap(best.state, *state);
    best.number = number;
  }

  Clustering Take() {
    One* best = nullptr;
    for (One& other : found_) {
      if (other.number == SIZE_MAX) continue;
      if (best == nullptr || IsBetter(other.state, best->state, task_, min_rows_) ||
          (!IsBetter(best->state, other.state, task_, min_rows_) && other.number < best->number)) {
        best = &other;
      }
    }
    return std::move(best->state);
  }

 private:
  struct One {
    Clustering state;
    std::size_t number = SIZE_MAX;
  };
  const SearchTask& task_;
  double min_rows_;
  std::vector<One> found_;
};

// How much is done with one set of points.
struct Effort {
  bool settles;  // every start down to where no single row moves
  int trials;    // exchanges that are tried
  double steps;  // row-centroid-dimension steps that all of them may take before the last one starts
};

// Which starts are made, by their numbers.
struct Starts {
  std::uint32_t first;
  std::uint32_t end;
};

// All that the options ask for.
Starts StartsOf(const Options& options) {
  return {0, options.quality == Quality::kFast ? 1u : static_cast<std::uint32_t>(options.n_init)};
}

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

double StepsOfPass(const Points& points, std::size_t k) {
  return static_cast<double>(points.rows()) * static_cast<double>(k * points.dimensions());
}

// With few clusters starts leave nothing for exchanges to find.
int TrialsOf(std::size_t k, std::size_t per_cluster, std::size_t most) {
  return k < 4 ? 0 : static_cast<int>(std::min(per_cluster * k, most));
}

Effort EffortOf(const Points& points, const SearchTask& task) {
  switch (task.options.quality) {
    case Quality::kFast: return {false, 0, kNoLimit};
    case Quality::kDefault:
      if (points.rows() <= kCheapRows) return {true, TrialsOf(task.k, 4, 40), kNoLimit};
      return {true, TrialsOf(task.k, 2, 20), kNoLimit};
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
      team.interrupt().Report({Progress::Stage::kExchanges, static_cast<std::uint64_t>(trial) + wave, static_cast<std::uint64_t>(effort.trials),
                               points.rows(), best->inertia});
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

// The best of these starts, of equals the earliest; then exchanges.
Clustering SearchFrom(const Points& points, const SearchTask& task, const Effort& effort, Starts starts, double min_rows, ThreadTeam& team) {
  BestFound found(task, min_rows, team);
  std::vector<Visited> visited(team.size());
  int perfect = 0;  // later starts, which are those not begun yet, cannot be better than an inertia of 0
  team.ForEach(starts.end - starts.first, [&](std::size_t start, std::size_t worker, const Interrupt& interrupt) {
    if (__atomic_load_n(&perfect, __ATOMIC_RELAXED) != 0) return;
    ThreadTeam alone(interrupt);
    Clustering state = RunStart(points, task, effort, min_rows, starts.first + static_cast<std::uint32_t>(start), alone, &visited[worker]);
    if (state.k() == 0) return;
    if (state.inertia == 0 && AllLargeEnough(state, task, min_rows)) __atomic_store_n(&perfect, 1, __ATOMIC_RELAXED);
    found.Offer(worker, start, &state);
    visited[worker].spare = std::move(state);
  });
  Clustering best = found.Take();
  const std::uint64_t made = starts.end - starts.first;
  team.interrupt().Report({Progress::Stage::kStarts, made, made, points.rows(), best.inertia});
  if (task.options.quality != Quality::kBest) {
    SearchLocally(points, task, effort, min_rows, starts.end, &best, team);
  }
  if (AreFew(points, task)) {  // the same once more with exact sums; what was cut off is only labelled
    Clustering plain = std::move(best);
    const LloydLimits limits{plain.stable ? task.options.max_iter : 0, task.shift, true};
    best = Lloyd(points, std::move(plain.centroids), limits, task.options.distance, team);
    best.iterations = plain.iterations;
    best.converged = plain.converged;
    DropEmptyClusters(points.dimensions(), &best);
  }
  return best;
}

// ---- samples --------------------------------------------------------------------------------------------------------------------

// A sample of the points, where it is much smaller than they are; samples of different ways differ.
class Thinned {
 public:
  Thinned(const Points& points, std::size_t rows, std::size_t way, std::size_t ways, ThreadTeam& team) : all_(points) {
    if (rows <= points.rows() / 2) own_.emplace(SearchPoints(points.tiles().EveryMth(rows, way, ways), team));
  }
  const Points& points() const { return own_ ? *own_ : all_; }

 private:
  const Points& all_;
  std::optional<Points> own_;
};

// How a sample is searched: starts on few rows of it, exchanges there and on a middle number of rows, then Lloyd's algorithm on all.
// What is best on few rows need not be so on more, and the more clusters, the more places there are where a start can end. So this
// is done several times, on other rows, and what is best on all is kept. The figures are what gave the lowest inertia for its
// time (docs/decisions.md).
struct Plan {
  std::size_t few;
  std::size_t middle;
  int few_trials;     // exchanges on few rows
  int middle_trials;  // on the middle ones
  std::size_t ways;   // how often, each time with its share of the starts
};

Plan PlanOf(const SearchTask& task) {
  Plan plan{std::max<std::size_t>(10'000, 100 * task.k), std::max<std::size_t>(50'000, 200 * task.k), 0, 0, 1};
  switch (task.options.quality) {
    case Quality::kFast: break;
    case Quality::kDefault:
      plan.few_trials = TrialsOf(task.k, 2, 30);
      plan.middle_trials = TrialsOf(task.k, 1, 20);
      plan.ways = std::clamp<std::size_t>(task.k / 4, 1, std::min<std::size_t>(static_cast<std::size_t>(task.options.n_init), 4));
      break;
    case Quality::kBest:
      plan.few = plan.middle;
      plan.few_trials = 100;
      plan.ways = static_cast<std::size_t>(task.options.n_init);
      break;
  }
  return plan;
}

// The clustering of the whole sample that one way through its smaller samples leads to.
Clustering Climb(const Points& sample, const SearchTask& task, const Plan& plan, std::size_t way, double min_rows, ThreadTeam& team) {
  const Thinned middle(sample, plan.middle, way, plan.ways, team);
  const Thinned few(middle.points(), plan.few, 0, 1, team);
  const auto min_rows_of = [&](const Thinned& thinned) {
    return min_rows * static_cast<double>(thinned.points().rows()) / static_cast<double>(sample.rows());
  };
  const std::uint32_t all_starts = StartsOf(task.options).end;
  const auto first = [&](std::size_t i) { return static_cast<std::uint32_t>(i * all_starts / plan.ways); };
  const Starts starts{first(way), first(way + 1)};
  Effort effort = EffortOf(few.points(), task);
  effort.settles = false;
  effort.trials = plan.few_trials;
  Clustering state = SearchFrom(few.points(), task, effort, starts, min_rows_of(few), team);
  if (&middle.points() != &few.points()) GoOn(middle.points(), task, LimitsOf(task), team, &state);
  effort.trials = plan.middle_trials;
  SearchLocally(middle.points(), task, effort, min_rows_of(middle), all_starts + starts.end, &state, team);
  if (&sample != &middle.points()) GoOn(sample, task, LimitsOf(task), team, &state);
  return state;
}

}  // namespace

Points SearchPoints(Tiles tiles, ThreadTeam& team) {
  Points points(std::move(tiles));
  points.FindBounds(team);
  points.BuildFilter(team);
  return points;
}

Clustering Search(const Points& points, const SearchTask& task, double min_rows, ThreadTeam& team) {
  return SearchFrom(points, task, EffortOf(points, task), StartsOf(task.options), min_rows, team);
}

Clustering SearchSample(const Points& sample, const SearchTask& task, double min_rows, ThreadTeam& team) {
  const Plan plan = PlanOf(task);
  if (plan.ways == 1) return Climb(sample, task, plan, 0, min_rows, team);
  BestFound found(task, min_rows, team);
  team.ForEach(plan.ways, [&](std::size_t way, std::size_t worker, const Interrupt& interrupt) {
    ThreadTeam alone(interrupt);
    Clustering end = Climb(sample, task, plan, way, min_rows, alone);
    found.Offer(worker, way, &end);
  });
  return found.Take();
}

}  // namespace segmentation
