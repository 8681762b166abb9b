// Option "blocks": columns that are scaled as one.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/fit.h"
#include "core/options.h"
#include "core/preprocess.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::ExpectError;
using test::Matrix;

constexpr Scale kScales[] = {Scale::kNone, Scale::kZscore, Scale::kMinmax, Scale::kRobust};

Options WithBlocks(Scale scale, std::vector<ColumnBlock> blocks) {
  Options options;
  options.scale = scale;
  options.blocks = std::move(blocks);
  return options;
}

// Two numbers of different units, a category of three levels in columns 1 to 3, a number, and one of two levels in columns
// 5 and 6.
Matrix Customers(std::size_t rows, std::uint64_t seed) {
  test::Random random(seed);
  Matrix matrix;
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<double> row(7);
    row[0] = random.Uniform(20, 70);
    row[1 + random.Below(3)] = 1;
    row[4] = std::exp(random.Uniform(0, 8));
    row[random.Below(5) == 0 ? 5 : 6] = 1;
    matrix.push_back(row);
  }
  return matrix;
}

// Weighted variances of the columns in model space, by their definition.
std::vector<double> Variances(const Matrix& points, const std::vector<double>& weights) {
  std::vector<double> variances;
  double total = 0;
  for (double weight : weights) total += weight;
  for (std::size_t j = 0; j < points.front().size(); ++j) {
    double mean = 0, second = 0;
    for (std::size_t i = 0; i < points.size(); ++i) mean += weights[i] / total * points[i][j];
    for (std::size_t i = 0; i < points.size(); ++i)
      second += weights[i] / total * (points[i][j] - mean) * (points[i][j] - mean);
    variances.push_back(second);
  }
  return variances;
}

Matrix ScaledBy(const Preprocessed& made, Matrix matrix) {
  for (auto& row : matrix) {
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = (row[j] - made.offset[j]) / made.scale[j];
  }
  return matrix;
}

TEST(Blocks, VariancesAddUpToTheMeanOfTheOthers) {
  for (Scale scale : kScales) {
    for (bool weighted : {false, true}) {
      const Matrix matrix = Customers(500, 1);
      const std::vector<double> weights = weighted ? test::RandomWeights(500, 2) : std::vector<double>(500, 1.0);
      const Preprocessed made = Preprocess(test::OwnedRows(matrix, weighted ? weights : std::vector<double>{}).set(),
                                           WithBlocks(scale, {{1, 3}, {5, 6}}), test::Alone());
      const std::vector<double> v = Variances(ScaledBy(made, matrix), weights);
      const double mean = (v[0] + v[4]) / 2;
      EXPECT_NEAR(v[1] + v[2] + v[3], mean, 1e-11 * mean) << Name(scale);
      EXPECT_NEAR(v[5] + v[6], mean, 1e-11 * mean) << Name(scale);
      if (scale == Scale::kZscore) {
        EXPECT_NEAR(mean, 1, 1e-12);
      }
      // One scale each, so that distances between levels keep their proportions.
      EXPECT_EQ(made.scale[1], made.scale[2]);
      EXPECT_EQ(made.scale[1], made.scale[3]);
      EXPECT_EQ(made.scale[5], made.scale[6]);
      EXPECT_NE(made.scale[1], made.scale[5]);
    }
  }
}

TEST(Blocks, PointsAreScaledAsTheModelSays) {
  for (Scale scale : kScales) {
    const Matrix matrix = Customers(300, 3);
    const test::OwnedRows rows(matrix);
    const Preprocessed made = Preprocess(rows.set(), WithBlocks(scale, {{1, 3}, {5, 6}}), test::Alone());
    const Matrix points = test::RowsOfPoints(made.points);
    const auto order = CanonicalOrder(rows.set(), test::kNoInterrupt);
    ASSERT_EQ(points.size(), order.size());
    for (std::size_t i = 0; i < points.size(); ++i) {
      double row[7];
      std::memcpy(row, order[i], sizeof row);
      for (std::size_t j = 0; j < 7; ++j) EXPECT_EQ(points[i][j], (row[j] - made.offset[j]) / made.scale[j]);
    }
  }
}

TEST(Blocks, OtherColumnsAreScaledAsWithoutThem) {
  for (Scale scale : kScales) {
    const Matrix matrix = Customers(300, 4);
    Options without;
    without.scale = scale;
    const Preprocessed plain = Preprocess(test::OwnedRows(matrix).set(), without, test::Alone());
    const Preprocessed made = Preprocess(test::OwnedRows(matrix).set(), WithBlocks(scale, {{1, 3}, {5, 6}}), test::Alone());
    for (std::size_t j : {0u, 4u}) {
      EXPECT_EQ(made.scale[j], plain.scale[j]);
      EXPECT_EQ(made.offset[j], plain.offset[j]);
    }
  }
}

TEST(Blocks, AloneAddUpTo1) {
  for (Scale scale : kScales) {
    Matrix matrix = Customers(300, 5);
    for (auto& row : matrix) row = {row[1], row[2], row[3], row[5], row[6]};
    const Preprocessed made = Preprocess(test::OwnedRows(matrix).set(), WithBlocks(scale, {{0, 2}, {3, 4}}), test::Alone());
    const std::vector<double> v = Variances(ScaledBy(made, matrix), std::vector<double>(300, 1.0));
    EXPECT_NEAR(v[0] + v[1] + v[2], 1, 1e-12) << Name(scale);
    EXPECT_NEAR(v[3] + v[4], 1, 1e-12) << Name(scale);
  }
}

