// Drawing rows by their share of the inertia (D^2 sampling).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/interrupt.h"
#include "core/reduce.h"
#include "core/tiles.h"

namespace segmentation {

// Draws rows with probability proportional to weight * squared distance to the nearest centroid, which the caller keeps.
class MassSampler {
 public:
  explicit MassSampler(const Tiles& points) : points_(points), nearest_(points.tile_count() * kTileRows, 1.0) {}

  double* Nearest(std::size_t tile) { return nearest_.data() + tile * kTileRows; }
  const double* Nearest(std::size_t tile) const { return nearest_.data() + tile * kTileRows; }

  // Sums the masses (weight * nearest squared distance) of every block.
  void Refresh(const Interrupt& interrupt) {
    block_mass_.clear();
    total_ = 0;
    for (std::size_t first = 0; first < points_.tile_count(); first += kBlockTiles) {
      interrupt.Poll();
      double mass = 0;
      for (std::size_t tile = first; tile < std::min(first + kBlockTiles, points_.tile_count()); ++tile) {
        mass += TileMass(tile);
      }
      block_mass_.push_back(mass);
      total_ += mass;
    }
  }
  double total() const { return total_; }

  // The row at which the running sum of the masses passes fraction * total.
  std::size_t Draw(double fraction) const {
    double left = fraction * total_;
    std::size_t block = 0;
    while (block + 1 < block_mass_.size() && left >= block_mass_[block]) left -= block_mass_[block++];
    std::size_t last_with_mass = 0;
    const std::size_t end = std::min((block + 1) * kBlockRows, points_.rows());
    for (std::size_t row = block * kBlockRows; row < end; ++row) {
      const double mass = points_.Weight(row) * nearest_[row];
      if (mass <= 0) continue;
      if (left < mass) return row;
      left -= mass;
      last_with_mass = row;
    }
    return last_with_mass;  // rounding carried us past the end
  }

 private:
  double TileMass(std::size_t tile) const {
    double mass[kTileRows];
    const double* weights = points_.Weights(tile);
    const std::size_t width = FoldWidth(points_.RowsIn(tile));
    for (std::size_t r = 0; r < width; ++r) mass[r] = Weighted(weights[r], Nearest(tile)[r]);
    return FoldTile(mass, width);
  }

  const Tiles& points_;
  AlignedDoubles nearest_;  // squared distance to the nearest centroid so far; 1 before the first
  std::vector<double> block_mass_;
  double total_ = 0;
};

}  // namespace segmentation
