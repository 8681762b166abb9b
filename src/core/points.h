// The points of a training in model space, as the algorithms read them: in tiles made for it, or raw rows that stay where they
// are and are scaled whenever they are read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/exact_sum.h"
#include "core/filter_tiles.h"
#include "core/row_kernels.h"
#include "core/rows.h"
#include "core/threads.h"
#include "core/tiles.h"

namespace segmentation {

class Points {
 public:
  explicit Points(Tiles tiles);
  // Rows in place: they have to outlive the object. Without cells.
  explicit Points(const RowSet& rows);

  std::size_t rows() const { return rows_; }
  std::size_t dimensions() const { return dimensions_; }
  bool weighted() const { return weighted_; }
  bool in_place() const { return !starts_.empty(); }
  std::size_t tile_count() const { return (rows_ + kTileRows - 1) / kTileRows; }
  std::size_t RowsIn(std::size_t tile) const { return tile + 1 < tile_count() ? kTileRows : rows_ - tile * kTileRows; }
  // Blocks of kBlockTiles tiles, for a team; the tiles of one end before BlockEnd.
  std::size_t block_count() const { return (tile_count() + kBlockTiles - 1) / kBlockTiles; }
  std::size_t BlockEnd(std::size_t block) const { return std::min((block + 1) * kBlockTiles, tile_count()); }
  // Only where not in place.
  const Tiles& tiles() const { return tiles_; }
  Tiles& tiles() { return tiles_; }

  // The tile column by column, rows beyond the last 0. `buffer` has room for dimensions * kTileRows doubles and may be used.
  const double* Tile(std::size_t tile, double* buffer) const;
  // The same tile row by row, and one row, as they lie in memory: their values are what scaling() makes of that. `buffer` has room
  // for dimensions * kTileRows doubles (for one row, dimensions), but where points are in place it is not used.
  RowsInMemory Rows(std::size_t tile, double* buffer) const;
  const char* Row(std::size_t row, double* buffer) const {
    if (in_place()) return RawRow(row);
    tiles_.CopyRow(row, buffer);
    return reinterpret_cast<const char*>(buffer);
  }
  RowScaling scaling() const { return scaled_ ? RowScaling{offset_.data(), scale_.data()} : RowScaling{}; }
  // kTileRows weights, those of rows beyond the last 0. `buffer` has room for kTileRows doubles and may be used.
  const double* Weights(std::size_t tile, double* buffer) const;
  void CopyRow(std::size_t row, double* to) const {
    if (!in_place()) return tiles_.CopyRow(row, to);
    const char* from = RawRow(row);
    for (std::size_t j = 0; j < dimensions_; ++j) std::memcpy(to + j, from + j * sizeof(double), sizeof(double));
    if (!scaled_) return;
    for (std::size_t j = 0; j < dimensions_; ++j) to[j] = (to[j] - offset_[j]) / scale_[j];
  }
  // Says that a row will be read soon. GCC takes a function that does no more for one without effects, and leaves out calls of it that
  // are not inlined.
  __attribute__((always_inline)) void Prefetch(std::size_t row) const {
    if (!in_place()) return;
    const char* from = RawRow(row);
    __builtin_prefetch(from);
    __builtin_prefetch(from + RowBytes() - 1);  // rows may begin anywhere in a cache line
  }
  double Weight(std::size_t row) const {
    if (!in_place()) return tiles_.Weight(row);
    if (!weighted_) return 1;
    double weight;
    std::memcpy(&weight, RawRow(row) + dimensions_ * sizeof(double), sizeof weight);
    return weight;
  }

  // Takes all points to (x - offset) / scale, column by column.
  void Scale(const std::vector<double>& offset, const std::vector<double>& scale, ThreadTeam& team);

  // Smallest and largest coordinates, and the largest weight. What follows needs them; FindBounds looks for them.
  void FindBounds(ThreadTeam& team);
  const std::vector<double>& low() const { return low_; }
  const std::vector<double>& high() const { return high_; }
  double largest_weight() const { return largest_weight_; }
  // Units for sums of weight * coordinate, and of weights.
  SumUnit UnitOf(std::size_t column) const;
  SumUnit WeightUnit() const { return SumUnit(largest_weight_); }

  // Makes the single-precision copies; packed, if they took more bytes than that.
  void BuildFilter(ThreadTeam& team, std::size_t most_plain_bytes = FilterTiles::kMostPlainBytes);
  const FilterTiles* filter() const { return filter_.empty() ? nullptr : &filter_; }

 private:
  std::size_t RowBytes() const { return (dimensions_ + (weighted_ ? 1 : 0)) * sizeof(double); }
  const char* RawRow(std::size_t row) const { return starts_[row / kTileRows] + row % kTileRows * RowBytes(); }

  std::size_t rows_;
  std::size_t dimensions_;
  bool weighted_;
  Tiles tiles_;
  // Rows in place: where the rows of each tile start; those of a tile that spans blocks are copied.
  std::vector<const char*> starts_;
  std::vector<std::vector<char>> copied_;
  bool scaled_ = false;
  std::vector<double> offset_;
  std::vector<double> scale_;
  std::vector<double> low_;
  std::vector<double> high_;
  double largest_weight_ = 1;
  FilterTiles filter_;
};

}  // namespace segmentation
