// The innermost loops: squared Euclidean distances from the 64 rows of a tile to centroids.
//
// Always the direct sum of (x - c)^2 over the columns in their order, one row per SIMD lane: the result is the same bits at
// every vector width, and the same as a scalar loop gives. Shapes: tile is dimensions x 64 (column by column), centroids
// k x dimensions row-major. Only the first `rows` rows are asked for: what is written for others, if anything, means nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/tiles.h"

namespace segmentation {

// The nearest centroid of each row, ties to the lowest index, and its squared distance.
void NearestInTile(const double* tile, std::size_t dimensions, const double* centroids, std::size_t k, double* distance,
                   std::int32_t* label, std::size_t rows = kTileRows);

// The same and the squared distance of the runner-up (infinite when k = 1).
void NearestTwoInTile(const double* tile, std::size_t dimensions, const double* centroids, std::size_t k, double* distance,
                      std::int32_t* label, double* second, std::size_t rows = kTileRows);

// Squared distances of the rows to one point.
void DistanceInTile(const double* tile, std::size_t dimensions, const double* point, double* distance, std::size_t rows = kTileRows);

// The kernels at one vector width. Lanes: doubles in a register (2, 4 or 8).
struct TileKernels {
  int lanes;
  void (*nearest)(const double*, std::size_t, const double*, std::size_t, double*, std::int32_t*, std::size_t);
  void (*nearest_two)(const double*, std::size_t, const double*, std::size_t, double*, std::int32_t*, double*, std::size_t);
  void (*distance)(const double*, std::size_t, const double*, double*, std::size_t);
};

// Those that this machine can run, the narrowest first; the functions above use the last.
const std::vector<TileKernels>& UsableTileKernels();

}  // namespace segmentation
