// Cluster features: cells that stand for many rows each, and the reduction of rows to them.
//
// A cell is 1 + 2 d doubles: the weight W of its rows, their mean (d), and per column the sum of their weighted squared
// deviations from it (d). Two cells merge without loss (Chan, Golub, LeVeque 1983), and Σw|x − c|² over the rows of a cell is
// W |mean − c|² + Σ deviations for every c: the cost of centroids is exact as long as a cell's rows belong to one of them.
// Cluster features: Zhang, Ramakrishnan, Livny, "BIRCH" (1996). Splitting at the mean of the column with the largest sum of
// squares: Su, Dy, "In search of deterministic methods for initializing k-means and Gaussian mixture clustering" (2007).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/interrupt.h"
#include "core/rows.h"

namespace segmentation {

// Cells as RowSet::cells wants them.
struct CompressedRows {
  std::vector<double> values;  // d minima, d maxima, then `cells` cells of 1 + 2 d
  std::uint64_t cells = 0;
  std::uint64_t rows = 0;      // behind the cells
};

// For each column the square root of its sum of squares about the mean, rows and cells of the set together, or 1 where that is 0:
// a scale for Compress that makes the units of the columns irrelevant.
std::vector<double> SpreadOfColumns(const RowSet& set, const Interrupt& interrupt);

// Reduces the rows and cells of the set to at most `most` (>= 1) cells, top-down: the part with the largest sum of squares of one
// column, after division of the column by scale[j] > 0, is split at its mean in that column (up to the mean goes left), until
// there are `most` parts or none has any spread. Weight, mean and sum of squares of each column are those of the input up to
// rounding; means lie within the minima and maxima. Where the rows are many, the first splits (of hundreds) are at the means of
// every 16th row, so that all of them take one pass.
//
// A function of the set's bytes in their order, the same on every machine. Memory: 16 bytes for each row and cell, and some
// 4 * most * (1 + d) doubles. Throws kNotFinite where a sum of squares is beyond the range of a double.
CompressedRows Compress(const RowSet& set, std::size_t most, const std::vector<double>& scale, const Interrupt& interrupt);

// The same for at most `slice` rows at a time, cells and the next rows together, to bound the memory. by_spread: the scale is
// SpreadOfColumns of what is compressed; otherwise 1.
CompressedRows CompressInSlices(RowSet set, std::size_t most, std::uint64_t slice, bool by_spread, const Interrupt& interrupt);

}  // namespace segmentation
