#include "core/assignment.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/distance_tile.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace segmentation {

void FilterCentroids::Set(const FilterTiles& filter, const std::vector<double>& centroids) {
  values.resize(centroids.size());
  const std::size_t dimensions = filter.dimensions();
  double largest = 0;
  for (std::size_t c = 0; c < centroids.size(); c += dimensions) {
    double square = 0;
    for (std::size_t j = 0; j < dimensions; ++j) {
      const double value = (centroids[c + j] - filter.center()[j]) * filter.scale();
      values[c + j] = static_cast<float>(value);
      square += value * value;
    }
    largest = std::max(largest, square);
  }
  radius = static_cast<float>(std::sqrt(largest) * (1 + 0x1p-20));
}

Assignment::Assignment(const Points& points, std::size_t k, const ThreadTeam& team)
    : points_(points),
      totals_(points, k),
      labels_(points.tile_count() * kTileRows),
      keeps_slack_(points.filter() != nullptr && BoundsPay(points.rows(), k, points.dimensions())),
      slack_(keeps_slack_ ? points.tile_count() * kTileRows : 0) {
  workers_.reserve(team.size());
  for (std::size_t worker = 0; worker < team.size(); ++worker) workers_.emplace_back(&totals_, points, keeps_slack_);
}

bool Assignment::Restart(const Points& points, std::size_t k, const ThreadTeam& team) {
  if (&points != &points_ || k != totals_.k() || team.size() > workers_.size()) return false;
  totals_.Clear();
  labels_.resize(points_.tile_count() * kTileRows);
  first_ = true;
  return true;
}

