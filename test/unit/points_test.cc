// Points in place and in tiles: the same numbers either way.
#include "core/points.h"

#include <gtest/gtest.h>

#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

void ExpectSamePoints(const Points& a, const Points& b) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.tile_count(), b.tile_count());
  const std::size_t d = a.dimensions();
  std::vector<double> buffer_a(d * kTileRows), buffer_b(d * kTileRows), row_a(d), row_b(d);
  for (std::size_t tile = 0; tile < a.tile_count(); ++tile) {
    const double* x = a.Tile(tile, buffer_a.data());
    const double* y = b.Tile(tile, buffer_b.data());
    double weights_a[kTileRows], weights_b[kTileRows];
    const double* v = a.Weights(tile, weights_a);
    const double* w = b.Weights(tile, weights_b);
    for (std::size_t r = 0; r < kTileRows; ++r) {
      ASSERT_EQ(v[r], w[r]);
      for (std::size_t j = 0; j < d && r < a.RowsIn(tile); ++j) ASSERT_EQ(x[j * kTileRows + r], y[j * kTileRows + r]);
    }
  }
  for (std::size_t i = 0; i < a.rows(); ++i) {
    a.CopyRow(i, row_a.data());
    b.CopyRow(i, row_b.data());
    ASSERT_EQ(row_a, row_b);
    ASSERT_EQ(a.Weight(i), b.Weight(i));
  }
}

TEST(Points, InPlaceAsInTiles) {
  ThreadTeam team(test::kNoInterrupt, 3);
  for (std::size_t n : {1u, 63u, 64u, 65u, 1000u}) {
    const Matrix rows = test::UniformRows(n, 3, n, -5, 5);
    for (const auto& weights : {std::vector<double>{}, test::RandomWeights(n, 1)}) {
      for (std::size_t block : {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{100}, std::size_t{333}, SIZE_MAX}) {
        const test::OwnedRows owned(rows, weights, block);
        Points in_place(owned.set());
        Points tiles(test::MakeTiles(rows, weights));
        EXPECT_TRUE(in_place.in_place());
        ExpectSamePoints(in_place, tiles);
        in_place.FindBounds(team);
        tiles.FindBounds(team);
        for (Points* points : {&in_place, &tiles}) points->Scale({1, -2, 0.3}, {2, 0.7, 1e-3}, team);
        ExpectSamePoints(in_place, tiles);
        EXPECT_EQ(in_place.low(), tiles.low());
        EXPECT_EQ(in_place.high(), tiles.high());
        EXPECT_EQ(in_place.largest_weight(), tiles.largest_weight());
        in_place.BuildFilter(team);
        tiles.BuildFilter(team);
        for (std::size_t tile = 0; tile < tiles.tile_count(); ++tile) EXPECT_EQ(in_place.filter()->radius(tile), tiles.filter()->radius(tile));
      }
    }
  }
}

TEST(Points, BoundsHoldAfterScaling) {
  const Matrix rows = test::UniformRows(500, 2, 4, -3, 9);
  Points points(test::MakeTiles(rows));
  points.FindBounds(test::Alone());
  points.Scale({0.1, 0.2}, {0.3, 7}, test::Alone());
  std::vector<double> low = {test::kInf, test::kInf}, high = {-test::kInf, -test::kInf}, row(2);
  for (std::size_t i = 0; i < points.rows(); ++i) {
    points.CopyRow(i, row.data());
    for (std::size_t j = 0; j < 2; ++j) low[j] = std::min(low[j], row[j]), high[j] = std::max(high[j], row[j]);
  }
  EXPECT_EQ(points.low(), low);
  EXPECT_EQ(points.high(), high);
}

}  // namespace
}  // namespace segmentation
