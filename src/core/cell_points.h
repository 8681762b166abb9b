// Rows and cells of an overflowed sketch as points: a cell is a point at the mean of its rows.
#pragma once

#include <vector>

#include "core/interrupt.h"
#include "core/rows.h"

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

// Per point in canonical order: the squared deviations of the rows behind it, in model space.
std::vector<double> InnerSquares(const CellPoints& cells, const std::vector<const char*>& order, const std::vector<double>& scale);

}  // namespace segmentation
