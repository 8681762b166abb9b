// What the principal components of any number of rows need, in memory that does not grow with them: sums of weights, of features and of
// their products, in double-double arithmetic (double_double.h) about the first row. A sum of n terms is off by at most n * 2^-104 of
// their magnitudes, so that once it is rounded to a double neither the order of rows nor the way they were split and merged shows, and
// nothing is lost where the means are far from 0.
#pragma once

#include <cstddef>
#include <vector>

#include "core/double_double.h"
#include "core/options.h"
#include "core/pca_model.h"

namespace segmentation {

// The memory of such sums: Size(columns) doubles, all 0 before the first row. Whoever holds it decides where it lives.
class PcaSums {
 public:
  PcaSums(double* at, std::size_t columns) : at_(at), columns_(columns) {}
  static std::size_t Pairs(std::size_t columns) { return columns * (columns + 1) / 2; }
  static std::size_t Size(std::size_t columns) { return 4 + 5 * columns + 2 * Pairs(columns); }

  // A row of finite features, -0 as 0, of a weight above 0. room: 4 * columns doubles, which need not be kept.
  void Add(const double* row, double weight, double* room);
  // The rows of another one, of as many columns.
  void Merge(const PcaSums& other);

  std::size_t columns() const { return columns_; }
  double rows() const { return at_[0]; }
  double skipped() const { return at_[1]; }
  void CountSkipped(double rows) { at_[1] += rows; }
  DoubleDouble weight() const { return {at_[2], at_[3]}; }
  double shift(std::size_t j) const { return shifts()[j]; }
  double low(std::size_t j) const { return lows()[j]; }
  double high(std::size_t j) const { return highs()[j]; }
  DoubleDouble Sum(std::size_t j) const { return {sums()[j], sums()[columns_ + j]}; }             // of w * (x - shift)
  DoubleDouble Product(std::size_t pair) const { return {products()[pair], products()[Pairs(columns_) + pair]}; }  // upper triangle by rows

 private:
  double* shifts() const { return at_ + 4; }
  double* lows() const { return shifts() + columns_; }
  double* highs() const { return lows() + columns_; }
  double* sums() const { return highs() + columns_; }      // high parts, then low parts
  double* products() const { return sums() + 2 * columns_; }
  void AddWeight(DoubleDouble weight);
  void WidenRange(const double* low, const double* high);

  double* at_;
  std::size_t columns_;
};

// The model of those rows; there is at least one. Throws kNotFinite where sums are beyond the range of double, kInvalidParameter for
// weights that add up to 1 or less over rows that differ, and what KeepComponents throws.
PcaModel ModelOfSums(const PcaSums& sums, const Options& options, const Interrupt& interrupt);

}  // namespace segmentation
