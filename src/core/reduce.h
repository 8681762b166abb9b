// Sums whose rounding does not depend on who computes them: partial sums of equal blocks, added up in a fixed binary tree.
#pragma once

#include <cstddef>
#include <vector>

#include "core/interrupt.h"
#include "core/tiles.h"

namespace segmentation {

// Adds up vectors of `width` doubles that arrive in order, as a binary counter does: two sums of 2^i blocks make one of
// 2^(i+1). The shape of the tree depends on the number of blocks alone, and the error grows with its logarithm.
class TreeSum {
 public:
  explicit TreeSum(std::size_t width) : width_(width) {}

  // Takes the next block's sum.
  void Add(const double* block) {
    carry_.assign(block, block + width_);
    std::size_t level = 0;
    for (; (count_ >> level) & 1; ++level) {
      const std::vector<double>& earlier = levels_[level];
      for (std::size_t i = 0; i < width_; ++i) carry_[i] = earlier[i] + carry_[i];
    }
    if (level == levels_.size()) levels_.emplace_back();
    levels_[level].swap(carry_);
    ++count_;
  }

  // The sum of all blocks so far, the latest first. `width` doubles.
  std::vector<double> Total() const {
    std::vector<double> total(width_, 0.0);
    for (std::size_t level = 0; level < levels_.size(); ++level) {
      if (((count_ >> level) & 1) == 0) continue;
      for (std::size_t i = 0; i < width_; ++i) total[i] = levels_[level][i] + total[i];
    }
    return total;
  }

 private:
  std::size_t width_;
  std::size_t count_ = 0;
  std::vector<std::vector<double>> levels_;
  std::vector<double> carry_;
};

// A row's share of a weighted sum. The rows that fill up the last tile weigh nothing, but lie at the origin, which may be so far
// from the others that their value is infinite: 0 * infinity would not be 0.
inline double Weighted(double weight, double value) {
  const double product = weight * value;
  return weight > 0 ? product : 0;
}

// How many values of a tile with so many rows FoldTile looks at: the next power of two.
inline std::size_t FoldWidth(std::size_t rows) {
  std::size_t width = kTileRows;
  while (width / 2 >= rows && width > 1) width /= 2;
  return width;
}

// The sum of a tile's 64 values by halving; the values are overwritten. width: FoldWidth of the rows where the values of others
// are 0, which gives the same bits as all 64.
inline double FoldTile(double* values, std::size_t width = kTileRows) {
  for (std::size_t half = width / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) values[i] += values[i + half];
  }
  return values[0];
}

// Sums `width` quantities over all tiles in the fixed order. add(tile, sums) adds the tile's share to its block's sums.
template <typename AddTile>
std::vector<double> SumOverTiles(std::size_t tile_count, std::size_t width, const Interrupt& interrupt, AddTile add) {
  std::vector<double> block(width);
  if (tile_count <= kBlockTiles) {  // few rows: one block is the whole tree
    for (std::size_t tile = 0; tile < tile_count; ++tile) {
      interrupt.Poll();
      add(tile, block.data());
    }
    return block;
  }
  TreeSum tree(width);
  for (std::size_t first = 0; first < tile_count; first += kBlockTiles) {
    block.assign(width, 0.0);
    const std::size_t end = first + kBlockTiles < tile_count ? first + kBlockTiles : tile_count;
    for (std::size_t tile = first; tile < end; ++tile) {
      interrupt.Poll();
      add(tile, block.data());
    }
    tree.Add(block.data());
  }
  return tree.Total();
}

}  // namespace segmentation