std::size_t Assignment::Assign(const std::vector<double>& centroids, const std::vector<double>& moved, ThreadTeam& team) {
  if (points_.filter() != nullptr) filter_centroids_.Set(*points_.filter(), centroids);
  if (keeps_slack_ && !first_) SetDrops(moved);
  for (Worker& worker : workers_) worker.changed = 0;
  team.ForEach(points_.block_count(), [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
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

void Assignment::MoveRow(std::size_t row, std::size_t to) {
  ClusterTotals::Changes& changes = workers_[0].changes;
  changes.Move(row, labels_[row], to);
  changes.Flush();
  labels_[row] = static_cast<Label>(to);
  if (keeps_slack_) slack_[row] = 0;
}

void Assignment::SetDrops(const std::vector<double>& moved) {
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
    const double drop = (moved[c] + (c == farthest ? next : moved[farthest])) * points_.filter()->scale();
    drops_[c] = static_cast<float>(drop * (1 + 0x1p-20));
  }
}

void Assignment::AssignBlock(std::size_t block, const std::vector<double>& centroids, Worker* worker, const Interrupt& interrupt) {
  const std::size_t first = block * kBlockTiles;
  const std::size_t end = points_.BlockEnd(block);
  if (points_.filter() == nullptr) {
    for (std::size_t tile = first; tile < end; ++tile) AssignTilePlainly(tile, centroids, worker, interrupt);
  } else if (keeps_slack_ && !first_ && FindFailed(first, end, worker)) {
    AssignFailed(first, centroids, worker, interrupt);
  } else {
    for (std::size_t tile = first; tile < end; ++tile) AssignTile(tile, centroids, worker, interrupt);
  }
  TakeQueued(worker);
}

void Assignment::AssignTilePlainly(std::size_t tile, const std::vector<double>& centroids, Worker* worker, const Interrupt& interrupt) {
  interrupt.Poll();
  double distance[kTileRows];
  std::int32_t nearest[kTileRows];
  NearestInTile(points_.Tile(tile, worker->tile.data()), points_.dimensions(), centroids.data(), totals_.k(), distance, nearest);
  Label labels[kTileRows];
  for (std::size_t r = 0; r < kTileRows; ++r) labels[r] = static_cast<Label>(nearest[r]);
  TakeLabelsOf(tile, labels, worker);
}

void Assignment::AssignTile(std::size_t tile, const std::vector<double>& centroids, Worker* worker, const Interrupt& interrupt) {
  interrupt.Poll();
  const FilterTiles& filter = *points_.filter();
  Label labels[kTileRows];
  float slack_here[kTileRows];
  float* slack = keeps_slack_ ? slack_.data() + tile * kTileRows : slack_here;
  std::uint64_t unproven =
      kernel_(filter.Tile(tile, worker->copies.data()), points_.dimensions(), filter_centroids_.values.data(), totals_.k(),
              BoundsOf(points_.dimensions(), filter.radius(tile), filter_centroids_.radius, filter.error(tile)), labels, slack);
  if (points_.RowsIn(tile) < kTileRows) unproven &= (std::uint64_t{1} << points_.RowsIn(tile)) - 1;
  constexpr int kTooMany = 16;  // from here on the whole tile is as fast
  if (__builtin_popcountll(unproven) > kTooMany) return AssignTilePlainly(tile, centroids, worker, interrupt);
  for (; unproven != 0; unproven &= unproven - 1) {
    const auto r = static_cast<std::size_t>(__builtin_ctzll(unproven));
    labels[r] = NearestOf(tile * kTileRows + r, centroids, worker);
  }
  TakeLabelsOf(tile, labels, worker);
}

Label Assignment::NearestOf(std::size_t row, const std::vector<double>& centroids, Worker* worker) {
  double* point = worker->row.data();
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

void Assignment::TakeLabelsOf(std::size_t tile, const Label* labels, Worker* worker) {
  Label* current = labels_.data() + tile * kTileRows;
  if (first_) {
    worker->changes.EnterTile(tile, labels);
    worker->changed += points_.RowsIn(tile);
    std::memcpy(current, labels, sizeof(Label) * kTileRows);
    return;
  }
  std::uint64_t changed = DifferentLabels(labels, current);
  TakeQueued(worker);
  if (changed == 0) return;
  if (points_.RowsIn(tile) < kTileRows) changed &= (std::uint64_t{1} << points_.RowsIn(tile)) - 1;
  for (; changed != 0; changed &= changed - 1) {
    const auto r = static_cast<std::size_t>(__builtin_ctzll(changed));
    Queue(tile * kTileRows + r, current[r], labels[r], worker);
  }
  std::memcpy(current, labels, sizeof(Label) * kTileRows);
}

std::uint64_t Assignment::DifferentLabels(const Label* a, const Label* b) {
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

void Assignment::Queue(std::size_t row, Label from, Label to, Worker* worker) {
  points_.Prefetch(row);
  worker->queue[worker->queued++] = {row, from, to};
}

void Assignment::TakeQueued(Worker* worker) {
  for (std::size_t i = 0; i < worker->queued; ++i) {
    const Change& change = worker->queue[i];
    worker->changes.Move(change.row, change.from, change.to);
  }
  worker->changed += worker->queued;
  worker->queued = 0;
}

bool Assignment::FindFailed(std::size_t first_tile, std::size_t end_tile, Worker* worker) {
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
  return count <= rows / 4;
}

void Assignment::AssignFailed(std::size_t first_tile, const std::vector<double>& centroids, Worker* worker, const Interrupt& interrupt) {
  const FilterTiles& filter = *points_.filter();
  const std::size_t dimensions = points_.dimensions();
  const std::uint32_t* failed = worker->failed.data();
  for (std::size_t at = 0; at < worker->failed_count; at += kTileRows) {
    interrupt.Poll();
    const std::size_t count = std::min(kTileRows, worker->failed_count - at);
    float radius = 0;
    float error = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = first_tile * kTileRows + failed[at + i];
      filter.CopyRow(row, worker->copies.data() + i);
      radius = std::max(radius, filter.radius(row / kTileRows));
      error = std::max(error, filter.error(row / kTileRows));
    }
    Label labels[kTileRows];
    float slack[kTileRows];
    const std::uint64_t unproven =
        kernel_(worker->copies.data(), dimensions, filter_centroids_.values.data(), totals_.k(),
                BoundsOf(dimensions, radius, filter_centroids_.radius, error), labels, slack);
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

}  // namespace segmentation
