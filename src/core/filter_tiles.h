// Single-precision copies of points: what the nearest centroid is looked up in first (filter_tile.h).
//
// Large ones are packed in 16 bits, which halves their memory and costs a tenth of an iteration: value = middle + step * whole number,
// middle and step per tile and column, so that a far row costs precision in its own tile only. How far the copies of a tile lie from
// its rows is measured while they are made, and taken from what the filter may call proven.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/filter_tile.h"
#include "core/tiles.h"

namespace segmentation {

class FilterTiles {
 public:
  // Copies of more bytes are packed.
  static constexpr std::size_t kMostPlainBytes = 64'000'000;

  FilterTiles() = default;
  // Room for copies of points within [low, high], per column.
  FilterTiles(std::size_t tiles, const std::vector<double>& low, const std::vector<double>& high, std::size_t most_plain_bytes);

  bool empty() const { return radius_.empty(); }
  bool packed() const { return !whole_.empty(); }
  std::size_t dimensions() const { return center_.size(); }

  // Copies are (value - center) * scale, per column, which no coordinate takes above 1. The scale is a power of two.
  const std::vector<double>& center() const { return center_; }
  double scale() const { return scale_; }

  // Makes the copy of a tile of `rows` rows: coordinate j of row r is at [j * kTileRows + r]. buffer: dimensions * kTileRows floats.
  void Set(std::size_t tile, const double* values, std::size_t rows, float* buffer);

  // The copy, laid out in the same way; what fills up the last tile means nothing. `buffer`, of the same size, may be used for it.
  const float* Tile(std::size_t tile, float* buffer) const;
  // One row of it, to[j * kTileRows].
  void CopyRow(std::size_t row, float* to) const;

  // The largest length of a row of the tile, rounded up, and how far at most a row lies from its copy, but for the rounding of
  // numbers to single precision, which BoundsOf knows of.
  float radius(std::size_t tile) const { return radius_[tile]; }
  float error(std::size_t tile) const { return packed() ? error_[tile] : 0; }

 private:
  template <typename T>
  using Aligned = std::vector<T, CacheLineAllocator<T>>;

  std::size_t TileSize() const { return kTileRows * dimensions(); }
  const float* Grids(std::size_t tile) const { return grids_.data() + tile * 2 * dimensions(); }

  std::vector<double> center_;
  double scale_ = 1;
  std::vector<float> radius_;
  Aligned<float> values_;        // where not packed
  Aligned<std::int16_t> whole_;  // where packed: the whole numbers,
  Aligned<float> grids_;         // per tile the middle of each column, then the step of each,
  std::vector<float> error_;     // and per tile how far they are off
};

}  // namespace segmentation
