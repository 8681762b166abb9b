// The innermost loops over rows that lie in memory one after another: laying them out as a tile, letting them enter the exact sums of
// their clusters, and moving one from a cluster's sums to another's.
//
// A cluster's sums are two folds (exact_sum.h) of every column: `columns` high ones, then as many low ones. The term of a column is
// weight * value * down. Its bits are the same at every vector width.
#pragma once

#include <cstddef>
#include <vector>

#include "core/filter_tile.h"

namespace segmentation {

// How values come out of what is in memory: as they are (null), or as (x - offset) / scale, each per column.
struct RowScaling {
  const double* offset = nullptr;
  const double* scale = nullptr;
};

// Rows one after another, `stride` bytes apart, unaligned; the first `columns` doubles of each count.
struct RowsInMemory {
  const char* data;
  std::size_t stride;
};

// The kernels at one vector width. Lanes: doubles in a register (2, 4 or 8).
struct RowKernels {
  int lanes;
  // `count` rows column by column: column j at to + j * kTileRows.
  void (*lay_out)(RowsInMemory rows, std::size_t count, std::size_t columns, RowScaling scaling, double* to);
  // `count` rows enter the sums of their clusters; those of cluster c are at folds + c * folds_stride. No weights: each is 1.
  void (*enter)(RowsInMemory rows, std::size_t count, std::size_t columns, RowScaling scaling, const double* down,
                const double* weights, const Label* labels, double* folds, std::size_t folds_stride);
  // One row leaves `from` and enters `to`.
  void (*move)(const char* row, std::size_t columns, RowScaling scaling, const double* down, double weight, double* from, double* to);
};

// Those that this machine can run, the narrowest first.
const std::vector<RowKernels>& UsableRowKernels();
// The last of them.
const RowKernels& WidestRowKernels();

}  // namespace segmentation
