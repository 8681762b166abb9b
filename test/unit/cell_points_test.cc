#include "core/cell_points.h"

#include <gtest/gtest.h>

#include <cmath>

#include "test_support.h"

namespace segmentation {
namespace {

// Three points in two columns: weights 1, 2 and 5, the second without spread, the third with none in one column.
struct ThreePoints {
  ThreePoints() : tiles(3, 2, true) {
    const double at[3][2] = {{0, 0}, {100, -100}, {-100, 50}};
    const double weights[3] = {1, 2, 5};
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 2; ++j) tiles.At(i, j) = at[i][j];
      tiles.SetWeight(i, weights[i]);
    }
  }
  Tiles tiles;
  std::vector<double> deviations = {3, 12, 0, 0, 20, 0};  // variances 3 and 12, 0 and 0, 4 and 0
};

TEST(DrawRows, RowsHaveTheMomentsOfWhatTheyAreDrawnFrom) {
  const ThreePoints points;
  constexpr std::size_t kCount = 80000;
  const Tiles rows = DrawRows(points.tiles, points.deviations, kCount, CounterRandom(1, 2), test::kNoInterrupt);
  ASSERT_EQ(rows.rows(), kCount);
  EXPECT_FALSE(rows.weighted());
  const std::size_t first[4] = {0, 10000, 30000, 80000};  // by weight, in the order of the points
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      const double variance = points.deviations[2 * i + j] / points.tiles.Weight(i);
      const double reach = std::sqrt(3 * variance);  // of a uniform variable
      const auto count = static_cast<double>(first[i + 1] - first[i]);
      double sum = 0, square = 0, farthest = 0;
      for (std::size_t r = first[i]; r < first[i + 1]; ++r) {
        const double difference = rows.At(r, j) - points.tiles.At(i, j);
        sum += difference;
        square += difference * difference;
        farthest = std::max(farthest, std::abs(difference));
      }
      EXPECT_NEAR(sum / count, 0, 5 * std::sqrt(variance / count)) << i << j;
      // The variance of a squared uniform variable is 4/5 of its mean squared.
      EXPECT_NEAR(square / count, variance, 5 * variance * std::sqrt(0.8 / count)) << i << j;
      EXPECT_LE(farthest, reach * (1 + 1e-12));
      EXPECT_GE(farthest, reach * 0.99);
    }
  }
}

TEST(DrawRows, ColumnsAreIndependentAndStreamsDiffer) {
  const ThreePoints points;
  const Tiles rows = DrawRows(points.tiles, points.deviations, 8000, CounterRandom(1, 2), test::kNoInterrupt);
  const Tiles others = DrawRows(points.tiles, points.deviations, 8000, CounterRandom(1, 3), test::kNoInterrupt);
  double product = 0;
  std::size_t equal = 0;
  for (std::size_t r = 0; r < 1000; ++r) {
    product += rows.At(r, 0) * rows.At(r, 1);
    equal += rows.At(r, 0) == others.At(r, 0) ? 1 : 0;
  }
  EXPECT_LT(std::abs(product / 1000 / 6), 0.16);  // correlation, five standard deviations
  EXPECT_EQ(equal, 0u);
}

}  // namespace
}  // namespace segmentation
