#include "core/column_moments.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace segmentation {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

void AddToSum(double value, ColumnMoments* to) {
  const double sum = to->sum + value;
  to->carry += std::abs(to->sum) >= std::abs(value) ? (to->sum - sum) + value : (value - sum) + to->sum;
  to->sum = sum;
}

// The result is the value less the shift.
double AddToColumn(double value, ColumnMoments* to) {
  if (to->rows == 0) to->shift = value;
  const double before = to->rows++;
  const double shifted = value - to->shift;
  const double off = shifted - to->mean;
  const double step = off / to->rows;
  const double term = off * step * before;
  to->mean += step;
  to->third += term * step * (to->rows - 2) - 3 * step * to->second;
  to->second += term;
  to->zeros += value == 0 ? 1 : 0;
  to->negatives += value < 0 ? 1 : 0;
  AddToSum(value, to);
  return shifted;
}

void AddToPair(double a, double b, PairMoments* to) {
  ++to->rows;
  const double off_a = a - to->mean_a;
  const double off_b = b - to->mean_b;
  to->mean_a += off_a / to->rows;
  to->mean_b += off_b / to->rows;
  const double rest_b = b - to->mean_b;
  to->second_a += off_a * (a - to->mean_a);
  to->second_b += off_b * rest_b;
  to->product += off_a * rest_b;
}

void MergeColumn(const ColumnMoments& from, ColumnMoments* to) {
  if (from.rows == 0) return;
  if (to->rows == 0) {
    *to = from;
    return;
  }
  const double rows = to->rows + from.rows;
  const double off = from.mean - to->mean + (from.shift - to->shift);
  const double share = from.rows / rows;
  to->third += from.third + off * off * off * to->rows * share * ((to->rows - from.rows) / rows) +
               3 * off * (to->rows / rows * from.second - share * to->second);
  to->second += from.second + off * off * to->rows * share;
  to->mean += off * share;
  to->rows = rows;
  to->zeros += from.zeros;
  to->negatives += from.negatives;
  AddToSum(from.sum, to);
  to->carry += from.carry;
}

// shift_a, shift_b: by how much the other's shifts are above ours.
void MergePair(const PairMoments& from, double shift_a, double shift_b, PairMoments* to) {
  if (from.rows == 0) return;
  const double rows = to->rows + from.rows;
  const double off_a = from.mean_a - to->mean_a + shift_a;
  const double off_b = from.mean_b - to->mean_b + shift_b;
  const double share = from.rows / rows;
  to->second_a += from.second_a + off_a * off_a * to->rows * share;
  to->second_b += from.second_b + off_b * off_b * to->rows * share;
  to->product += from.product + off_a * off_b * to->rows * share;
  to->mean_a += off_a * share;
  to->mean_b += off_b * share;
  to->rows = rows;
}

}  // namespace

void AddRow(double* row, std::size_t columns, Moments to) {
  for (std::size_t j = 0; j < columns; ++j) {
    if (!std::isnan(row[j])) row[j] = AddToColumn(row[j], &to.columns[j]);
  }
  if (to.pairs == nullptr) return;
  PairMoments* pair = to.pairs;
  for (std::size_t a = 0; a < columns; ++a) {
    if (!std::isnan(row[a])) {
      for (std::size_t b = a + 1; b < columns; ++b) {
        if (!std::isnan(row[b])) AddToPair(row[a], row[b], &pair[b - a - 1]);
      }
    }
    pair += columns - a - 1;
  }
}

void MergeMoments(Moments from, std::size_t columns, Moments to) {
  for (std::size_t j = 0; j < columns; ++j) MergeColumn(from.columns[j], &to.columns[j]);
  if (to.pairs == nullptr) return;
  // A column that had no rows has the other's shift by now, and its pairs no rows.
  const auto shift = [&](std::size_t j) { return from.columns[j].shift - to.columns[j].shift; };
  std::size_t pair = 0;
  for (std::size_t a = 0; a < columns; ++a) {
    for (std::size_t b = a + 1; b < columns; ++b, ++pair) MergePair(from.pairs[pair], shift(a), shift(b), &to.pairs[pair]);
  }
}

double Mean(const ColumnMoments& moments) {
  if (moments.rows == 0) return kUndefined;
  // Nearer to the truth than the running mean, unless the sum is beyond the range of double.
  const double mean = (moments.sum + moments.carry) / moments.rows;
  if (std::isfinite(mean)) return mean;
  return std::isfinite(moments.mean + moments.shift) ? moments.mean + moments.shift : kUndefined;
}

double StandardDeviation(const ColumnMoments& moments) {
  if (moments.rows == 0 || !std::isfinite(moments.second)) return kUndefined;
  return std::sqrt(std::max(0.0, moments.second / moments.rows));
}

double Skewness(const ColumnMoments& moments) {
  if (!(moments.second > 0)) return kUndefined;
  const double variance = moments.second / moments.rows;
  const double skewness = moments.third / moments.rows / (variance * std::sqrt(variance));
  return std::isfinite(skewness) ? skewness : kUndefined;
}

double Correlation(const PairMoments& pair) {
  if (!(pair.second_a > 0) || !(pair.second_b > 0)) return kUndefined;
  const double correlation = pair.product / std::sqrt(pair.second_a) / std::sqrt(pair.second_b);
  return std::isfinite(correlation) ? std::clamp(correlation, -1.0, 1.0) : kUndefined;
}

}  // namespace segmentation
