// From raw rows to model space: the statistics of the columns, offset and scale, and the points.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/column_statistics.h"
#include "core/interrupt.h"
#include "core/model.h"
#include "core/options.h"
#include "core/rows.h"
#include "core/points.h"
#include "core/threads.h"

namespace segmentation {

struct Preprocessed {
  Points points;                          // model space, with bounds
  std::vector<ColumnStatistics> columns;  // raw units
  std::vector<double> offset;             // per column: z = (x - offset) / scale
  std::vector<double> scale;
  std::optional<Rotation> rotation;       // where option components asks for it: points are y = axes * (z - center), fewer columns
  std::vector<double> variances;          // of those components
  std::uint64_t without_direction = 0;    // rows of length 0 dropped under cosine distance
  double weight = 0;                      // of all rows
  // Where the set has cells: per point, the squared deviations (model space) of the rows that it stands for.
  std::vector<double> inner;
  std::vector<double> deviations;         // and per point and column; not under cosine distance, where directions have none
};

// More rows than this stay where they are and are read in the order in which they lie (Euclidean distance, no principal components, nothing trimmed).
constexpr std::size_t kLargestCopy = 50000;

// Finds offset and scale for options.scale (a column without spread gets scale 1) and takes the rows to model space: as tiles in
// canonical order, or in place. The set has to outlive the result. A cell is a point at its mean, with its weight.
// Throws kNotFinite where the numbers are too large for a double's range, and kInvalidParameter for a row of length 0 under
// cosine distance unless on_null is skip.
Preprocessed Preprocess(const RowSet& rows, const Options& options, ThreadTeam& team);

// Centroids in raw units (options init and warm_start) in model space. Throws kNotFinite where one is too far away for that, and
// kInvalidParameter for one of length 0 under cosine distance.
std::vector<double> ToModelSpace(const std::vector<std::vector<double>>& given, const Options& options, const Preprocessed& rows);

// Divides a point by its length. False when that is 0 or not finite.
bool NormalizeDirection(double* point, std::size_t dimensions);

// The q-quantile of values with frequencies, by linear interpolation between order statistics (Hyndman & Fan type 7, what
// numpy does for weights of 1). Weights that are less than 1 in the mean are taken as shares of so many rows as there are values.
// `sorted` is ascending; cumulative[i] is the weight of the first i + 1 values.
double SortedQuantile(const std::vector<double>& sorted, const std::vector<double>& cumulative, double q);

}  // namespace segmentation
