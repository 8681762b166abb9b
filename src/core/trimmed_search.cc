#include "core/trimmed_search.h"

#include <algorithm>
#include <limits>

#include "core/column_statistics.h"
#include "core/distance_tile.h"
#include "core/random.h"
#include "core/seeding.h"
#include "core/trimmed.h"

namespace segmentation {
namespace {

// Streams of random numbers: restarts count from 0, the exchanges have one far away.
constexpr std::uint32_t kExchangeStream = 0x80000000;

// The squared distance of each row to the nearest of some centroids, and what that makes of the rows.
class Nearest {
 public:
  Nearest(const Points& points, double limit, const Interrupt& interrupt)
      : points_(points), limit_(limit), interrupt_(interrupt), squares_(points.tile_count() * kTileRows, std::numeric_limits<double>::infinity()) {}

  // Takes one more centroid into account.
  void Add(const double* centroid) {
    for (std::size_t tile = 0; tile < points_.tile_count(); ++tile) {
      if (tile % kBlockTiles == 0) interrupt_.Poll();
      double square[kTileRows];
      DistanceInTile(points_.Tile(tile, nullptr), points_.dimensions(), centroid, square, points_.RowsIn(tile));
      double* nearest = squares_.data() + tile * kTileRows;
      for (std::size_t r = 0; r < points_.RowsIn(tile); ++r) nearest[r] = std::min(nearest[r], square[r]);
    }
  }

  // Weight * squared distance of a row that is kept.
  double Mass(std::size_t row, const Cut& cut) const {
    return cut.LeavesOut(squares_[row], row) ? 0 : points_.Weight(row) * squares_[row];
  }
  Cut FindCut() const { return segmentation::FindCut(points_, squares_.data(), limit_, interrupt_); }
  double TotalMass(const Cut& cut) const {
    double total = 0;
    for (std::size_t row = 0; row < points_.rows(); ++row) {
      if (row % kBlockRows == 0) interrupt_.Poll();
      total += Mass(row, cut);
    }
    return total;
  }
  // The row at which the running sum of the masses passes fraction * total, which is not 0.
  std::size_t Draw(double fraction, const Cut& cut, double total) const {
    double left = fraction * total;
    std::size_t last_with_mass = 0;
    for (std::size_t row = 0; row < points_.rows(); ++row) {
      if (row % kBlockRows == 0) interrupt_.Poll();
      const double mass = Mass(row, cut);
      if (mass <= 0) continue;
      if (left < mass) return row;
      left -= mass;
      last_with_mass = row;
    }
    return last_with_mass;  // rounding carried us past the end
  }

