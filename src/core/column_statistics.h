// Moments of the columns, as exact sums over the points: they do not depend on the order of the rows nor on the team.
#pragma once

#include <vector>

#include "core/points.h"
#include "core/threads.h"

namespace segmentation {

// Moments of one column, weighted.
struct ColumnStatistics {
  double min = 0;
  double max = 0;
  double mean = 0;
  double variance = 0;  // over the sum of the weights (population)
  double skewness = 0;  // 0 where the variance is 0
};

double TotalWeight(const Points& points, ThreadTeam& team);

// Reads the points twice; they have their bounds. total: TotalWeight. squares: per column, what to add to the sum of squared
// deviations, of rows that only their mean stands for; may be empty.
std::vector<ColumnStatistics> DescribeColumns(const Points& points, double total, const std::vector<double>& squares, ThreadTeam& team);

}  // namespace segmentation
