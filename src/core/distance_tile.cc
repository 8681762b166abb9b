#include "core/distance_tile.h"

#include <limits>

#include "core/simd.h"

namespace segmentation {
namespace {

// Distances of kRegisters * kLanes rows to one centroid, left in registers.
template <int kLanes, int kRegisters>
SEGMENTATION_INLINE void Accumulate(const double* rows, std::size_t dimensions, const double* centroid,
                                    typename Simd<kLanes>::Real (&sum)[kRegisters]) {
  using Real = typename Simd<kLanes>::Real;
#pragma GCC unroll 8
  for (int g = 0; g < kRegisters; ++g) sum[g] = Real{};
  for (std::size_t j = 0; j < dimensions; ++j) {
    const double* column = rows + j * kTileRows;
    const double coordinate = centroid[j];
#pragma GCC unroll 8
    for (int g = 0; g < kRegisters; ++g) {
      Real x;
      Load(x, column + g * kLanes);
      const Real difference = x - coordinate;
      sum[g] += difference * difference;
    }
  }
}

template <int kLanes>
SEGMENTATION_INLINE void Nearest(const double* tile, std::size_t dimensions, const double* centroids, std::size_t k,
                                 double* distance, std::int32_t* label, std::size_t rows) {
  using Real = typename Simd<kLanes>::Real;
  using Mask = typename Simd<kLanes>::Mask;
  constexpr int kRegisters = 4;
  for (std::size_t row = 0; row < rows; row += kRegisters * kLanes) {
    Real best[kRegisters];
    Mask best_index[kRegisters];
#pragma GCC unroll 8
    for (int g = 0; g < kRegisters; ++g) {
      best[g] = Real{} + std::numeric_limits<double>::infinity();
      best_index[g] = Mask{};
    }
    for (std::size_t c = 0; c < k; ++c) {
      Real sum[kRegisters];
      Accumulate<kLanes, kRegisters>(tile + row, dimensions, centroids + c * dimensions, sum);
      const Mask index = Mask{} + static_cast<long long>(c);
#pragma GCC unroll 8
      for (int g = 0; g < kRegisters; ++g) {
        const Mask closer = sum[g] < best[g];
        best[g] = closer ? sum[g] : best[g];
        best_index[g] = closer ? index : best_index[g];
      }
    }
    for (int g = 0; g < kRegisters; ++g) {
      for (int lane = 0; lane < kLanes; ++lane) {
        distance[row + static_cast<std::size_t>(g * kLanes + lane)] = best[g][lane];
        label[row + static_cast<std::size_t>(g * kLanes + lane)] = static_cast<std::int32_t>(best_index[g][lane]);
      }
    }
  }
}

template <int kLanes>
SEGMENTATION_INLINE void NearestTwo(const double* tile, std::size_t dimensions, const double* centroids, std::size_t k,
                                    double* distance, std::int32_t* label, double* second, std::size_t rows) {
  using Real = typename Simd<kLanes>::Real;
  using Mask = typename Simd<kLanes>::Mask;
  constexpr int kRegisters = 2;
  for (std::size_t row = 0; row < rows; row += kRegisters * kLanes) {
    Real best[kRegisters];
    Real next[kRegisters];
    Mask best_index[kRegisters];
    for (int g = 0; g < kRegisters; ++g) {
      best[g] = next[g] = Real{} + std::numeric_limits<double>::infinity();
      best_index[g] = Mask{};
    }
    for (std::size_t c = 0; c < k; ++c) {
      Real sum[kRegisters];
      Accumulate<kLanes, kRegisters>(tile + row, dimensions, centroids + c * dimensions, sum);
      const Mask index = Mask{} + static_cast<long long>(c);
      for (int g = 0; g < kRegisters; ++g) {
        const Mask closer = sum[g] < best[g];
        const Real loser = closer ? best[g] : sum[g];
        next[g] = loser < next[g] ? loser : next[g];
        best[g] = closer ? sum[g] : best[g];
        best_index[g] = closer ? index : best_index[g];
      }
    }
    for (int g = 0; g < kRegisters; ++g) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const std::size_t at = row + static_cast<std::size_t>(g * kLanes + lane);
        distance[at] = best[g][lane];
        second[at] = next[g][lane];
        label[at] = static_cast<std::int32_t>(best_index[g][lane]);
      }
    }
  }
}

template <int kLanes>
SEGMENTATION_INLINE void ToPoint(const double* tile, std::size_t dimensions, const double* point, double* distance, std::size_t rows) {
  using Real = typename Simd<kLanes>::Real;
  constexpr int kRegisters = 4;
  for (std::size_t row = 0; row < rows; row += kRegisters * kLanes) {
    Real sum[kRegisters];
    Accumulate<kLanes, kRegisters>(tile + row, dimensions, point, sum);
    __builtin_memcpy(distance + row, sum, sizeof sum);
  }
}

#define SEGMENTATION_KERNELS(lanes, attribute)                                                                        \
  attribute void Nearest##lanes(const double* tile, std::size_t dimensions, const double* centroids, std::size_t k,  \
                                 double* distance, std::int32_t* label, std::size_t rows) {                           \
    Nearest<lanes>(tile, dimensions, centroids, k, distance, label, rows);                                            \
  }                                                                                                                   \
  attribute void NearestTwo##lanes(const double* tile, std::size_t dimensions, const double* centroids, std::size_t k, \
                                    double* distance, std::int32_t* label, double* second, std::size_t rows) {        \
    NearestTwo<lanes>(tile, dimensions, centroids, k, distance, label, second, rows);                                 \
  }                                                                                                                   \
  attribute void ToPoint##lanes(const double* tile, std::size_t dimensions, const double* point, double* distance,   \
                                 std::size_t rows) {                                                                  \
    ToPoint<lanes>(tile, dimensions, point, distance, rows);                                                          \
  }                                                                                                                   \
  constexpr TileKernels kKernels##lanes = {lanes, Nearest##lanes, NearestTwo##lanes, ToPoint##lanes};

SEGMENTATION_EVERY_WIDTH(TileKernels)

const TileKernels& Widest() {
  static const TileKernels kernels = UsableTileKernels().back();
  return kernels;
}

}  // namespace

const std::vector<TileKernels>& UsableTileKernels() {
  static const std::vector<TileKernels> usable = FindUsable();
  return usable;
}

void NearestInTile(const double* tile, std::size_t dimensions, const double* centroids, std::size_t k, double* distance,
                   std::int32_t* label, std::size_t rows) {
  Widest().nearest(tile, dimensions, centroids, k, distance, label, rows);
}

void NearestTwoInTile(const double* tile, std::size_t dimensions, const double* centroids, std::size_t k, double* distance,
                      std::int32_t* label, double* second, std::size_t rows) {
  Widest().nearest_two(tile, dimensions, centroids, k, distance, label, second, rows);
}

void DistanceInTile(const double* tile, std::size_t dimensions, const double* point, double* distance, std::size_t rows) {
  Widest().distance(tile, dimensions, point, distance, rows);
}

}  // namespace segmentation