 private:
  const Points& points_;
  double limit_;
  const Interrupt& interrupt_;
  AlignedDoubles squares_;
};

// A row drawn by weight.
std::size_t DrawByWeight(const Points& points, double total, double fraction) {
  if (!points.weighted()) return std::min(static_cast<std::size_t>(fraction * static_cast<double>(points.rows())), points.rows() - 1);
  double left = fraction * total;
  for (std::size_t row = 0; row + 1 < points.rows(); ++row) {
    if (left < points.Weight(row)) return row;
    left -= points.Weight(row);
  }
  return points.rows() - 1;
}

// What a start or an exchange has led to, without its labels.
bool IsBetter(const Clustering& a, const Clustering& b, const SearchTask& task, double min_rows) {
  const bool a_large = AllLargeEnough(a, task, min_rows);
  const bool b_large = AllLargeEnough(b, task, min_rows);
  return a_large != b_large ? a_large : a.inertia < b.inertia;
}

Clustering RunStart(const Points& points, const SearchTask& task, std::uint32_t start, ThreadTeam& team) {
  const Options& options = task.options;
  Clustering state;
  state.centroids = options.init == Init::kRandom
                        ? Seed(points.tiles(), task.k, Init::kRandom, static_cast<std::uint64_t>(options.seed), start, team.interrupt())
                        : SeedTrimmed(points, task, start, team);
  GoOn(points, task, {options.max_iter, task.shift, true}, team, &state);
  state.labels.clear();
  return state;
}

// One cluster, by chance, gives its centroid away for a row drawn from those that are kept.
std::vector<double> Exchanged(const Points& points, const Clustering& from, double limit, const CounterRandom& random, std::uint32_t trial,
                              const Interrupt& interrupt) {
  const std::size_t dimensions = points.dimensions();
  std::vector<double> centroids = from.centroids;
  const auto given = static_cast<std::size_t>(random.Bits(trial, 0) % from.k()) * dimensions;
  Nearest nearest(points, limit, interrupt);
  for (std::size_t c = 0; c < centroids.size(); c += dimensions) {
    if (c != given) nearest.Add(centroids.data() + c);
  }
  const Cut cut = nearest.FindCut();
  const double total = nearest.TotalMass(cut);
  if (total > 0) points.CopyRow(nearest.Draw(random.Uniform(trial, 1), cut, total), centroids.data() + given);
  return centroids;
}

int ExchangesOf(const SearchTask& task) {
  if (task.k < 2 || task.options.quality == Quality::kFast) return 0;
  return task.options.quality == Quality::kBest ? 100 : static_cast<int>(std::min<std::size_t>(2 * task.k, 20));
}

void TryExchanges(const Points& points, const SearchTask& task, double min_rows, Clustering* best, ThreadTeam& team) {
  const CounterRandom random(static_cast<std::uint64_t>(task.options.seed), kExchangeStream);
  const double limit = TrimLimitOf(points, task, team);
  const int trials = ExchangesOf(task);
  for (int trial = 0; trial < trials && best->k() > 1 && best->inertia > 0; ++trial) {
    Clustering changed;
    changed.centroids = Exchanged(points, *best, limit, random, static_cast<std::uint32_t>(trial), team.interrupt());
    GoOn(points, task, {task.options.max_iter, task.shift, true}, team, &changed);
    team.interrupt().Report({Progress::Stage::kExchanges, static_cast<std::uint64_t>(trial) + 1, static_cast<std::uint64_t>(trials),
                             points.rows(), best->inertia});
    if (!IsBetter(changed, *best, task, min_rows)) continue;
    changed.iterations += best->iterations;
    *best = std::move(changed);
  }
}

}  // namespace

std::vector<double> SeedTrimmed(const Points& points, const SearchTask& task, std::uint32_t restart, ThreadTeam& team) {
  const CounterRandom random(static_cast<std::uint64_t>(task.options.seed), restart);
  const std::size_t dimensions = points.dimensions();
  const double limit = TrimLimitOf(points, task, team);
  const double weight = TotalWeight(points, team);
  const Interrupt& interrupt = team.interrupt();
  std::vector<double> centroids;
  Nearest nearest(points, limit, interrupt);
  std::vector<double> candidate(dimensions);
  for (std::size_t chosen = 0; chosen < std::min(task.k, points.rows()); ++chosen) {
    Cut cut;
    double total = 0;
    if (chosen > 0) {
      cut = nearest.FindCut();
      total = nearest.TotalMass(cut);
      if (!(total > 0)) total = nearest.TotalMass(cut = {});  // all that is kept coincides with a centroid
      if (!(total > 0)) break;
    }
    double least = std::numeric_limits<double>::infinity();
    std::vector<double> best;
    for (std::size_t c = 0; c < GreedyCandidates(task.k); ++c) {
      const double fraction = random.Uniform(static_cast<std::uint32_t>(chosen), c);
      points.CopyRow(chosen == 0 ? DrawByWeight(points, weight, fraction) : nearest.Draw(fraction, cut, total), candidate.data());
      Nearest with = nearest;
      with.Add(candidate.data());
      const double mass = with.TotalMass(with.FindCut());
      if (!best.empty() && mass >= least) continue;
      least = mass;
      best = candidate;
    }
    centroids.insert(centroids.end(), best.begin(), best.end());
    nearest.Add(best.data());
  }
  return centroids;
}

Clustering SearchTrimmed(const Points& points, const SearchTask& task, double min_rows, ThreadTeam& team) {
  const std::size_t starts = task.options.quality == Quality::kFast ? 1 : static_cast<std::size_t>(task.options.n_init);
  std::vector<Clustering> found(starts);
  team.ForEach(starts, [&](std::size_t start, std::size_t, const Interrupt& interrupt) {
    ThreadTeam alone(interrupt);
    found[start] = RunStart(points, task, static_cast<std::uint32_t>(start), alone);
  });
  std::size_t first = 0;
  for (std::size_t start = 1; start < starts; ++start) {
    if (IsBetter(found[start], found[first], task, min_rows)) first = start;
  }
  Clustering best = std::move(found[first]);
  team.interrupt().Report({Progress::Stage::kStarts, starts, starts, points.rows(), best.inertia});
  TryExchanges(points, task, min_rows, &best, team);
  Clustering end;  // the same once more with its labels
  end.centroids = std::move(best.centroids);
  GoOn(points, task, {0, 0, true}, team, &end);
  end.iterations = best.iterations;
  end.converged = best.converged;
  return end;
}

Tiles KeptRows(const Tiles& points, const Labels& labels, std::size_t k) {
  std::size_t count = 0;
  for (std::size_t row = 0; row < points.rows(); ++row) count += labels[row] < k ? 1 : 0;
  Tiles kept(count, points.dimensions(), points.weighted());
  std::size_t at = 0;
  for (std::size_t row = 0; row < points.rows(); ++row) {
    if (labels[row] >= k) continue;
    for (std::size_t j = 0; j < points.dimensions(); ++j) kept.At(at, j) = points.At(row, j);
    if (points.weighted()) kept.SetWeight(at, points.Weight(row));
    ++at;
  }
  return kept;
}

}  // namespace segmentation
