#include "core/kd_tree.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/distance_tile.h"

namespace segmentation {

// ---- the nearest so far ----------------------------------------------------------------------------------------------

void NearestRows::Begin(std::uint32_t row, std::uint64_t wanted) {
  self_ = row;
  wanted_ = wanted;
  found_ = 0;
  farthest_ = {};
  heap_.clear();
}

void NearestRows::Offer(const Neighbor& neighbor) {
  const std::uint64_t count = Count(neighbor.row);
  if (count == 0) return;
  heap_.push_back(neighbor);
  std::push_heap(heap_.begin(), heap_.end());
  found_ += count;
  while (found_ - Count(heap_.front().row) >= wanted_) {
    found_ -= Count(heap_.front().row);
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
  }
  if (found_ >= wanted_) farthest_ = heap_.front();
}

const std::vector<Neighbor>& NearestRows::Sorted() {
  std::sort_heap(heap_.begin(), heap_.end());
  return heap_;
}

// ---- the tree --------------------------------------------------------------------------------------------------------

KdTree::KdTree(const std::vector<double>& rows, std::size_t dimensions, ThreadTeam& team)
    : dimensions_(dimensions),
      tiles_(rows.size() / dimensions, dimensions, false),
      order_(tiles_.rows()),
      boxes_(2 * dimensions * (2 * tiles_.tile_count())),
      first_rows_(2 * tiles_.tile_count()) {
  std::iota(order_.begin(), order_.end(), 0u);
  // Level by level, so that the team can share each one.
  std::vector<Part> level = {Root()};
  while (!level.empty()) {
    team.ForEach(level.size(), [&](std::size_t item, std::size_t, const Interrupt& interrupt) {
      Bound(rows, level[item], interrupt);
      if (level[item].IsLeaf()) {
        FillTile(rows, level[item].first);
      } else {
        Split(rows, level[item], interrupt);
      }
    });
    std::vector<Part> next;
    for (const Part& part : level) {
      if (part.IsLeaf()) continue;
      next.push_back(part.Left());
      next.push_back(part.Right());
    }
    level = std::move(next);
  }
}

void KdTree::Bound(const std::vector<double>& rows, const Part& part, const Interrupt& interrupt) {
  double* const low = boxes_.data() + part.node * 2 * dimensions_;
  double* const high = low + dimensions_;
  const std::size_t end = std::min(part.last * kTileRows, order_.size());
  const double* row = rows.data() + order_[part.first * kTileRows] * dimensions_;
  std::copy_n(row, dimensions_, low);
  std::copy_n(row, dimensions_, high);
  std::uint32_t first = order_[part.first * kTileRows];
  for (std::size_t i = part.first * kTileRows; i < end; ++i) {
    interrupt.Poll();
    first = std::min(first, order_[i]);
    row = rows.data() + order_[i] * dimensions_;
    for (std::size_t j = 0; j < dimensions_; ++j) {
      low[j] = std::min(low[j], row[j]);
      high[j] = std::max(high[j], row[j]);
    }
  }
  first_rows_[part.node] = first;
}

// Halves the part across the column that spreads most.
void KdTree::Split(const std::vector<double>& rows, const Part& part, const Interrupt& interrupt) {
  const double* const low = boxes_.data() + part.node * 2 * dimensions_;
  const double* const high = low + dimensions_;
  std::size_t widest = 0;
  for (std::size_t j = 1; j < dimensions_; ++j) {
    if (high[j] - low[j] > high[widest] - low[widest]) widest = j;
  }
  const std::size_t begin = part.first * kTileRows;
  const std::size_t end = std::min(part.last * kTileRows, order_.size());
  using Key = std::pair<double, std::uint32_t>;
  std::vector<Key> keys(end - begin);
  for (std::size_t i = begin; i < end; ++i) {
    interrupt.Poll();
    keys[i - begin] = {rows[order_[i] * dimensions_ + widest], order_[i]};
  }
  std::nth_element(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(part.Middle() * kTileRows - begin), keys.end(),
                   [&interrupt](const Key& a, const Key& b) {
                     interrupt.Poll();
                     return a < b;
                   });
  for (std::size_t i = begin; i < end; ++i) order_[i] = keys[i - begin].second;
}

void KdTree::FillTile(const std::vector<double>& rows, std::size_t tile) {
  double* to = tiles_.Tile(tile);
  for (std::size_t i = 0; i < tiles_.RowsIn(tile); ++i) {
    const double* row = rows.data() + row_in(tile, i) * dimensions_;
    for (std::size_t j = 0; j < dimensions_; ++j) to[j * kTileRows + i] = row[j];
  }
}

// ---- searching -------------------------------------------------------------------------------------------------------

Neighbor KdTree::Bound(const Part& part, const double* point) const {
  const double* const low = boxes_.data() + part.node * 2 * dimensions_;
  const double* const high = low + dimensions_;
  double square = 0;
  for (std::size_t j = 0; j < dimensions_; ++j) {
    const double outside = std::max(std::max(low[j] - point[j], point[j] - high[j]), 0.0);
    square += outside * outside;
  }
  return {square, first_rows_[part.node]};
}

void KdTree::SearchIn(const Part& part, const double* point, NearestRows* nearest, const Interrupt& interrupt) const {
  if (part.IsLeaf()) {
    interrupt.Poll();
    double squares[kTileRows];
    const std::size_t rows = tiles_.RowsIn(part.first);
    DistanceInTile(tiles_.Tile(part.first), dimensions_, point, squares, rows);
    for (std::size_t i = 0; i < rows; ++i) {
      const Neighbor neighbor = {squares[i], row_in(part.first, i)};
      if (nearest->Wants(neighbor)) nearest->Offer(neighbor);
    }
    return;
  }
  Part near = part.Left();
  Part far = part.Right();
  Neighbor near_bound = Bound(near, point);
  Neighbor far_bound = Bound(far, point);
  if (far_bound < near_bound) {
    std::swap(near, far);
    std::swap(near_bound, far_bound);
  }
  if (nearest->Wants(near_bound)) SearchIn(near, point, nearest, interrupt);
  if (nearest->Wants(far_bound)) SearchIn(far, point, nearest, interrupt);
}

void KdTree::Search(const double* point, NearestRows* nearest, const Interrupt& interrupt) const {
  SearchIn(Root(), point, nearest, interrupt);
}

}  // namespace segmentation
