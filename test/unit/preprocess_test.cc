#include "core/preprocess.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::ExpectError;
using test::Matrix;

Preprocessed Prepare(const Matrix& matrix, const Options& options = {}, const std::vector<double>& weights = {}) {
  return Preprocess(test::OwnedRows(matrix, weights).set(), options, test::Alone());
}

Options Scaled(Scale scale) {
  Options options;
  options.scale = scale;
  return options;
}

// Type 7 of Hyndman & Fan 1996, as numpy.quantile computes it by default.
double Type7(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double position = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(position));
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (position - static_cast<double>(below)) * (values[above] - values[below]);
}

struct NaiveMoments {
  double min = test::kInf, max = -test::kInf, mean = 0, variance = 0, skewness = 0;
};

NaiveMoments Moments(const std::vector<double>& values) {
  NaiveMoments out;
  const auto n = static_cast<long double>(values.size());
  long double mean = 0, second = 0, third = 0;
  for (double x : values) mean += x / n;
  for (double x : values) second += (x - mean) * (x - mean) / n, third += (x - mean) * (x - mean) * (x - mean) / n;
  for (double x : values) out.min = std::min(out.min, x), out.max = std::max(out.max, x);
  out.mean = static_cast<double>(mean);
  out.variance = static_cast<double>(second);
  out.skewness = second > 0 ? static_cast<double>(third / (second * std::sqrt(second))) : 0;
  return out;
}

std::vector<double> Column(const Matrix& matrix, std::size_t j) {
  std::vector<double> column;
  for (const auto& row : matrix) column.push_back(row[j]);
  return column;
}

