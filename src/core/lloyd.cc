#include "core/lloyd.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/cluster_totals.h"
#include "core/distance_tile.h"
#include "core/empty_cluster.h"
#include "core/preprocess.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace segmentation {
namespace {

// The centroids as the filter sees them.
struct FilterCentroids {
  std::vector<float> values;
  float radius = 0;  // the largest length, rounded up

  void Set(const FilterTiles& filter, const std::vector<double>& centroids) {
    values.resize(centroids.size());
    const std::size_t dimensions = filter.center.size();
    double largest = 0;
    for (std::size_t c = 0; c < centroids.size(); c += dimensions) {
      double square = 0;
      for (std::size_t j = 0; j < dimensions; ++j) {
        const double value = (centroids[c + j] - filter.center[j]) * filter.scale;
        values[c + j] = static_cast<float>(value);
        square += value * value;
      }
      largest = std::max(largest, square);
    }
    radius = static_cast<float>(std::sqrt(largest) * (1 + 0x1p-20));
  }
};

}  // namespace

// Labels of points and the totals of their clusters, brought up to date from one set of centroids to the next.
class Assignment {
 public:
  Assignment(const Points& points, std::size_t k, const ThreadTeam& team)
      : points_(points),
        totals_(points, k),
        labels_(points.tile_count() * kTileRows),
        keeps_slack_(points.filter() != nullptr && k > 1 && k * points.dimensions() >= kFilterBounds),
        slack_(keeps_slack_ ? points.tile_count() * kTileRows : 0) {
    workers_.reserve(team.size());
    for (std::size_t worker = 0; worker < team.size(); ++worker) workers_.emplace_back(&totals_, points, keeps_slack_);
  }

  // Begins anew; false where it was made for something else.
  bool Restart(const Points& points, std::size_t k, const ThreadTeam& team) {
    if (&points != &points_ || k != totals_.k() || team.size() > workers_.size()) return false;
    totals_.Clear();
    labels_.resize(points_.tile_count() * kTileRows);
    first_ = true;
    return true;
  }

  const ClusterTotals& totals() const { return totals_; }
  const Labels& labels() const { return labels_; }
  Labels TakeLabels() { return std::move(labels_); }

  // Gives every row the label of its nearest centroid; returns how many labels changed (at first, all). moved: how far each
  // centroid has moved since the last call, none before the first.
  std::size_t Assign(const std::vector<double>& centroids, const std::vector<double>& moved, ThreadTeam& team) {
    if (points_.filter() != nullptr) filter_centroids_.Set(*points_.filter(), centroids);
    if (keeps_slack_ && !first_) SetDrops(moved);
    const std::size_t blocks = (points_.tile_count() + kBlockTiles - 1) / kBlockTiles;
    for (Worker& worker : workers_) worker.changed = 0;
    team.ForEach(blocks, [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
      AssignBlock(block, centroids, &workers_[worker], interrupt);
    });
    std::size_t changed = 0;
    for (Worker& worker : workers_) {
      worker.changes.Flush();
      changed += worker.changed;
    }
    first_ = false;
    return changed;
  }

  // Moves one row to another cluster, nearest or not.
  void MoveRow(std::size_t row, std::size_t to) {
    ClusterTotals::Changes& changes = workers_[0].changes;
    points_.CopyRow(row, changes.row());
    changes.Move(labels_[row], to, points_.Weight(row));
    changes.Flush();
    labels_[row] = static_cast<Label>(to);
    if (keeps_slack_) slack_[row] = 0;
  }

 private:
  struct Change {
    std::size_t row;
    Label from;
    Label to;
  };
  struct Worker {
    Worker(ClusterTotals* totals, const Points& points, bool gathers)
        : changes(totals),
          tile(points.in_place() ? points.dimensions() * kTileRows : 0),
          gathered(gathers ? points.dimensions() * kTileRows : 0),
          failed(gathers ? kBlockRows + 1 : 0) {}
    ClusterTotals::Changes changes;
    std::size_t changed = 0;
    Change queue[kTileRows];
    std::size_t queued = 0;
    std::vector<double> tile;
    std::vector<float> gathered;
    std::vector<std::uint32_t> failed;  // rows of a block whose slack is used up, relative to its first
    std::size_t failed_count = 0;
  };

  // How much slack each cluster's rows lose: what its own centroid has moved, and the farthest move of another one.
  void SetDrops(const std::vector<double>& moved) {
    std::size_t farthest = 0;
    double next = 0;
    for (std::size_t c = 1; c < moved.size(); ++c) {
      if (moved[c] > moved[farthest]) {
        next = moved[farthest];
        farthest = c;
      } else {
        next = std::max(next, moved[c]);
      }
    }
    drops_.resize(moved.size());
    for (std::size_t c = 0; c < moved.size(); ++c) {
      const double drop = (moved[c] + (c == farthest ? next : moved[farthest])) * points_.filter()->scale;
      drops_[c] = static_cast<float>(drop * (1 + 0x1p-20));
    }
  }

