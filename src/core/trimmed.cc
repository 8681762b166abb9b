#include "core/trimmed.h"

#include <algorithm>
#include <cmath>

#include "core/cluster_totals.h"
#include "core/distance_tile.h"
#include "core/exact_sum.h"
#include "core/preprocess.h"

namespace segmentation {
namespace {

struct Far {
  double square;
  std::size_t row;
};

bool IsFarther(const Far& a, const Far& b) { return a.square != b.square ? a.square > b.square : a.row < b.row; }

// Polls while it compares.
auto FartherFirst(const Interrupt& interrupt) {
  return [&interrupt](const Far& a, const Far& b) {
    interrupt.Poll();
    return IsFarther(a, b);
  };
}

// The rows that are at least so far, and not at 0.
std::vector<Far> RowsFrom(const double* squares, std::size_t rows, double least, const Interrupt& interrupt) {
  std::vector<Far> far;
  for (std::size_t i = 0; i < rows; ++i) {
    if (i % kBlockRows == 0) interrupt.Poll();
    if (squares[i] >= least && squares[i] > 0) far.push_back({squares[i], i});
  }
  return far;
}

ExactTotal WeightOf(const Points& points, const Far* first, const Far* end, const SumUnit& unit, const Interrupt& interrupt) {
  ExactTotal total;
  for (const Far* at = first; at < end; ++at) {
    if ((at - first) % kMaxTerms == 0) interrupt.Poll();
    total.Add(Fold(points.Weight(at->row) * unit.down()));
  }
  return total;
}

// How many of the rows are left out; those come first afterwards, and the next one is in its place. By halving the range in which the
// first row that does not fit must lie.
std::size_t CountLeftOut(const Points& points, double limit, const Interrupt& interrupt, std::vector<Far>* far) {
  const auto place = [&](std::size_t first, std::size_t at, std::size_t end) {
    const auto begin = far->begin();
    std::nth_element(begin + static_cast<std::ptrdiff_t>(first), begin + static_cast<std::ptrdiff_t>(at),
                     begin + static_cast<std::ptrdiff_t>(end), FartherFirst(interrupt));
  };
  if (!points.weighted()) {
    const auto count = static_cast<std::size_t>(std::min(limit, static_cast<double>(far->size())));
    if (count < far->size()) place(0, count, far->size());
    return count;
  }
  const SumUnit unit = points.WeightUnit();
  ExactTotal taken;
  std::size_t first = 0;
  std::size_t end = far->size();
  while (first < end) {
    const std::size_t middle = first + (end - first) / 2;
    place(first, middle, end);
    ExactTotal more = taken;
    more.Add(WeightOf(points, far->data() + first, far->data() + middle + 1, unit, interrupt));
    if (more.Value(unit) <= limit) {
      taken = more;
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return first;
}

// A distance that somewhat more than `share` of the rows reach, by every m-th of them: sorting out the far rows then need not look at
// the others. It decides nothing.
double GuessSquare(const double* squares, std::size_t rows, double share) {
  constexpr std::size_t kSampled = 1024;
  if (rows <= 4 * kSampled) return 0;
  std::vector<double> sample;
  for (std::size_t i = 0; i < kSampled; ++i) sample.push_back(squares[i * rows / kSampled]);
  const auto place = static_cast<std::size_t>(std::min(1.0, 1.25 * share + 0.02) * (kSampled - 1));
  std::nth_element(sample.begin(), sample.begin() + static_cast<std::ptrdiff_t>(place), sample.end(), std::greater<>());
  return sample[place];
}

// The clusters of one run, and one more for what is left out.
class TrimmedAssignment {
 public:
  TrimmedAssignment(const Points& points, std::size_t k, double limit, const ThreadTeam& team)
      : points_(points), limit_(limit), totals_(points, k + 1), squares_(points.tile_count() * kTileRows),
        nearest_(points.tile_count() * kTileRows), labels_(points.tile_count() * kTileRows) {
    workers_.reserve(team.size());
    for (std::size_t worker = 0; worker < team.size(); ++worker) workers_.emplace_back(&totals_, points);
  }

  std::size_t k() const { return totals_.k() - 1; }
  const ClusterTotals& totals() const { return totals_; }
  Labels TakeLabels() { return std::move(labels_); }

  // Returns how many rows changed their label.
  std::size_t Assign(const std::vector<double>& centroids, ThreadTeam& team);
  // The weighted sum of the squared distances of what is kept; exact.
  double Inertia(const std::vector<double>& centroids, ThreadTeam& team);
  // Gives each empty cluster the farthest kept row that is not the last of its own.
  bool RefillEmpty(const Interrupt& interrupt);

 private:
  struct Worker {
    Worker(ClusterTotals* totals, const Points&) : changes(totals) {}
    ClusterTotals::Changes changes;
    std::size_t changed = 0;
    ExactTotal inertia;
  };

  void FindNearest(const std::vector<double>& centroids, ThreadTeam& team);
  void TakeLabelsOf(std::size_t tile, const Cut& cut, Worker* worker);

  const Points& points_;
  double limit_;
  ClusterTotals totals_;
  AlignedDoubles squares_;
  Labels nearest_;
  Labels labels_;
  bool first_ = true;
  std::vector<Worker> workers_;
};

void TrimmedAssignment::FindNearest(const std::vector<double>& centroids, ThreadTeam& team) {
  team.ForEach(points_.block_count(), [&](std::size_t block, std::size_t, const Interrupt& interrupt) {
    for (std::size_t tile = block * kBlockTiles; tile < points_.BlockEnd(block); ++tile) {
      interrupt.Poll();
      std::int32_t label[kTileRows] = {};
      NearestInTile(points_.Tile(tile, nullptr), points_.dimensions(), centroids.data(), k(), squares_.data() + tile * kTileRows, label);
      for (std::size_t r = 0; r < kTileRows; ++r) nearest_[tile * kTileRows + r] = static_cast<Label>(label[r]);
    }
  });
}

void TrimmedAssignment::TakeLabelsOf(std::size_t tile, const Cut& cut, Worker* worker) {
  Label now[kTileRows] = {};
  for (std::size_t r = 0; r < points_.RowsIn(tile); ++r) {
    const std::size_t row = tile * kTileRows + r;
    now[r] = cut.LeavesOut(squares_[row], row) ? static_cast<Label>(k()) : nearest_[row];
  }
  Label* label = labels_.data() + tile * kTileRows;
  if (first_) {
    worker->changes.EnterTile(tile, now);
    worker->changed += points_.RowsIn(tile);
  } else {
    for (std::size_t r = 0; r < points_.RowsIn(tile); ++r) {
      if (now[r] == label[r]) continue;
      worker->changes.Move(tile * kTileRows + r, label[r], now[r]);
      ++worker->changed;
    }
  }
  std::copy_n(now, kTileRows, label);
}

std::size_t TrimmedAssignment::Assign(const std::vector<double>& centroids, ThreadTeam& team) {
  FindNearest(centroids, team);
  const Cut cut = FindCut(points_, squares_.data(), limit_, team.interrupt());
  for (Worker& worker : workers_) worker.changed = 0;
  team.ForEach(points_.block_count(), [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
    for (std::size_t tile = block * kBlockTiles; tile < points_.BlockEnd(block); ++tile) {
      interrupt.Poll();
      TakeLabelsOf(tile, cut, &workers_[worker]);
    }
  });
  std::size_t changed = 0;
  for (Worker& worker : workers_) {
    worker.changes.Flush();
    changed += worker.changed;
  }
  first_ = false;
  return changed;
}

double TrimmedAssignment::Inertia(const std::vector<double>& centroids, ThreadTeam& team) {
  const SumUnit unit(SquareBound(points_, centroids));
  for (Worker& worker : workers_) worker.inertia = {};
  team.ForEach(points_.block_count(), [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
    for (std::size_t tile = block * kBlockTiles; tile < points_.BlockEnd(block); ++tile) {
      interrupt.Poll();
      double weight_buffer[kTileRows];
      const double* weights = points_.Weights(tile, weight_buffer);
      Folds sum{0, 0};
      for (std::size_t r = 0; r < points_.RowsIn(tile); ++r) {
        const std::size_t row = tile * kTileRows + r;
        if (labels_[row] == k()) continue;
        const Folds folds = Fold(weights[r] * squares_[row] * unit.down());
        sum.high += folds.high;
        sum.low += folds.low;
      }
      workers_[worker].inertia.Add(sum);
    }
  });
  ExactTotal total;
  for (const Worker& worker : workers_) total.Add(worker.inertia);
  return total.Value(unit);
}

bool TrimmedAssignment::RefillEmpty(const Interrupt& interrupt) {
  std::vector<std::size_t> empty;
  for (std::size_t cluster = 0; cluster < k(); ++cluster) {
    if (totals_.Rows(cluster) == 0) empty.push_back(cluster);
  }
  if (empty.empty()) return false;
  std::vector<Far> far = RowsFrom(squares_.data(), points_.rows(), 0, interrupt);
  std::erase_if(far, [&](const Far& one) { return labels_[one.row] == k(); });
  const std::size_t count = std::min(empty.size(), far.size());
  std::partial_sort(far.begin(), far.begin() + static_cast<std::ptrdiff_t>(count), far.end(), FartherFirst(interrupt));
  bool refilled = false;
  for (std::size_t i = 0; i < count; ++i) {
    Label& label = labels_[far[i].row];
    if (totals_.Rows(label) <= 1) continue;
    workers_[0].changes.Move(far[i].row, label, empty[i]);
    workers_[0].changes.Flush();
    label = static_cast<Label>(empty[i]);
    refilled = true;
  }
  return refilled;
}

// Moves each centroid to the mean (or the direction) of its rows; returns the sum of the squared shifts.
double MoveCentroids(const TrimmedAssignment& assignment, std::size_t dimensions, Distance distance, std::vector<double>* centroids) {
  double total_shift = 0;
  std::vector<double> mean(dimensions);
  for (std::size_t cluster = 0; cluster < assignment.k(); ++cluster) {
    if (assignment.totals().Rows(cluster) == 0) continue;
    assignment.totals().Mean(cluster, mean.data());
    if (distance == Distance::kCosine && !NormalizeDirection(mean.data(), dimensions)) continue;
    double* centroid = centroids->data() + cluster * dimensions;
    for (std::size_t j = 0; j < dimensions; ++j) {
      total_shift += (mean[j] - centroid[j]) * (mean[j] - centroid[j]);
      centroid[j] = mean[j];
    }
  }
  return total_shift;
}

// Iterations over fewer rows are not worth telling of.
constexpr std::size_t kReportRows = 10'000;

// The iterations; true where another assignment would change nothing.
bool Iterate(const Points& points, const LloydLimits& limits, Distance distance, ThreadTeam& team, TrimmedAssignment* assignment,
             Clustering* state) {
  std::vector<double> before;
  double inertia_before = std::numeric_limits<double>::infinity();
  while (state->iterations < static_cast<std::uint64_t>(limits.max_iter) && !state->converged) {
    const std::size_t changed = assignment->Assign(state->centroids, team);
    state->inertia = assignment->Inertia(state->centroids, team);
    ++state->iterations;
    if (points.rows() >= kReportRows) {
      team.interrupt().Report({Progress::Stage::kIterations, state->iterations, static_cast<std::uint64_t>(limits.max_iter), points.rows(), state->inertia});
    }
    if (changed == 0) {
      state->converged = true;
      return true;
    }
    if (state->inertia >= inertia_before) {  // see TrimmedLloyd; with equal weights this is rounding
      state->converged = true;
      if (state->inertia > inertia_before) state->centroids = before;
      return false;
    }
    before = state->centroids;
    inertia_before = state->inertia;
    const bool refilled = assignment->RefillEmpty(team.interrupt());
    const double shift = MoveCentroids(*assignment, points.dimensions(), distance, &state->centroids);
    state->converged = shift <= limits.shift && !refilled;
  }
  return false;
}

}  // namespace

double TrimLimit(double share, double weight) { return share * weight * (1 + 1e-12); }

Cut FindCut(const Points& points, const double* squares, double limit, const Interrupt& interrupt) {
  if (!(limit >= (points.weighted() ? 0 : 1))) return {};
  const double weight = static_cast<double>(points.rows()) * points.largest_weight();  // at least what there is
  const double guess = GuessSquare(squares, points.rows(), points.weighted() ? std::min(1.0, 2 * limit / weight) : limit / weight);
  std::vector<Far> far = RowsFrom(squares, points.rows(), guess, interrupt);
  std::size_t count = CountLeftOut(points, limit, interrupt, &far);
  if (count == far.size() && guess > 0) {  // there may be more to leave out
    far = RowsFrom(squares, points.rows(), 0, interrupt);
    count = CountLeftOut(points, limit, interrupt, &far);
  }
  // All that are not at 0: row numbers below `end` matter only at `square`, where there are none.
  if (count == far.size()) return {0, 0};
  return {far[count].square, far[count].row};
}

Clustering TrimmedLloyd(const Points& points, std::vector<double> centroids, double limit, const LloydLimits& limits, Distance distance,
                        ThreadTeam& team) {
  const std::size_t k = centroids.size() / points.dimensions();
  Clustering state;
  state.centroids = std::move(centroids);
  TrimmedAssignment assignment(points, k, limit, team);
  state.stable = Iterate(points, limits, distance, team, &assignment, &state);
  if (!state.stable) {
    assignment.Assign(state.centroids, team);
    state.inertia = assignment.Inertia(state.centroids, team);
  }
  for (std::size_t cluster = 0; cluster < k; ++cluster) {
    state.weights.push_back(assignment.totals().Weight(cluster));
    state.rows.push_back(static_cast<double>(assignment.totals().Rows(cluster)));
  }
  state.labels = assignment.TakeLabels();
  return state;
}

}  // namespace segmentation
