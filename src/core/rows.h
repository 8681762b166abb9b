// Raw rows as they lie in memory, and their canonical order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/interrupt.h"
#include "core/sketch.h"
#include "core/threads.h"

namespace segmentation {

// Consecutive rows: each `dimensions` doubles, then its weight where the set is weighted; unaligned. All finite, no -0,
// weights above 0 (whoever fills them sees to it).
struct RowBlock {
  const char* data = nullptr;
  std::uint64_t rows = 0;
};

struct RowSet {
  std::vector<RowBlock> blocks;
  std::size_t dimensions = 0;
  bool weighted = false;
  std::uint64_t rows = 0;
  std::uint64_t skipped = 0;
  // Where a sketch has overflowed: cluster features that stand for cell_rows more rows. cells points to d minima and d maxima of
  // all rows that were ever compressed, then cell_count features of CellBytes() each: weight, d means, d sums of squared
  // deviations. Unaligned.
  const char* cells = nullptr;
  std::uint64_t cell_count = 0;
  std::uint64_t cell_rows = 0;

  std::size_t CellBytes() const { return (1 + 2 * dimensions) * sizeof(double); }
  std::size_t RowBytes() const { return (dimensions + (weighted ? 1 : 0)) * sizeof(double); }
};

RowSet RowsOf(const SketchView& view);

// The rows of the set in an order that depends on their values alone: by a 64-bit hash of their bytes (weight included),
// ties by the bytes. Equal rows are next to each other, and otherwise any stretch, or every m-th row, is as good as a
// random sample.
std::vector<const char*> CanonicalOrder(const RowSet& set, const Interrupt& interrupt);

// `size` of the rows (at most all), in canonical order: a random sample, chosen by the rows' hashes alone, so that neither their
// order nor the team matters. Rows that occur often are as frequent in it as they are in the set.
std::vector<const char*> SampleRows(const RowSet& set, std::size_t size, ThreadTeam& team);

}  // namespace segmentation