  void AssignBlock(std::size_t block, const std::vector<double>& centroids, Worker* worker, const Interrupt& interrupt) {
    const std::size_t first = block * kBlockTiles;
    const std::size_t end = std::min(first + kBlockTiles, points_.tile_count());
    if (points_.filter() == nullptr) {
      for (std::size_t tile = first; tile < end; ++tile) AssignTilePlainly(tile, centroids, worker, interrupt);
    } else if (keeps_slack_ && !first_ && FindFailed(first, end, worker)) {
      AssignFailed(first, end, centroids, worker, interrupt);
    } else {
      for (std::size_t tile = first; tile < end; ++tile) AssignTile(tile, centroids, worker, interrupt);
    }
    TakeQueued(worker);
  }

  // In double precision.
  void AssignTilePlainly(std::size_t tile, const std::vector<double>& centroids, Worker* worker, const Interrupt& interrupt) {
    interrupt.Poll();
    double distance[kTileRows];
    std::int32_t nearest[kTileRows];
    NearestInTile(points_.Tile(tile, worker->tile.data()), points_.dimensions(), centroids.data(), totals_.k(), distance, nearest);
    Label labels[kTileRows];
    for (std::size_t r = 0; r < kTileRows; ++r) labels[r] = static_cast<Label>(nearest[r]);
    TakeLabelsOf(tile, labels, worker);
  }

  void AssignTile(std::size_t tile, const std::vector<double>& centroids, Worker* worker, const Interrupt& interrupt) {
    interrupt.Poll();
    const FilterTiles& filter = *points_.filter();
    Label labels[kTileRows];
    float slack_here[kTileRows];
    float* slack = keeps_slack_ ? slack_.data() + tile * kTileRows : slack_here;
    std::uint64_t unproven =
        kernel_(filter.Tile(tile), points_.dimensions(), filter_centroids_.values.data(), totals_.k(),
                BoundsOf(points_.dimensions(), filter.radius[tile], filter_centroids_.radius), labels, slack);
    if (points_.RowsIn(tile) < kTileRows) unproven &= (std::uint64_t{1} << points_.RowsIn(tile)) - 1;
    constexpr int kTooMany = 16;  // from here on the whole tile is as fast
    if (__builtin_popcountll(unproven) > kTooMany) return AssignTilePlainly(tile, centroids, worker, interrupt);
    for (; unproven != 0; unproven &= unproven - 1) {
      const auto r = static_cast<std::size_t>(__builtin_ctzll(unproven));
      labels[r] = NearestOf(tile * kTileRows + r, centroids, worker);
    }
    TakeLabelsOf(tile, labels, worker);
  }

  // One row in double precision, as NearestInTile does it.
  Label NearestOf(std::size_t row, const std::vector<double>& centroids, Worker* worker) {
    double* point = worker->changes.row();
    points_.CopyRow(row, point);
    const std::size_t dimensions = points_.dimensions();
    double best = std::numeric_limits<double>::infinity();
    std::size_t nearest = 0;
    for (std::size_t c = 0; c < totals_.k(); ++c) {
      double sum = 0;
      for (std::size_t j = 0; j < dimensions; ++j) {
        const double difference = point[j] - centroids[c * dimensions + j];
        sum += difference * difference;
      }
      if (sum < best) {
        best = sum;
        nearest = c;
      }
    }
    return static_cast<Label>(nearest);
  }

  void TakeLabelsOf(std::size_t tile, const Label* labels, Worker* worker) {
    Label* current = labels_.data() + tile * kTileRows;
    std::uint64_t changed = first_ ? ~std::uint64_t{0} : DifferentLabels(labels, current);
    TakeQueued(worker);
    if (changed == 0) return;
    if (points_.RowsIn(tile) < kTileRows) changed &= (std::uint64_t{1} << points_.RowsIn(tile)) - 1;
    for (; changed != 0; changed &= changed - 1) {
      const auto r = static_cast<std::size_t>(__builtin_ctzll(changed));
      Queue(tile * kTileRows + r, current[r], labels[r], worker);
    }
    std::memcpy(current, labels, sizeof(Label) * kTileRows);
  }

