#include "core/column_moments.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/random.h"
#include "test_support.h"

namespace segmentation {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

struct Found {
  explicit Found(std::size_t width) : columns(width), pairs(PairsOf(width)) {}
  std::vector<ColumnMoments> columns;
  std::vector<PairMoments> pairs;
};

// Adds the second to the first.
void Merge(Found right, Found* left) {
  MergeMoments({right.columns.data(), right.pairs.data()}, left->columns.size(),
               {left->columns.data(), left->pairs.data()});
}

Found MomentsOf(const std::vector<std::vector<double>>& rows, std::size_t from, std::size_t to) {
  Found found(rows[0].size());
  for (std::size_t i = from; i < to; ++i) {
    std::vector<double> row = rows[i];
    AddRow(row.data(), row.size(), {found.columns.data(), found.pairs.data()});
  }
  return found;
}

// Two passes in long double.
struct Truth {
  long double rows = 0, mean = 0, variance = 0, skewness = 0;
};

Truth TruthOf(const std::vector<long double>& values) {
  Truth truth;
  truth.rows = static_cast<long double>(values.size());
  for (long double v : values) truth.mean += (v - values[0]) / truth.rows;
  truth.mean += values[0];
  long double third = 0;
  for (long double v : values) truth.variance += (v - truth.mean) * (v - truth.mean) / truth.rows;
  for (long double v : values) third += (v - truth.mean) * (v - truth.mean) * (v - truth.mean) / truth.rows;
  truth.skewness = third / (truth.variance * std::sqrt(truth.variance));
  return truth;
}

long double CorrelationOf(const std::vector<long double>& a, const std::vector<long double>& b) {
  const Truth of_a = TruthOf(a);
  const Truth of_b = TruthOf(b);
  long double product = 0;
  for (std::size_t i = 0; i < a.size(); ++i) product += (a[i] - of_a.mean) * (b[i] - of_b.mean) / of_a.rows;
  return product / std::sqrt(of_a.variance * of_b.variance);
}

// Skewed, far from zero, with gaps of their own in every column.
std::vector<std::vector<double>> SomeRows(std::size_t count) {
  const CounterRandom random(7, 0);
  std::vector<std::vector<double>> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const double u = random.Uniform(0, i);
    const double v = random.Uniform(1, i);
    std::vector<double> row = {-std::log(1 - u), 1e8 + u + 0.3 * v, std::floor(5 * v) - 1};
    for (std::size_t j = 0; j < row.size(); ++j) {
      if (random.Uniform(static_cast<std::uint32_t>(2 + j), i) < 0.1) row[j] = kMissing;
    }
    rows.push_back(row);
  }
  return rows;
}

void Check(const Found& found, const std::vector<std::vector<double>>& rows) {
  const std::size_t width = rows[0].size();
  std::size_t pair = 0;
  for (std::size_t a = 0; a < width; ++a) {
    std::vector<long double> values;
    double zeros = 0;
    double negatives = 0;
    for (const auto& row : rows) {
      if (std::isnan(row[a])) continue;
      values.push_back(row[a]);
      zeros += row[a] == 0 ? 1 : 0;
      negatives += row[a] < 0 ? 1 : 0;
    }
    const Truth truth = TruthOf(values);
    const ColumnMoments& column = found.columns[a];
    EXPECT_EQ(column.rows, static_cast<double>(truth.rows));
    EXPECT_EQ(column.zeros, zeros);
    EXPECT_EQ(column.negatives, negatives);
    EXPECT_NEAR(Mean(column), static_cast<double>(truth.mean), 2e-16 * std::abs(static_cast<double>(truth.mean)));
    EXPECT_NEAR(StandardDeviation(column), static_cast<double>(std::sqrt(truth.variance)), 1e-9);
    EXPECT_NEAR(Skewness(column), static_cast<double>(truth.skewness), 1e-9);
    for (std::size_t b = a + 1; b < width; ++b, ++pair) {
      std::vector<long double> of_a;
      std::vector<long double> of_b;
      for (const auto& row : rows) {
        if (std::isnan(row[a]) || std::isnan(row[b])) continue;
        of_a.push_back(row[a]);
        of_b.push_back(row[b]);
      }
      EXPECT_EQ(found.pairs[pair].rows, static_cast<double>(of_a.size()));
      EXPECT_NEAR(Correlation(found.pairs[pair]), static_cast<double>(CorrelationOf(of_a, of_b)), 1e-9);
    }
  }
}

TEST(ColumnMoments, AgreeWithTwoPasses) {
  const auto rows = SomeRows(5000);
  Check(MomentsOf(rows, 0, rows.size()), rows);
}

TEST(ColumnMoments, AgreeHoweverTheRowsAreSplit) {
  const auto rows = SomeRows(3000);
  // At 0 and 3000 one side is empty.
  for (std::size_t split : {std::size_t{0}, std::size_t{1}, std::size_t{17}, std::size_t{1500}, std::size_t{3000}}) {
    Found left = MomentsOf(rows, 0, split);
    const Found right = MomentsOf(rows, split, rows.size());
    Merge(right, &left);
    Check(left, rows);
  }
}

TEST(ColumnMoments, AConstantHasNoVarianceAtAll) {
  // 0.1 is no binary fraction: sums of it are rounded.
  std::vector<std::vector<double>> rows(1000, {0.1, 0});
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i][1] = static_cast<double>(i);
  Found left = MomentsOf(rows, 0, 333);
  const Found right = MomentsOf(rows, 333, 1000);
  Merge(right, &left);
  EXPECT_EQ(Mean(left.columns[0]), 0.1);
  EXPECT_EQ(StandardDeviation(left.columns[0]), 0);
  EXPECT_TRUE(std::isnan(Skewness(left.columns[0])));
  EXPECT_TRUE(std::isnan(Correlation(left.pairs[0])));
}

TEST(ColumnMoments, WhatCannotBeComputedIsNotMadeUp) {
  const Found none(2);
  EXPECT_TRUE(std::isnan(Mean(none.columns[0])));
  EXPECT_TRUE(std::isnan(StandardDeviation(none.columns[0])));
  EXPECT_TRUE(std::isnan(Skewness(none.columns[0])));
  EXPECT_TRUE(std::isnan(Correlation(none.pairs[0])));
  const std::vector<std::vector<double>> huge = {{1.7e308, 1}, {-1.7e308, 2}, {1.7e308, 3}, {1.7e308, 4}};
  const Found found = MomentsOf(huge, 0, huge.size());
  EXPECT_TRUE(std::isnan(StandardDeviation(found.columns[0])));
  EXPECT_TRUE(std::isnan(Skewness(found.columns[0])));
  EXPECT_TRUE(std::isnan(Correlation(found.pairs[0])));
  // A perfect line stays within 1.
  const Found line = MomentsOf({{0.1, 0.3}, {0.2, 0.6}, {0.7, 2.1}}, 0, 3);
  EXPECT_LE(Correlation(line.pairs[0]), 1);
  EXPECT_NEAR(Correlation(line.pairs[0]), 1, 1e-15);
}

}  // namespace
}  // namespace segmentation
