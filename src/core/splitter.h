// The splitting of rows and cells into parts: what compress.h promises is made of this.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/cell_moments.h"
#include "core/compress.h"
#include "core/item_tree.h"

namespace segmentation {

// Rows lie all over the memory, and each first touch of one takes as long as many sums. So a part that fits into the second-level
// cache is copied there and split by some generations at a time.
constexpr std::size_t kVisitBytes = std::size_t{1} << 18;
constexpr std::size_t kGenerations = 4;
constexpr std::size_t kSoon = 16;  // rows
constexpr std::size_t kLine = 64;  // of the cache, in bytes

// Where there are many such parts, the first splits are those of a sample: one row of kStride, as many parts as leave some
// kVisitBytes / 2 to each. Their means are nearly those of all rows, and one pass then sorts the rows into these parts.
constexpr std::size_t kStride = 16;
constexpr std::size_t kLargestTop = 1024;

// A part of the items: a leaf of the tree until it is split.
struct Part {
  Range rows;
  Range cells;
  double spread = 0;         // the largest scaled sum of squares of a column; 0: nothing to split
  std::size_t column = 0;    // of which column
  double pivot = 0;          // once it is split: items up to this one are in the first child
  std::size_t mean = 0;      // its slot among the means, until it is split
  std::size_t children = 0;  // the first of two; 0: not split yet
  bool chosen = false;       // its split is part of the result

  std::size_t items() const { return rows.size() + cells.size(); }
};

class Splitter {
 public:
  Splitter(const RowSet& set, const std::vector<double>& scale, const Interrupt& interrupt);

  // Makes room for what Grow(most) of so many items will need. Arrays that grow are in memory twice while they are moved.
  void Reserve(std::size_t most, std::size_t items);
  // Takes every stride-th row and cell, as one part.
  void Take(std::size_t stride);
  // Takes all, in the parts that another has found in a sample.
  void TakeSorted(const Splitter& top);
  std::vector<double> Spreads();
  void Grow(std::size_t most);
  CompressedRows WriteCells();

 private:
  void FindBounds();
  const char* FirstPosition(const Part& part) const;
  void Sum(const Part& part, const double* shift, Moments* sums);
  ItemTree TreeOfParts(std::vector<std::size_t>* leaves) const;
  void SettleAlone(std::size_t index);
  void Settle(const double* shift, Moments* moments, Part* part);
  bool Divide(const Part& part, std::size_t column, double pivot, Part* left, Part* right);
  bool FindMiddle(const Part& part, std::size_t* column, double* pivot);
  bool Split(std::size_t index);
  void Expand(std::size_t index, std::size_t generations);
  bool FitsCache(Range rows) const { return rows.size() * set_.RowBytes() <= kVisitBytes; }
  template <typename F>
  void Visit(Range rows, F f);
  void WriteCell(const Part& part, double* to);
  double* WriteBelow(std::size_t index, bool visited, double* to);

  const RowSet& set_;
  const std::vector<double>& scale_;
  const Interrupt& interrupt_;
  const std::size_t dimensions_;
  Items rows_;
  Items cells_;
  std::vector<double> bounds_;  // d minima, d maxima of all that is behind the set
  std::vector<Part> parts_;     // the whole first
  std::size_t leaves_ = 1;
  std::vector<double> means_;   // slots of d
  std::vector<double> shift_;
  std::vector<double> own_shift_;
  Moments left_;
  Moments right_;
  std::vector<char> near_;      // the rows of the part that is visited
  std::vector<const char*> far_;  // and where they come from
};

// Calls f(address) for every stride-th row.
template <typename F>
void ForRows(const RowSet& set, std::size_t stride, const Interrupt& interrupt, F f) {
  std::uint64_t skip = 0;
  for (const RowBlock& block : set.blocks) {
    std::uint64_t i = skip;
    for (; i < block.rows; i += stride) {
      if (i / stride % 4096 == 0) interrupt.Poll();
      f(block.data + i * set.RowBytes());
    }
    skip = i - block.rows;
  }
}

template <typename F>
void ForCells(const RowSet& set, std::size_t stride, F f) {
  const char* const first = set.cells + 2 * set.dimensions * sizeof(double);
  for (std::uint64_t i = 0; i < set.cell_count; i += stride) f(first + i * set.CellBytes());
}

// Calls f while the rows of the range, where they are few enough, lie next to each other in memory that is near.
template <typename F>
void Splitter::Visit(Range rows, F f) {
  if (!FitsCache(rows) || rows.size() == 0) {
    f();
    return;
  }
  const std::size_t row_bytes = set_.RowBytes();
  const char** const pointers = rows_.pointers.get() + rows.begin;
  near_.resize(kVisitBytes + kLine);
  char* const first = near_.data() + (kLine - reinterpret_cast<std::uintptr_t>(near_.data()) % kLine);
  far_.assign(pointers, pointers + rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const char* const soon = far_[std::min(i + kSoon, rows.size() - 1)];
    __builtin_prefetch(soon);
    __builtin_prefetch(soon + row_bytes - 1);
    std::memcpy(first + i * row_bytes, far_[i], row_bytes);
    pointers[i] = first + i * row_bytes;
  }
  f();
  for (std::size_t i = 0; i < rows.size(); ++i) pointers[i] = far_[static_cast<std::size_t>(pointers[i] - first) / row_bytes];
}

}  // namespace segmentation