  // Bit r is set where the labels of row r differ.
  static std::uint64_t DifferentLabels(const Label* a, const Label* b) {
    std::uint64_t bits = 0;
    for (std::size_t r = 0; r < kTileRows; r += 16) {
#if defined(__x86_64__)
      const auto equal = [&](std::size_t at) {
        return _mm_cmpeq_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a + at)),
                               _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + at)));
      };
      const auto same = static_cast<std::uint16_t>(_mm_movemask_epi8(_mm_packs_epi16(equal(r), equal(r + 8))));
      bits |= std::uint64_t{static_cast<std::uint16_t>(~same)} << r;
#else
      for (std::size_t i = r; i < r + 16; ++i) bits |= std::uint64_t{a[i] != b[i]} << i;
#endif
    }
    return bits;
  }

  // A row goes from one cluster to another. Reading it is put off until it has come near from memory.
  void Queue(std::size_t row, Label from, Label to, Worker* worker) {
    points_.Prefetch(row);
    worker->queue[worker->queued++] = {row, from, to};
  }

  void TakeQueued(Worker* worker) {
    for (std::size_t i = 0; i < worker->queued; ++i) {
      const Change& change = worker->queue[i];
      points_.CopyRow(change.row, worker->changes.row());
      const double weight = points_.Weight(change.row);
      if (first_) {
        worker->changes.Enter(change.to, weight);
      } else {
        worker->changes.Move(change.from, change.to, weight);
      }
    }
    worker->changed += worker->queued;
    worker->queued = 0;
  }

  // Takes from every row's slack what the centroids have moved, and lists the rows that have none left. False when they are so
  // many that whole tiles are faster.
  bool FindFailed(std::size_t first_tile, std::size_t end_tile, Worker* worker) {
    const std::size_t first = first_tile * kTileRows;
    const std::size_t rows = std::min(end_tile * kTileRows, points_.rows()) - first;
    std::uint32_t* failed = worker->failed.data();
    std::size_t count = 0;
    float* slack = slack_.data() + first;
    const Label* label = labels_.data() + first;
    const float* drops = drops_.data();
    for (std::size_t r = 0; r < rows; ++r) {
      // Rounded down: what is left is never more than there is.
      const float left = (slack[r] - drops[label[r]]) * (1 - 0x1p-22f);
      slack[r] = left;
      failed[count] = static_cast<std::uint32_t>(r);
      count += left > 0 ? 0 : 1;
    }
    worker->failed_count = count;
    return count <= rows / 2;
  }

  void AssignFailed(std::size_t first_tile, std::size_t end_tile, const std::vector<double>& centroids, Worker* worker,
                    const Interrupt& interrupt) {
    const FilterTiles& filter = *points_.filter();
    const std::size_t dimensions = points_.dimensions();
    const float radius = *std::max_element(filter.radius.begin() + static_cast<std::ptrdiff_t>(first_tile),
                                           filter.radius.begin() + static_cast<std::ptrdiff_t>(end_tile));
    const FilterBounds bounds = BoundsOf(dimensions, radius, filter_centroids_.radius);
    const std::uint32_t* failed = worker->failed.data();
    for (std::size_t at = 0; at < worker->failed_count; at += kTileRows) {
      interrupt.Poll();
      const std::size_t count = std::min(kTileRows, worker->failed_count - at);
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t row = failed[at + i];
        const float* from = filter.Tile(first_tile + row / kTileRows) + row % kTileRows;
        for (std::size_t j = 0; j < dimensions; ++j) worker->gathered[j * kTileRows + i] = from[j * kTileRows];
      }
      Label labels[kTileRows];
      float slack[kTileRows];
      const std::uint64_t unproven = kernel_(worker->gathered.data(), dimensions, filter_centroids_.values.data(), totals_.k(), bounds,
                                             labels, slack);
      TakeQueued(worker);
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t row = first_tile * kTileRows + failed[at + i];
        slack_[row] = slack[i];
        if ((unproven >> i & 1) != 0) labels[i] = NearestOf(row, centroids, worker);
        if (labels[i] == labels_[row]) continue;
        Queue(row, labels_[row], labels[i], worker);
        labels_[row] = labels[i];
      }
    }
  }

  const Points& points_;
  ClusterTotals totals_;
  Labels labels_;
  bool first_ = true;
  bool keeps_slack_;
  std::vector<float, CacheLineAllocator<float>> slack_;  // per row: below it, no centroid that moved can take the row away
  std::vector<float> drops_;
  FilterCentroids filter_centroids_;
  FilterKernel kernel_ = WidestFilter();
  std::vector<Worker> workers_;
};

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
  const std::size_t blocks = (points.tile_count() + kBlockTiles - 1) / kBlockTiles;
  team.ForEach(blocks, [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
    double high = 0;
    double low = 0;
    for (std::size_t tile = block * kBlockTiles; tile < std::min((block + 1) * kBlockTiles, points.tile_count()); ++tile) {
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