// A number that is the same for all rows has no variance that a block could be compared with.
TEST(Blocks, ColumnsWithoutSpreadDoNotCount) {
  for (Scale scale : kScales) {
    Matrix matrix = Customers(300, 6);
    for (auto& row : matrix) row[0] = 5;
    const Preprocessed made = Preprocess(test::OwnedRows(matrix).set(), WithBlocks(scale, {{1, 3}, {5, 6}}), test::Alone());
    const std::vector<double> v = Variances(ScaledBy(made, matrix), std::vector<double>(300, 1.0));
    EXPECT_NEAR(v[1] + v[2] + v[3], v[4], 1e-11 * v[4]) << Name(scale);
    // Nor has a block where all rows have the same level: it keeps its units.
    for (auto& row : matrix) row[5] = 1, row[6] = 0;
    EXPECT_EQ(Preprocess(test::OwnedRows(matrix).set(), WithBlocks(scale, {{1, 3}, {5, 6}}), test::Alone()).scale[5], 1);
  }
}

TEST(Blocks, IntegerWeightsAreRepeatedRows) {
  const Matrix matrix = Customers(200, 7);
  const std::vector<double> weights = test::RandomWeights(200, 8);
  for (Scale scale : kScales) {
    const Options options = WithBlocks(scale, {{1, 3}, {5, 6}});
    const Preprocessed weighted = Preprocess(test::OwnedRows(matrix, weights).set(), options, test::Alone());
    const Preprocessed repeated =
        Preprocess(test::OwnedRows(test::Repeated(matrix, weights)).set(), options, test::Alone());
    for (std::size_t j = 0; j < 7; ++j) {
      EXPECT_NEAR(weighted.scale[j], repeated.scale[j], 1e-12 * repeated.scale[j]);
      EXPECT_NEAR(weighted.offset[j], repeated.offset[j], 1e-12 * std::abs(repeated.offset[j]));
    }
  }
}

TEST(Blocks, AreInTheModel) {
  const Matrix matrix = Customers(300, 9);
  const Options options = ParseOptions(R"({"scale":"zscore","blocks":[[2,4],[6,7]]})");
  const Model model = Fit(test::OwnedRows(matrix).set(), 3, options, test::kNoInterrupt).value();
  const Preprocessed made = Preprocess(test::OwnedRows(matrix).set(), options, test::Alone());
  EXPECT_EQ(model.scale, made.scale);
  EXPECT_EQ(model.offset, made.offset);
  // Two numbers and two categories that count as one each: the total inertia is 4 n.
  EXPECT_NEAR(model.metrics.total_inertia, 4 * 300, 1e-8);
}

TEST(Blocks, AreReadFrom1) {
  const Options options = ParseOptions(R"({"blocks":[[2,4],[5,5],[9,16384]]})");
  ASSERT_EQ(options.blocks.size(), 3u);
  EXPECT_EQ(options.blocks[0].first, 1u);
  EXPECT_EQ(options.blocks[0].last, 3u);
  EXPECT_EQ(options.blocks[1].first, 4u);
  EXPECT_EQ(options.blocks[1].last, 4u);
  EXPECT_EQ(options.blocks[2].last, 16383u);
  EXPECT_TRUE(ParseOptions(R"({"blocks":[]})").blocks.empty());
  EXPECT_TRUE(ParseOptions("{}").blocks.empty());
}

TEST(Blocks, BadOnesAreErrors) {
  for (const char* value : {"5",           "null",         "\"1-3\"",   "{}",          "[1,3]",         "[[1]]",
                            "[[1,2,3]]",   "[[0,2]]",      "[[-1,2]]",  "[[3,2]]",     "[[1,3],[3,4]]", "[[4,5],[1,2]]",
                            "[[1,16385]]", "[[1.5,2]]",    "[[1,2.5]]", "[[\"1\",2]]", "[[null,2]]",    "[[1,2],5]",
                            "[[1,1e300]]", "[[1,2],[1,2]]"}) {
    const Error error = ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseOptions(std::string(R"({"blocks":)") + value + "}"); }, value);
    EXPECT_NE(error.message().find("\"blocks\""), std::string::npos) << error.message();
    EXPECT_NE(error.hint().find("[first, last]"), std::string::npos) << error.hint();
  }
}

TEST(Blocks, BeyondTheColumnsAreAnError) {
  const Options options = ParseOptions(R"({"blocks":[[1,2],[3,8]]})");
  EXPECT_NO_THROW(CheckOptions(options, 2, 8));
  EXPECT_NO_THROW(CheckOptions(options, 2, 0));  // not known yet
  const Error error = ExpectError(ErrorCode::kDimensionMismatch, [&] { CheckOptions(options, 2, 7); });
  EXPECT_NE(error.detail().find('8'), std::string::npos) << error.detail();
  EXPECT_NE(error.detail().find('7'), std::string::npos) << error.detail();
  ExpectError(ErrorCode::kDimensionMismatch,
              [&] { Fit(test::OwnedRows(Customers(20, 1)).set(), 2, options, test::kNoInterrupt); });
}

}  // namespace
}  // namespace segmentation
