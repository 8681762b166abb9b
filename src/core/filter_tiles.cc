#include "core/filter_tiles.h"

#include <algorithm>
#include <cmath>

#include "core/exact_sum.h"

namespace segmentation {

FilterTiles::FilterTiles(std::size_t tiles, const std::vector<double>& low, const std::vector<double>& high, std::size_t most_plain_bytes)
    : center_(low.size()), radius_(tiles) {
  double reach = 0;
  for (std::size_t j = 0; j < low.size(); ++j) {
    center_[j] = low[j] / 2 + high[j] / 2;
    reach = std::max({reach, high[j] - center_[j], center_[j] - low[j]});
  }
  // Where all rows are equal, or too far apart for a double, the filter decides nothing.
  const bool decides = reach > 0 && std::isfinite(reach);
  scale_ = decides ? SumUnit(reach).down() : 1;
  if (decides && tiles * TileSize() * sizeof(float) > most_plain_bytes) {
    whole_.resize(tiles * TileSize());
    grids_.resize(tiles * 2 * dimensions());
    error_.resize(tiles);
  } else {
    values_.resize(tiles * TileSize());
  }
}

void FilterTiles::Set(std::size_t tile, const double* values, std::size_t rows, float* buffer) {
  float* to = packed() ? buffer : values_.data() + tile * TileSize();
  double square[kTileRows] = {};
  for (std::size_t j = 0; j < dimensions(); ++j) {
    const double center = center_[j];
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const double value = (values[j * kTileRows + r] - center) * scale_;
      to[j * kTileRows + r] = static_cast<float>(value);
      square[r] += value * value;
    }
  }
  const double largest = *std::max_element(square, square + rows);
  radius_[tile] = static_cast<float>(std::sqrt(largest) * (1 + 0x1p-20));
  if (!packed()) return;
  // What fills up the last tile would take its place in the range of a column.
  for (std::size_t j = 0; j < dimensions(); ++j) std::fill_n(to + j * kTileRows + rows, kTileRows - rows, to[j * kTileRows]);
  float* middle = grids_.data() + tile * 2 * dimensions();
  error_[tile] = WidestFilter().pack(to, dimensions(), {whole_.data() + tile * TileSize(), middle, middle + dimensions()});
}

const float* FilterTiles::Tile(std::size_t tile, float* buffer) const {
  if (!packed()) return values_.data() + tile * TileSize();
  WidestFilter().unpack(whole_.data() + tile * TileSize(), Grids(tile), Grids(tile) + dimensions(), dimensions(), buffer);
  return buffer;
}

void FilterTiles::CopyRow(std::size_t row, float* to) const {
  const std::size_t tile = row / kTileRows;
  const std::size_t first = tile * TileSize() + row % kTileRows;
  if (!packed()) {
    for (std::size_t j = 0; j < dimensions(); ++j) to[j * kTileRows] = values_[first + j * kTileRows];
    return;
  }
  const float* middle = Grids(tile);
  const float* step = middle + dimensions();
  for (std::size_t j = 0; j < dimensions(); ++j) to[j * kTileRows] = middle[j] + step[j] * whole_[first + j * kTileRows];
}

}  // namespace segmentation
