// Moments of columns and of their pairs, row by row: exact (up to rounding) over all rows, mergeable, in memory that does not grow.
//
// Updates are Welford's and merges Chan's, for the third moment in Pebay's form (Formulas for robust, one-pass parallel computation of
// covariances and arbitrary-order statistical moments, Sandia report SAND2008-6212, 2008): nothing is subtracted that is large beside
// the result, and a constant column has a variance of exactly 0. A value that is missing (NaN) is missing in its column and in its
// column's pairs, and nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>

namespace segmentation {

struct ColumnMoments {
  double rows;   // where the value is there
  double shift;  // the first value
  double mean;   // less the shift
  double second;  // sums of powers of the deviations from the mean
  double third;
  double zeros, negatives;
  double sum, carry;  // of the values, and what rounding took from it (Neumaier 1974)
};

// Of the rows where both values are there.
struct PairMoments {
  double rows;
  double mean_a, mean_b;  // less the shifts of the columns
  double second_a, second_b, product;
};

constexpr std::size_t PairsOf(std::size_t columns) { return columns * (columns - 1) / 2; }

// All of it starts as zeros. pairs: (0, 1), (0, 2), ..., (1, 2), ...; nullptr where they are not wanted.
struct Moments {
  ColumnMoments* columns;
  PairMoments* pairs;
};

// Changes the row.
void AddRow(double* row, std::size_t columns, Moments to);
void MergeMoments(Moments from, std::size_t columns, Moments to);

// NaN where they are not defined: no rows; for skewness and correlation, a constant column, or values beyond the range of double.
double Mean(const ColumnMoments& moments);
double StandardDeviation(const ColumnMoments& moments);  // population
double Skewness(const ColumnMoments& moments);           // population
double Correlation(const PairMoments& pair);

}  // namespace segmentation
