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

void AddToColumn(double value, ColumnMoments* to) {
  const double before = to->rows++;
  const double off = value - to->mean;
  const double step = off / to->rows;
  const double term = off * step * before;
  to->mean += step;
  to->third += term * step * (to->rows - 2) - 3 * step * to->second;
  to->second += term;
  to->zeros += value == 0 ? 1 : 0;
  to->negatives += value < 0 ? 1 : 0;
  AddToSum(value, to);
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

}  // namespace

void AddRow(const double* row, std::size_t columns, ColumnMoments* moments, PairMoments* pairs) {
  for (std::size_t j = 0; j < columns; ++j) {
    if (!std::isnan(row[j])) AddToColumn(row[j], &moments[j]);
  }
  if (pairs == nullptr) return;
  for (std::size_t a = 0; a < columns; ++a) {
    if (!std::isnan(row[a])) {
      for (std::size_t b = a + 1; b < columns; ++b) {
        if (!std::isnan(row[b])) AddToPair(row[a], row[b], &pairs[b - a - 1]);
      }
    }
    pairs += columns - a - 1;
  }
}

void MergeMoments(const ColumnMoments* other, std::size_t columns, ColumnMoments* moments) {
  for (std::size_t j = 0; j < columns; ++j) {
    const ColumnMoments& from = other[j];
    ColumnMoments& to = moments[j];
    if (from.rows == 0) continue;
    if (to.rows == 0) {
      to = from;
      continue;
    }
    const double rows = to.rows + from.rows;
    const double off = from.mean - to.mean;
    const double share = from.rows / rows;
    to.third += from.third + off * off * off * to.rows * share * ((to.rows - from.rows) / rows) +
                3 * off * (to.rows / rows * from.second - share * to.second);
    to.second += from.second + off * off * to.rows * share;
    to.mean += off * share;
    to.rows = rows;
    to.zeros += from.zeros;
    to.negatives += from.negatives;
    AddToSum(from.sum, &to);
    to.carry += from.carry;
  }
}

void MergePairs(const PairMoments* other, std::size_t count, PairMoments* pairs) {
  for (std::size_t i = 0; i < count; ++i) {
    const PairMoments& from = other[i];
    PairMoments& to = pairs[i];
    if (from.rows == 0) continue;
    if (to.rows == 0) {
      to = from;
      continue;
    }
    const double rows = to.rows + from.rows;
    const double off_a = from.mean_a - to.mean_a;
    const double off_b = from.mean_b - to.mean_b;
    const double share = from.rows / rows;
    to.second_a += from.second_a + off_a * off_a * to.rows * share;
    to.second_b += from.second_b + off_b * off_b * to.rows * share;
    to.product += from.product + off_a * off_b * to.rows * share;
    to.mean_a += off_a * share;
    to.mean_b += off_b * share;
    to.rows = rows;
  }
}

double Mean(const ColumnMoments& moments) {
  if (moments.rows == 0) return kUndefined;
  // Nearer to the truth than the running mean, unless the sum is beyond the range of double.
  const double mean = (moments.sum + moments.carry) / moments.rows;
  if (std::isfinite(mean)) return mean;
  return std::isfinite(moments.mean) ? moments.mean : kUndefined;
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
