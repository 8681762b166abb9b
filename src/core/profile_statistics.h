// Statistics of the columns of a profile, by segment and over all; see profile.h for which are shown.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/model.h"
#include "core/preprocess.h"
#include "core/profile.h"

namespace segmentation {

// Of one column, in a segment or in all of them.
struct Statistics {
  static constexpr double kNull = Metrics::kUndefined;  // not known, or not shown
  std::uint64_t rows = 0;
  std::uint64_t missing = 0;
  double weight = 0;
  double mean = kNull;
  double variance = kNull;
  double low = kNull, q1 = kNull, median = kNull, q3 = kNull, high = kNull;

  bool shown() const { return rows >= kLeastCustomers; }
  double stddev() const { return std::sqrt(variance); }
};

// Of all segments that are shown: what is hidden must not come out by subtraction.
class Population {
 public:
  void Add(const Statistics& segment) {
    if (!segment.shown()) return;
    rows_ += segment.rows;
    weight_ += segment.weight;
    sum_ += segment.weight * segment.mean;
    parts_.push_back(segment);
  }
  Statistics Get() const {
    Statistics all;
    all.rows = rows_;
    all.weight = weight_;
    if (!(weight_ > 0)) return all;
    all.mean = sum_ / weight_;
    double variance = 0;
    for (const Statistics& part : parts_) variance += part.weight / weight_ * (part.variance + (part.mean - all.mean) * (part.mean - all.mean));
    all.variance = variance;
    return all;
  }

 private:
  std::uint64_t rows_ = 0;
  double weight_ = 0;
  double sum_ = 0;
  std::vector<Statistics> parts_;
};

inline Statistics FromTotals(const NumberTotals& totals, std::uint64_t all) {
  Statistics out;
  out.rows = totals.rows;
  out.missing = all - totals.rows;
  out.weight = totals.weight.Value();
  if (totals.rows == 0) return out;
  const DoubleDouble mean = totals.sum / totals.weight;
  out.mean = mean.Value();
  out.low = totals.low;
  out.high = totals.high;
  if (totals.low == totals.high) {
    out.variance = 0;
    return out;
  }
  // What rounding leaves below 0 is 0. Squares beyond the range of a double, or below it, say nothing.
  const double variance = (totals.squares / totals.weight - mean * mean).Value();
  if (std::isfinite(variance) && totals.squares.Value() > 0) out.variance = variance < 0 ? 0 : variance;
  return out;
}

inline void SetQuantiles(std::vector<std::pair<double, double>>* values, Statistics* to) {
  if (values->empty()) return;
  std::sort(values->begin(), values->end());
  std::vector<double> sorted;
  std::vector<double> cumulative;
  double sum = 0;
  for (const auto& [value, weight] : *values) {
    sorted.push_back(value);
    cumulative.push_back(sum += weight);
  }
  to->q1 = SortedQuantile(sorted, cumulative, 0.25);
  to->median = SortedQuantile(sorted, cumulative, 0.5);
  to->q3 = SortedQuantile(sorted, cumulative, 0.75);
}

// A column: its statistics by segment, and over all.
struct Described {
  std::string name;
  std::string role;
  const char* kind;  // number, or level: of a category
  std::vector<Statistics> segments;
  Statistics all;
};

// The share of the variance that lies between the segments.
struct Variance {
  double between = 0;
  double within = 0;
  void Add(const Described& column) {
    for (const Statistics& segment : column.segments) {
      if (!segment.shown()) continue;
      const double off = segment.mean - column.all.mean;
      between += segment.weight * off * off;
      within += segment.weight * segment.variance;
    }
  }
  double Explained() const {
    const double share = between / (between + within);
    return std::isfinite(share) ? share : Statistics::kNull;
  }
};

}  // namespace segmentation
