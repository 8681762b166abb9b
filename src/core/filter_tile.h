// The nearest centroid of the 64 rows of a tile in single precision, with proof.
//
// Training spends its time on finding nearest centroids, and single precision does it at twice the width and from half the memory.
// A row whose nearest and second nearest centroid are farther apart than all rounding together has its label, and it is the one
// that double precision would give, bit for bit; the few others are looked at again in double precision (lloyd.cc). So the
// kernels may differ in their last bits from one machine to another (fused multiply-add or not) without changing a result.
//
// Error bound: with u = 2^-24, a coordinate (at most its row's length in magnitude) is rounded by u of itself, and so is a
// centroid's; the distance of the rounded points differs from the true one by at most u (|x| + |c|), and the computed sum of d
// squares by a factor of 1 +- (d + 3) u. Where a copy of a row is farther from it than rounding takes it, that much comes on top.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/tiles.h"

namespace segmentation {

using Label = std::uint16_t;

struct FilterBounds {
  float relative = 0;  // of each distance
  float absolute = 0;  // of the difference of two
};

// radius: the largest length of a row of the tile, centroid_radius: of a centroid, error: how far a row may lie from its copy besides
// rounding; all in the filter's space.
FilterBounds BoundsOf(std::size_t dimensions, float radius, float centroid_radius, float error);

// tile: dimensions x 64, column by column. centroids: k x dimensions, row-major. Writes for each row the label and its slack:
// by how much the second nearest centroid is farther than the nearest, less the bounds. Returns a bit for every row whose slack
// is not positive: its label is not proven.
using FilterKernel = std::uint64_t (*)(const float* tile, std::size_t dimensions, const float* centroids, std::size_t k,
                                       FilterBounds bounds, Label* labels, float* slack);

// A tile in 16 bits: a coordinate is middle + step * whole number (a product, then a sum, so that it has the same bits everywhere).
struct PackedTile {
  std::int16_t* whole;  // dimensions x 64
  float* middle;        // per column
  float* step;          // per column, not negative
};

// Packs a tile of finite numbers. Returns the largest distance of a row from its copy, rounded up.
using PackKernel = float (*)(const float* tile, std::size_t dimensions, const PackedTile& to);
using UnpackKernel = void (*)(const std::int16_t* whole, const float* middle, const float* step, std::size_t dimensions, float* tile);

struct FilterVariant {
  int lanes;  // floats in a register
  FilterKernel kernel;
  PackKernel pack;
  UnpackKernel unpack;
};

// Those that this machine can run, the narrowest first.
const std::vector<FilterVariant>& UsableFilters();

// The widest of them.
const FilterVariant& WidestFilter();

}  // namespace segmentation
