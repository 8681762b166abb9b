// Which new segment is which old one, from how many rows they have in common.
#pragma once

#include <cstddef>
#include <vector>

#include "core/interrupt.h"

namespace segmentation {

// How many rows are in old segment i and new segment j: old_count x new_count, row-major.
struct Contingency {
  std::size_t old_count = 0;
  std::size_t new_count = 0;
  std::vector<double> rows;

  double At(std::size_t i, std::size_t j) const { return rows[i * new_count + j]; }
};

constexpr std::size_t kUnmatched = static_cast<std::size_t>(-1);

// For every new segment the old one that it continues, or kUnmatched. Segments are paired so that they have as many rows in common as can
// be (H. W. Kuhn, "The Hungarian method for the assignment problem", 1955; in the O(n^3) form of R. Jonker & A. Volgenant, 1987);
// a pair counts when more than half of one's rows are in the other.
std::vector<std::size_t> MatchSegments(const Contingency& table, const Interrupt& interrupt = {});

// The assignment of columns to rows with the largest sum, `rows <= columns` or not: for every column its row, or kUnmatched.
std::vector<std::size_t> BestAssignment(const std::vector<double>& gain, std::size_t rows, std::size_t columns, const Interrupt& interrupt = {});

// Adjusted Rand index (L. Hubert & P. Arabie, "Comparing partitions", 1985): 1 for equal partitions, around 0 for unrelated ones.
double AdjustedRandIndex(const Contingency& table);

// Rows in both as a share of rows in either.
double Jaccard(const Contingency& table, std::size_t old_segment, std::size_t new_segment);

}  // namespace segmentation
