// Rows and cells of an overflowed sketch as points: a cell is a point at the mean of its rows.
#pragma once

#include <vector>

#include "core/interrupt.h"
#include "core/random.h"
#include "core/rows.h"
#include "core/tiles.h"

namespace segmentation {

// The rows of a set whose sketch has overflowed: a cell is a row at its mean.
struct CellPoints {
  std::vector<double> values;   // row-major, each row with its weight
  std::vector<double> spread;   // per row and column: sum of squared deviations of the rows behind it
  std::vector<double> squares;  // per column, summed
  std::vector<double> low;      // of the rows behind the cells
  std::vector<double> high;
  RowSet set;                   // of values
};

CellPoints PointsOfCells(const RowSet& rows, const Interrupt& interrupt);

// Per point in canonical order and column: the squared deviations of the rows behind it, in model space.
std::vector<double> DeviationsInOrder(const CellPoints& cells, const std::vector<const char*>& order, const std::vector<double>& scale);

// `count` rows as they may lie behind weighted points with these squared deviations (points x dimensions): each uniform in a box about
// its point with the variances that the rows behind it have. Points get rows in proportion to their weights, in their order.
//
// Cells are boxes, and what separates clusters cuts through them. A k-means of their means alone prefers to separate where the
// boxes end, which no rows ask for.
Tiles DrawRows(const Tiles& points, const std::vector<double>& deviations, std::size_t count, const CounterRandom& random,
               const Interrupt& interrupt);

}  // namespace segmentation
