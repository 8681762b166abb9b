#include "core/row_kernels.h"

#include "core/exact_sum.h"
#include "core/simd.h"

namespace segmentation {
namespace {

// Vectors go by reference: returned, they would belong to another calling convention at each width.
template <typename Real>
SEGMENTATION_INLINE void AddTo(double* at, const Real& value) {
  Real sum;
  Load(sum, at);
  sum += value;
  __builtin_memcpy(at, &sum, sizeof sum);
}

// One value, or as many columns of one row as fill a vector.
template <typename Real, bool kScaled>
SEGMENTATION_INLINE void ReadColumns(const char* row, std::size_t j, RowScaling scaling, Real& value) {
  Load(value, row + j * sizeof(double));
  if (!kScaled) return;
  Real offset;
  Real scale;
  Load(offset, scaling.offset + j);
  Load(scale, scaling.scale + j);
  value = (value - offset) / scale;
}

// The folds (exact_sum.h) of the terms of those columns from j on that fill one vector.
template <typename Real, bool kScaled>
SEGMENTATION_INLINE void FoldColumns(const char* row, std::size_t j, RowScaling scaling, const double* down, double weight, Real& high,
                                     Real& low) {
  Real value;
  ReadColumns<Real, kScaled>(row, j, scaling, value);
  Real unit;
  Load(unit, down + j);
  const Real term = weight * value * unit;
  FoldInto(term, high, low);
}

template <typename Real, bool kScaled>
SEGMENTATION_INLINE void EnterColumns(const char* row, std::size_t j, std::size_t columns, RowScaling scaling, const double* down,
                                      double weight, double* to) {
  Real high;
  Real low;
  FoldColumns<Real, kScaled>(row, j, scaling, down, weight, high, low);
  AddTo(to + j, high);
  AddTo(to + columns + j, low);
}

template <typename Real, bool kScaled>
SEGMENTATION_INLINE void MoveColumns(const char* row, std::size_t j, std::size_t columns, RowScaling scaling, const double* down,
                                     double weight, double* from, double* to) {
  Real high;
  Real low;
  FoldColumns<Real, kScaled>(row, j, scaling, down, weight, high, low);
  AddTo<Real>(from + j, -high);
  AddTo<Real>(from + columns + j, -low);
  AddTo(to + j, high);
  AddTo(to + columns + j, low);
}

template <int kLanes, bool kScaled>
SEGMENTATION_INLINE void EnterRows(RowsInMemory rows, std::size_t count, std::size_t columns, RowScaling scaling, const double* down,
                                   const double* weights, const Label* labels, double* folds, std::size_t folds_stride) {
  for (std::size_t r = 0; r < count; ++r) {
    const char* row = rows.data + r * rows.stride;
    double* to = folds + labels[r] * folds_stride;
    const double weight = weights == nullptr ? 1 : weights[r];
    std::size_t j = 0;
    if constexpr (kLanes >= 8) {
      for (; j + 8 <= columns; j += 8) EnterColumns<Simd<8>::Real, kScaled>(row, j, columns, scaling, down, weight, to);
    }
    if constexpr (kLanes >= 4) {
      for (; j + 4 <= columns; j += 4) EnterColumns<Simd<4>::Real, kScaled>(row, j, columns, scaling, down, weight, to);
    }
    for (; j + 2 <= columns; j += 2) EnterColumns<Simd<2>::Real, kScaled>(row, j, columns, scaling, down, weight, to);
    if (j < columns) EnterColumns<double, kScaled>(row, j, columns, scaling, down, weight, to);
  }
}

template <int kLanes, bool kScaled>
SEGMENTATION_INLINE void MoveRow(const char* row, std::size_t columns, RowScaling scaling, const double* down, double weight,
                                 double* from, double* to) {
  std::size_t j = 0;
  if constexpr (kLanes >= 8) {
    for (; j + 8 <= columns; j += 8) MoveColumns<Simd<8>::Real, kScaled>(row, j, columns, scaling, down, weight, from, to);
  }
  if constexpr (kLanes >= 4) {
    for (; j + 4 <= columns; j += 4) MoveColumns<Simd<4>::Real, kScaled>(row, j, columns, scaling, down, weight, from, to);
  }
  for (; j + 2 <= columns; j += 2) MoveColumns<Simd<2>::Real, kScaled>(row, j, columns, scaling, down, weight, from, to);
  if (j < columns) MoveColumns<double, kScaled>(row, j, columns, scaling, down, weight, from, to);
}

// Squares of 4 rows and 4 columns, in registers; what is left at the edges one by one.
template <bool kWide, bool kScaled>
SEGMENTATION_INLINE void LayOutRows(RowsInMemory rows, std::size_t count, std::size_t columns, RowScaling scaling, double* to) {
  using Real = Simd<4>::Real;
  std::size_t j = 0;
  if constexpr (kWide) {
    const std::size_t end = count - count % 4;
    for (; j + 4 <= columns; j += 4) {
      for (std::size_t r = 0; r < end; r += 4) {
        Real row[4];
#pragma GCC unroll 4
        for (std::size_t i = 0; i < 4; ++i) ReadColumns<Real, kScaled>(rows.data + (r + i) * rows.stride, j, scaling, row[i]);
        const Real even_low = __builtin_shufflevector(row[0], row[1], 0, 4, 2, 6);
        const Real odd_low = __builtin_shufflevector(row[0], row[1], 1, 5, 3, 7);
        const Real even_high = __builtin_shufflevector(row[2], row[3], 0, 4, 2, 6);
        const Real odd_high = __builtin_shufflevector(row[2], row[3], 1, 5, 3, 7);
        const Real column[4] = {
            __builtin_shufflevector(even_low, even_high, 0, 1, 4, 5), __builtin_shufflevector(odd_low, odd_high, 0, 1, 4, 5),
            __builtin_shufflevector(even_low, even_high, 2, 3, 6, 7), __builtin_shufflevector(odd_low, odd_high, 2, 3, 6, 7)};
#pragma GCC unroll 4
        for (std::size_t i = 0; i < 4; ++i) __builtin_memcpy(to + (j + i) * kTileRows + r, &column[i], sizeof(Real));
      }
      for (std::size_t r = end; r < count; ++r) {
        for (std::size_t i = j; i < j + 4; ++i) {
          ReadColumns<double, kScaled>(rows.data + r * rows.stride, i, scaling, to[i * kTileRows + r]);
        }
      }
    }
  }
  for (; j < columns; ++j) {
    for (std::size_t r = 0; r < count; ++r) {
      ReadColumns<double, kScaled>(rows.data + r * rows.stride, j, scaling, to[j * kTileRows + r]);
    }
  }
}

#define SEGMENTATION_KERNELS(lanes, attribute)                                                                                   \
  attribute void LayOut##lanes(RowsInMemory rows, std::size_t count, std::size_t columns, RowScaling scaling, double* to) {      \
    if (scaling.scale == nullptr) {                                                                                              \
      LayOutRows<(lanes >= 4), false>(rows, count, columns, scaling, to);                                                        \
    } else {                                                                                                                     \
      LayOutRows<(lanes >= 4), true>(rows, count, columns, scaling, to);                                                         \
    }                                                                                                                            \
  }                                                                                                                              \
  attribute void Enter##lanes(RowsInMemory rows, std::size_t count, std::size_t columns, RowScaling scaling, const double* down, \
                              const double* weights, const Label* labels, double* folds, std::size_t folds_stride) {             \
    if (scaling.scale == nullptr) {                                                                                              \
      EnterRows<lanes, false>(rows, count, columns, scaling, down, weights, labels, folds, folds_stride);                        \
    } else {                                                                                                                     \
      EnterRows<lanes, true>(rows, count, columns, scaling, down, weights, labels, folds, folds_stride);                         \
    }                                                                                                                            \
  }                                                                                                                              \
  attribute void Move##lanes(const char* row, std::size_t columns, RowScaling scaling, const double* down, double weight,        \
                             double* from, double* to) {                                                                         \
    if (scaling.scale == nullptr) {                                                                                              \
      MoveRow<lanes, false>(row, columns, scaling, down, weight, from, to);                                                      \
    } else {                                                                                                                     \
      MoveRow<lanes, true>(row, columns, scaling, down, weight, from, to);                                                       \
    }                                                                                                                            \
  }                                                                                                                              \
  constexpr RowKernels kKernels##lanes = {lanes, LayOut##lanes, Enter##lanes, Move##lanes};

SEGMENTATION_EVERY_WIDTH(RowKernels)

}  // namespace

const std::vector<RowKernels>& UsableRowKernels() {
  static const std::vector<RowKernels> usable = FindUsable();
  return usable;
}

const RowKernels& WidestRowKernels() {
  static const RowKernels kernels = UsableRowKernels().back();
  return kernels;
}

}  // namespace segmentation
