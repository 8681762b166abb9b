#include "core/reduce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "test_support.h"

namespace segmentation {
namespace {

// The tree by its definition: a whole power of two of blocks is the sum of its halves; what is over at the end is added
// from the smallest part up.
double NaiveTree(const std::vector<double>& values, std::size_t first, std::size_t count) {
  if (count == 1) return values[first];
  return NaiveTree(values, first, count / 2) + NaiveTree(values, first + count / 2, count / 2);
}

double NaiveTotal(const std::vector<double>& values) {
  std::vector<double> parts;
  std::size_t at = 0;
  for (std::size_t size = std::size_t{1} << 20; size > 0; size /= 2) {
    if ((values.size() & size) == 0) continue;
    parts.push_back(NaiveTree(values, at, size));
    at += size;
  }
  double total = 0;
  for (std::size_t i = parts.size(); i > 0; --i) total = parts[i - 1] + total;
  return total;
}

TEST(TreeSum, AddsInTheFixedTree) {
  test::Random random(1);
  for (std::size_t count = 0; count <= 130; ++count) {
    std::vector<double> first(count);
    std::vector<double> second(count);
    TreeSum tree(2);
    for (std::size_t i = 0; i < count; ++i) {
      first[i] = random.Uniform(-1e6, 1e6);
      second[i] = random.Uniform();
      const double block[2] = {first[i], second[i]};
      tree.Add(block);
    }
    const std::vector<double> total = tree.Total();
    ASSERT_EQ(total.size(), 2u);
    EXPECT_EQ(total[0], NaiveTotal(first)) << count;
    EXPECT_EQ(total[1], NaiveTotal(second)) << count;
  }
}

TEST(FoldTile, AddsByHalving) {
  test::Random random(2);
  std::vector<double> values(kTileRows);
  for (double& value : values) value = random.Uniform(-1, 1);
  std::vector<double> folded = values;
  for (std::size_t half = 32; half > 0; half /= 2) {
    std::vector<double> next(half);
    for (std::size_t i = 0; i < half; ++i) next[i] = folded[i] + folded[i + half];
    folded = next;
  }
  EXPECT_EQ(FoldTile(values.data()), folded[0]);
}

TEST(FoldTile, LeavesOutRowsThatAreNotThere) {
  test::Random random(3);
  for (std::size_t rows = 0; rows <= kTileRows; ++rows) {
    std::vector<double> values(kTileRows, 0.0);
    for (std::size_t i = 0; i < rows; ++i) values[i] = random.Uniform(0, 1);
    std::vector<double> few = values;
    const std::size_t width = FoldWidth(rows);
    EXPECT_GE(width, rows);
    EXPECT_LT(width / 2, std::max<std::size_t>(rows, 1));
    EXPECT_EQ(FoldTile(few.data(), width), FoldTile(values.data())) << rows;
  }
}

TEST(SumOverTiles, SumsEveryTileOnceInItsBlock) {
  for (std::size_t tiles : {0u, 1u, 63u, 64u, 65u, 128u, 1000u}) {
    std::vector<std::size_t> visits;
    const auto sums = SumOverTiles(tiles, 2, test::kNoInterrupt, [&](std::size_t tile, double* sum) {
      visits.push_back(tile);
      sum[0] += 1;
      sum[1] += static_cast<double>(tile);
    });
    ASSERT_EQ(visits.size(), tiles);
    for (std::size_t i = 0; i < tiles; ++i) EXPECT_EQ(visits[i], i);
    EXPECT_EQ(sums[0], static_cast<double>(tiles));
    const auto n = static_cast<double>(tiles);
    EXPECT_EQ(sums[1], tiles == 0 ? 0 : n * (n - 1) / 2);  // Gauss
  }
}

// A running sum of n terms of 0.1 is off by about n rounding errors, a tree of blocks by a few.
TEST(SumOverTiles, LosesLittleToRounding) {
  constexpr std::size_t kTiles = 1'000'000;
  const double sum = SumOverTiles(kTiles, 1, test::kNoInterrupt, [](std::size_t, double* total) { *total += 0.1; })[0];
  EXPECT_NEAR(sum, 0.1 * kTiles, 1e-15 * 32 * 0.1 * kTiles);  // a block of 64 in a row, then 14 levels
}

}  // namespace
}  // namespace segmentation
