// Single-precision copies of points, plain and packed: how far they lie from the points is what they say.
#include "core/filter_tiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

// Rows of several kinds: alike, in groups, one far away, in a narrow range far from the origin, some columns constant.
std::vector<Matrix> KindsOfRows() {
  std::vector<Matrix> kinds = {test::UniformRows(700, 5, 4, -3, 9), test::Blobs(300, 3, 5, 7), test::LatticeRows(200, 2, 6, 1)};
  kinds.push_back(test::UniformRows(700, 5, 4, -3 + 1e5, 9 + 1e5));
  Matrix far = test::Blobs(400, 2, 4, 9);
  far[70] = {1e12, -1e12};
  kinds.push_back(far);
  Matrix narrow = test::UniformRows(300, 4, 8);
  for (auto& row : narrow) row = {1e5 + row[0], 1 + 1e-9 * row[1], 7, 1e-200 * row[2]};
  narrow[0][0] = -2e5;  // so that the middle of the copies is elsewhere
  kinds.push_back(narrow);
  return kinds;
}

Points Packed(const Matrix& rows) {
  Points points = test::MakePoints(rows, {}, false);
  points.BuildFilter(test::Alone(), 0);
  return points;
}

void ExpectCloseTo(const Points& points, const Matrix& rows) {
  const FilterTiles& filter = *points.filter();
  const std::size_t d = filter.dimensions();
  std::vector<float> buffer(d * kTileRows);
  std::vector<float> row(d * kTileRows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t tile = i / kTileRows;
    const float* copy = filter.Tile(tile, buffer.data()) + i % kTileRows;
    filter.CopyRow(i, row.data());
    double square = 0;
    double error = 0;
    for (std::size_t j = 0; j < d; ++j) {
      const double exact = (rows[i][j] - filter.center()[j]) * filter.scale();
      EXPECT_LE(std::abs(exact), 1);
      EXPECT_EQ(copy[j * kTileRows], row[j * kTileRows]);
      // Below 2^-126, numbers of single precision are 2^-149 apart.
      if (!filter.packed()) {
        EXPECT_NEAR(copy[j * kTileRows], exact, std::max(std::abs(exact) * 0x1p-24, 0x1p-150));
      }
      square += exact * exact;
      error += (copy[j * kTileRows] - exact) * (copy[j * kTileRows] - exact);
    }
    EXPECT_LE(std::sqrt(square), filter.radius(tile));
    EXPECT_LE(std::sqrt(error), filter.error(tile) + 0x1p-24 * filter.radius(tile)) << i;
  }
}

TEST(FilterTiles, CopiesAreAsCloseAsTheySay) {
  for (const Matrix& rows : KindsOfRows()) {
    const Points plain = test::MakePoints(rows);
    EXPECT_FALSE(plain.filter()->packed());
    for (std::size_t tile = 0; tile < plain.tile_count(); ++tile) EXPECT_EQ(plain.filter()->error(tile), 0);
    ExpectCloseTo(plain, rows);
    const Points packed = Packed(rows);
    EXPECT_TRUE(packed.filter()->packed());
    ExpectCloseTo(packed, rows);
  }
}

TEST(FilterTiles, PackedCopiesHaveSixteenBits) {
  // Each coordinate is off by at most half of a 65,000th of the range, which is 2 here.
  const Points points = Packed(test::UniformRows(6400, 9, 2, -1, 1));
  for (std::size_t tile = 0; tile < points.tile_count(); ++tile) {
    EXPECT_LE(points.filter()->error(tile), std::sqrt(9.0) / 65000 * 1.01);
    EXPECT_GT(points.filter()->error(tile), std::sqrt(9.0) / 65000 / 4);
  }
}

TEST(FilterTiles, AFarRowCostsPrecisionInItsTileAlone) {
  Matrix rows = test::UniformRows(640, 2, 3, 0, 1);
  rows[70] = {30, 0};
  const Points points = Packed(rows);
  const FilterTiles& filter = *points.filter();
  for (std::size_t tile = 0; tile < 10; ++tile) {
    const double in_units_of_rows = filter.error(tile) / filter.scale();
    if (tile == 1) {
      EXPECT_GT(in_units_of_rows, 30.0 / 65000 / 4);
    } else {
      EXPECT_LT(in_units_of_rows, std::sqrt(2) / 2 / 65000 * 1.1);
    }
  }
}

TEST(FilterTiles, RowsThatAreAllEqualAreNotPacked) {
  EXPECT_FALSE(Packed(Matrix(100, {3.5, -2})).filter()->packed());
}

TEST(FilterTiles, EveryWidthPacksAlike) {
  for (const Matrix& rows : KindsOfRows()) {
    const Points plain = test::MakePoints(rows);
    const std::size_t d = plain.dimensions();
    std::vector<float> expected;
    std::vector<std::int16_t> expected_whole;
    for (const FilterVariant& variant : UsableFilters()) {
      std::vector<std::int16_t> whole(d * kTileRows);
      std::vector<float> middle(d);
      std::vector<float> step(d);
      std::vector<float> tile(d * kTileRows);
      const float error = variant.pack(plain.filter()->Tile(0, nullptr), d, {whole.data(), middle.data(), step.data()});
      EXPECT_TRUE(std::isfinite(error));
      variant.unpack(whole.data(), middle.data(), step.data(), d, tile.data());
      if (expected.empty()) expected = tile, expected_whole = whole;
      EXPECT_EQ(whole, expected_whole) << variant.lanes;
      EXPECT_EQ(tile, expected) << variant.lanes;
    }
  }
}

}  // namespace
}  // namespace segmentation