TEST(Preprocess, MomentsAreThoseOfTheColumns) {
  for (std::size_t n : {1u, 2u, 63u, 64u, 65u, 5000u, 10'000u}) {
    Matrix matrix = test::UniformRows(n, 3, n, -5, 20);
    for (auto& row : matrix) row[1] = std::exp(row[1] / 5), row[2] = 1e9 + row[2];  // skewed; far from 0
    const Preprocessed out = Prepare(matrix);
    for (std::size_t j = 0; j < 3; ++j) {
      const NaiveMoments expected = Moments(Column(matrix, j));
      EXPECT_EQ(out.columns[j].min, expected.min);
      EXPECT_EQ(out.columns[j].max, expected.max);
      EXPECT_NEAR(out.columns[j].mean, expected.mean, 1e-14 * std::abs(expected.mean));
      EXPECT_NEAR(out.columns[j].variance, expected.variance, 1e-12 * expected.variance + 1e-300);
      // The mean is known to half a unit in its last place; the third moment takes three times that, in standard
      // deviations.
      const double mean_error = expected.variance > 0 ? 3e-16 * std::abs(expected.mean) / std::sqrt(expected.variance) : 0;
      EXPECT_NEAR(out.columns[j].skewness, expected.skewness, 1e-11 + 3 * mean_error);
    }
  }
}

TEST(Preprocess, PointsAreTheRowsInCanonicalOrder) {
  const Matrix matrix = test::UniformRows(500, 4, 1);
  const test::OwnedRows rows(matrix);
  const Preprocessed out = Preprocess(rows.set(), {}, test::Alone());
  const auto order = CanonicalOrder(rows.set(), test::kNoInterrupt);
  ASSERT_EQ(out.points.rows(), 500u);
  for (std::size_t i = 0; i < order.size(); ++i) {
    double row[4];
    out.points.CopyRow(i, row);
    EXPECT_EQ(std::memcmp(row, order[i], sizeof row), 0);
  }
  EXPECT_EQ(out.offset, std::vector<double>(4, 0.0));
  EXPECT_EQ(out.scale, std::vector<double>(4, 1.0));
}

TEST(Preprocess, ZscoreGivesMean0AndVariance1) {
  const Preprocessed out = Prepare(test::UniformRows(3000, 2, 1, 50, 90), Scaled(Scale::kZscore));
  const Matrix points = test::RowsOfPoints(out.points);
  for (std::size_t j = 0; j < 2; ++j) {
    const NaiveMoments moments = Moments(Column(points, j));
    EXPECT_NEAR(moments.mean, 0, 1e-13);
    EXPECT_NEAR(moments.variance, 1, 1e-13);
  }
}

TEST(Preprocess, MinmaxGives0To1) {
  const Preprocessed out = Prepare(test::UniformRows(300, 2, 1, 50, 90), Scaled(Scale::kMinmax));
  const Matrix points = test::RowsOfPoints(out.points);
  for (std::size_t j = 0; j < 2; ++j) {
    const auto column = Column(points, j);
    EXPECT_EQ(*std::min_element(column.begin(), column.end()), 0.0);
    EXPECT_EQ(*std::max_element(column.begin(), column.end()), 1.0);
  }
}

TEST(Preprocess, RobustIsMedianAndQuartiles) {
  for (std::size_t n : {2u, 3u, 4u, 5u, 100u, 1001u}) {
    const Matrix matrix = test::UniformRows(n, 2, n, -3, 9);
    const Preprocessed out = Prepare(matrix, Scaled(Scale::kRobust));
    for (std::size_t j = 0; j < 2; ++j) {
      const auto column = Column(matrix, j);
      EXPECT_NEAR(out.offset[j], Type7(column, 0.5), 1e-13);
      EXPECT_NEAR(out.scale[j], Type7(column, 0.75) - Type7(column, 0.25), 1e-13);
    }
  }
}

TEST(Preprocess, ColumnsWithoutSpreadKeepTheirUnits) {
  Matrix matrix = test::UniformRows(100, 2, 1);
  for (auto& row : matrix) row[0] = 0.1;  // not a sum of halves: the mean is off by a rounding error
  for (Scale scale : {Scale::kZscore, Scale::kMinmax, Scale::kRobust}) {
    EXPECT_EQ(Prepare(matrix, Scaled(scale)).scale[0], 1.0);
  }
  for (std::size_t i = 0; i < 90; ++i) matrix[i][1] = 3;  // the quartiles agree, the range does not
  EXPECT_EQ(Prepare(matrix, Scaled(Scale::kRobust)).scale[1], 1.0);
  EXPECT_NE(Prepare(matrix, Scaled(Scale::kMinmax)).scale[1], 1.0);
}

TEST(Preprocess, IntegerWeightsAreRepeatedRows) {
  const Matrix matrix = test::UniformRows(400, 3, 5, -2, 30);
  const auto weights = test::RandomWeights(400, 6);
  for (Scale scale : {Scale::kNone, Scale::kZscore, Scale::kMinmax, Scale::kRobust}) {
    const Preprocessed weighted = Prepare(matrix, Scaled(scale), weights);
    const Preprocessed repeated = Prepare(test::Repeated(matrix, weights), Scaled(scale));
    for (std::size_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(weighted.offset[j], repeated.offset[j], 1e-13 * std::abs(repeated.offset[j]));
      EXPECT_NEAR(weighted.scale[j], repeated.scale[j], 1e-13 * repeated.scale[j]);
      EXPECT_NEAR(weighted.columns[j].variance, repeated.columns[j].variance, 1e-12 * repeated.columns[j].variance);
      EXPECT_NEAR(weighted.columns[j].skewness, repeated.columns[j].skewness, 1e-9);
    }
  }
}

TEST(Preprocess, CosineTakesRowsToLength1) {
  Options options;
  options.distance = Distance::kCosine;
  const Preprocessed out = Prepare(test::UniformRows(200, 3, 1, -1, 1), options);
  for (const auto& row : test::RowsOfPoints(out.points)) {
    EXPECT_NEAR(test::SquaredDistance(row.data(), std::vector<double>(3).data(), 3), 1, 1e-15 * 4);
  }
}

TEST(Preprocess, RowsWithoutDirectionAreErrorsOrSkipped) {
  for (std::size_t zeros : {1u, 5u, 300u}) {
    Matrix matrix = test::UniformRows(300 - zeros, 3, 1);
    matrix.insert(matrix.end(), zeros, {0, 0, 0});
    Options options;
    options.distance = Distance::kCosine;
    ExpectError(ErrorCode::kInvalidParameter, [&] { Prepare(matrix, options); });
    options.on_null = OnNull::kSkip;
    for (bool weighted : {false, true}) {
      const Preprocessed out = Prepare(matrix, options, weighted ? test::RandomWeights(300, 1) : std::vector<double>());
      EXPECT_EQ(out.without_direction, zeros);
      EXPECT_EQ(out.points.rows(), 300 - zeros);
    }
  }
}

TEST(Preprocess, NumbersBeyondTheRangeAreErrors) {
  for (Scale scale : {Scale::kNone, Scale::kZscore, Scale::kMinmax, Scale::kRobust}) {
    for (double size : {1e155, 1e200, 1.7e308}) {
      ExpectError(ErrorCode::kNotFinite, [&] { Prepare({{-size, 1}, {size, 2}, {0, 3}}, Scaled(scale)); });
    }
  }
}

// The tile is filled up with rows of weight 0 at the origin: however far away the origin is, they must not count.
TEST(Preprocess, LargeNumbersCloseTogetherAreFine) {
  for (std::size_t n : {3u, 64u, 100u}) {
    Matrix matrix = test::UniformRows(n, 1, 1, 1e160, 1.0001e160);
    for (auto& row : matrix) row[0] = 1e160 + 1e150 * std::floor((row[0] - 1e160) / 1e154);
    const Preprocessed out = Prepare(matrix, Scaled(Scale::kZscore));
    EXPECT_TRUE(std::isfinite(out.columns[0].variance)) << n;
  }
}

TEST(SortedQuantile, IsType7) {
  test::Random random(4);
  for (std::size_t n = 1; n <= 40; ++n) {
    std::vector<double> values(n);
    for (double& value : values) value = static_cast<double>(random.Below(10));
    std::sort(values.begin(), values.end());
    std::vector<double> cumulative(n);
    for (std::size_t i = 0; i < n; ++i) cumulative[i] = static_cast<double>(i + 1);
    for (double q : {0.0, 0.01, 0.25, 0.3, 0.5, 0.75, 0.99, 1.0}) {
      EXPECT_NEAR(SortedQuantile(values, cumulative, q), Type7(values, q), 1e-13) << n << " " << q;
    }
  }
}

// The numbers of numpy.quantile([1, 2, 4, 8], [0.1, 0.25, 0.5, 0.9]), by hand: positions 0.3, 0.75, 1.5, 2.7.
TEST(SortedQuantile, KnownAnswers) {
  const std::vector<double> values = {1, 2, 4, 8};
  const std::vector<double> cumulative = {1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(SortedQuantile(values, cumulative, 0.1), 1.3);
  EXPECT_DOUBLE_EQ(SortedQuantile(values, cumulative, 0.25), 1.75);
  EXPECT_DOUBLE_EQ(SortedQuantile(values, cumulative, 0.5), 3);
  EXPECT_DOUBLE_EQ(SortedQuantile(values, cumulative, 0.9), 6.8);
}

TEST(SortedQuantile, SmallWeightsStayInRange) {
  const std::vector<double> values = {1, 2, 3};
  const std::vector<double> cumulative = {0.1, 0.2, 0.3};  // less than one unit of weight in all
  for (double q : {0.0, 0.5, 1.0}) {
    EXPECT_GE(SortedQuantile(values, cumulative, q), 1);
    EXPECT_LE(SortedQuantile(values, cumulative, q), 3);
  }
}

TEST(NormalizeDirection, SaysWhenThereIsNone) {
  for (double bad : {0.0, 1e-200, 1e200, test::kNaN, test::kInf}) {  // squares underflow or overflow
    double point[2] = {bad, bad};
    EXPECT_FALSE(NormalizeDirection(point, 2)) << bad;
  }
  double point[2] = {3, -4};
  EXPECT_TRUE(NormalizeDirection(point, 2));
  EXPECT_EQ(point[0], 0.6);
  EXPECT_EQ(point[1], -0.8);
}

}  // namespace
}  // namespace segmentation
