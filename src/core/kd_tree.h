// The nearest rows of a set of different rows, by a balanced kd-tree (Friedman, Bentley & Finkel 1977).
//
// Distances are the direct sums of (x - y)^2 over the columns in their order. The bound of a box is summed in the same order, and
// rounding never turns around which of two numbers is larger, so no box is passed over that holds a row as near as the bound,
// not even where distances are equal. Halves differ by less than a tile in size whatever the rows are: a search goes as deep as the
// logarithm of their number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/interrupt.h"
#include "core/threads.h"
#include "core/tiles.h"

namespace segmentation {

// A row at a squared distance; of two at the same one, that with the lower number is nearer.
struct Neighbor {
  double square = std::numeric_limits<double>::infinity();
  std::uint32_t row = std::numeric_limits<std::uint32_t>::max();

  friend bool operator<(const Neighbor& a, const Neighbor& b) { return a.square < b.square || (a.square == b.square && a.row < b.row); }
};

// The nearest rows met so far, where each row stands for `counts` equal ones: as few as are `wanted` in all. Keeps its memory
// from one search to the next.
class NearestRows {
 public:
  explicit NearestRows(const std::vector<std::uint32_t>& counts) : counts_(counts) {}

  // Begins a search for the neighbours of one of the `row`s: it is not a neighbour of itself. There are as many as wanted.
  void Begin(std::uint32_t row, std::uint64_t wanted);
  bool Wants(const Neighbor& neighbor) const { return neighbor < farthest_; }
  void Offer(const Neighbor& neighbor);
  // How often the row is among the neighbours, if all that it stands for are.
  std::uint64_t Count(std::uint32_t row) const { return counts_[row] - (row == self_ ? 1 : 0); }
  // The nearest first. Ends the search.
  const std::vector<Neighbor>& Sorted();

 private:
  const std::vector<std::uint32_t>& counts_;
  std::uint32_t self_ = 0;
  std::uint64_t wanted_ = 0;
  std::uint64_t found_ = 0;
  Neighbor farthest_;  // that what is wanted has to be nearer than
  std::vector<Neighbor> heap_;
};

class KdTree {
 public:
  // rows: row-major, finite; fewer than 2^32 - 1. They have to outlive the tree.
  KdTree(const std::vector<double>& rows, std::size_t dimensions, ThreadTeam& team);

  // Rows that lie together, for a team to share: row_in(tile, i) for i < rows_in(tile).
  std::size_t tile_count() const { return tiles_.tile_count(); }
  std::size_t rows_in(std::size_t tile) const { return tiles_.RowsIn(tile); }
  std::uint32_t row_in(std::size_t tile, std::size_t i) const { return order_[tile * kTileRows + i]; }

  // Offers every row that may be wanted.
  void Search(const double* point, NearestRows* nearest, const Interrupt& interrupt) const;

 private:
  // The tiles from `first` up to `last`. The left half's node follows its parent's, and the right half's all of the left half's.
  struct Part {
    std::size_t node;
    std::size_t first;
    std::size_t last;

    bool IsLeaf() const { return last - first == 1; }
    std::size_t Middle() const { return first + (last - first) / 2; }
    Part Left() const { return {node + 1, first, Middle()}; }
    Part Right() const { return {node + 2 * (Middle() - first), Middle(), last}; }
  };

  Part Root() const { return {0, 0, tile_count()}; }
  void Bound(const std::vector<double>& rows, const Part& part, const Interrupt& interrupt);
  void Split(const std::vector<double>& rows, const Part& part, const Interrupt& interrupt);
  void FillTile(const std::vector<double>& rows, std::size_t tile);
  // The nearest that a row in the part can be.
  Neighbor Bound(const Part& part, const double* point) const;
  void SearchIn(const Part& part, const double* point, NearestRows* nearest, const Interrupt& interrupt) const;

  std::size_t dimensions_;
  Tiles tiles_;
  std::vector<std::uint32_t> order_;      // the rows as they lie in the tiles
  std::vector<double> boxes_;             // of each node, d minima and d maxima
  std::vector<std::uint32_t> first_rows_; // of each node, the lowest number of a row
};

}  // namespace segmentation
