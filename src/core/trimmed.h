// k-means--: Lloyd's algorithm that leaves the farthest rows out of its centroids. S. Chawla, A. Gionis, "k-means--: A unified approach
// to clustering and outlier detection", SDM 2013.
//
// A path of its own, without bounds and filters: every iteration computes all distances, finds the cut, and moves the rows that changed.
// Points have to lie in tiles in canonical order, which decides between rows at the same distance.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "core/interrupt.h"
#include "core/lloyd.h"
#include "core/points.h"
#include "core/threads.h"

namespace segmentation {

// Where the rows that are left out end: those farther than `square` (a squared distance), and of those at it the ones before row `end`.
struct Cut {
  double square = std::numeric_limits<double>::infinity();
  std::size_t end = 0;

  bool LeavesOut(double square_of_row, std::size_t row) const {
    return square_of_row > square || (square_of_row == square && row < end);
  }
};

// The weight that may be left out. A share means the decimal number that it is the nearest double of: 0.29 of 100 rows are 29, though
// their product is a little less.
double TrimLimit(double share, double weight);

// From the farthest row on, of equally far ones the first first, as long as their weights add up to `limit` at most: the first row that
// does not fit ends it, so what is left out is always farther than what is kept. A row whose distance is 0 is kept.
// squares: per row, not negative.
Cut FindCut(const Points& points, const double* squares, double limit, const Interrupt& interrupt);

// Iterates as Lloyd() does, with at most `limit` of the weight left out of each centroid. Rows that are left out have label k and count
// nowhere in the result. An empty cluster takes the farthest row that is kept. The inertia comes along in any case.
//
// With equal weights the inertia falls in every iteration. With others it need not: a heavy row that does not fit can end the cut before
// what was left out in the iteration before. Then the centroids before that are the result, which need not be the means of their rows.
//
// The same bits with any team: sums are exact, and the cut is a place in an order of all rows.
Clustering TrimmedLloyd(const Points& points, std::vector<double> centroids, double limit, const LloydLimits& limits, Distance distance,
                        ThreadTeam& team);

}  // namespace segmentation
