// The single-precision filter against double precision: what it proves is true, and it proves most of it.
#include "core/filter_tile.h"

#include <gtest/gtest.h>

#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

struct Result {
  std::size_t proven = 0;
  std::size_t rows = 0;
};

// Runs a variant over all tiles, packed or not, and checks labels and slack of every row against double precision.
Result Check(const FilterVariant& variant, const Matrix& rows, const Matrix& start, bool packed) {
  Points points = test::MakePoints(rows);
  if (packed) points.BuildFilter(test::Alone(), 0);
  const FilterTiles& filter = *points.filter();
  const std::size_t d = points.dimensions();
  const auto centroids = test::Flatten(start);
  std::vector<float> narrow;
  double radius = 0;
  for (std::size_t c = 0; c < centroids.size(); c += d) {
    double square = 0;
    for (std::size_t j = 0; j < d; ++j) {
      const double value = (centroids[c + j] - filter.center()[j]) * filter.scale();
      narrow.push_back(static_cast<float>(value));
      square += value * value;
    }
    radius = std::max(radius, std::sqrt(square));
  }
  std::vector<float> buffer(d * kTileRows);
  Result result;
  for (std::size_t tile = 0; tile < points.tile_count(); ++tile) {
    Label labels[kTileRows];
    float slack[kTileRows];
    const FilterBounds bounds = BoundsOf(d, filter.radius(tile), static_cast<float>(radius * (1 + 1e-6)), filter.error(tile));
    const std::uint64_t unproven = variant.kernel(filter.Tile(tile, buffer.data()), d, narrow.data(), start.size(), bounds, labels, slack);
    for (std::size_t r = 0; r < points.RowsIn(tile); ++r) {
      const std::size_t i = tile * kTileRows + r;
      const auto expected = test::NaiveNearest(rows[i], centroids);
      EXPECT_LT(labels[r], start.size());
      ++result.rows;
      EXPECT_EQ((unproven >> r & 1) == 0, slack[r] > 0);
      if ((unproven >> r & 1) != 0) continue;
      ++result.proven;
      EXPECT_EQ(labels[r], expected.label) << i;
      EXPECT_LE(slack[r], (std::sqrt(expected.second) - std::sqrt(expected.square)) * filter.scale() * (1 + 1e-12)) << i;
    }
  }
  return result;
}

Result CheckAll(const Matrix& rows, const Matrix& start) {
  Result least{SIZE_MAX, 0};
  for (const FilterVariant& variant : UsableFilters()) {
    for (bool packed : {false, true}) {
      const Result result = Check(variant, rows, start, packed);
      if (result.proven < least.proven) least = result;
    }
  }
  return least;
}

TEST(FilterTile, ProvesNearlyAllAndNothingFalse) {
  for (std::size_t d : {1u, 2u, 3u, 8u, 33u}) {
    for (std::size_t k : {1u, 2u, 3u, 8u, 9u, 100u}) {
      const Result result = CheckAll(test::UniformRows(1000, d, d * 1000 + k), test::UniformRows(k, d, k));
      EXPECT_GT(result.proven, result.rows * 95 / 100) << d << " " << k;
    }
  }
}

TEST(FilterTile, TiesAreLeftToDoublePrecision) {
  // Points of a lattice and centroids on it: most rows have several nearest centroids.
  for (std::uint64_t seed = 0; seed < 20; ++seed) CheckAll(test::LatticeRows(500, 2, 6, seed), test::LatticeRows(9, 2, 6, seed + 100));
  const Matrix rows = test::UniformRows(300, 3, 1);
  const Result twins = CheckAll(rows, {rows[0], rows[0]});
  EXPECT_EQ(twins.proven, 0u);
}

// A gap that single precision cannot see: the bounds must not claim to.
TEST(FilterTile, GapsBelowSinglePrecisionAreNotProven) {
  test::Random random(3);
  for (int exponent = 2; exponent < 12; ++exponent) {
    const double gap = std::pow(10.0, -exponent);
    Matrix rows;
    for (int i = 0; i < 500; ++i) rows.push_back({random.Uniform(-1, 1) * gap, random.Uniform(-1, 1)});
    CheckAll(rows, {{-1, 0}, {1, 0}, {0, 30}});
    CheckAll(rows, {{-gap, 0}, {gap, 0}});
  }
}

TEST(FilterTile, FarFromTheOriginAndAtAnyScale) {
  for (double scale : {1e-140, 1e-30, 1.0, 1e30, 1e140}) {
    Matrix rows = test::Blobs(400, 3, 5, 7);
    Matrix start = {rows[0], rows[1], rows[2], rows[3]};
    for (Matrix* matrix : {&rows, &start}) {
      for (auto& row : *matrix) {
        for (double& value : row) value = (value + 1e6) * scale;
      }
    }
    const Result result = CheckAll(rows, start);
    EXPECT_GT(result.proven, result.rows * 9 / 10) << scale;
  }
}

TEST(FilterTile, OneFarRowOrCentroidOnlyCostsProofs) {
  Matrix rows = test::Blobs(400, 2, 4, 9);
  const Matrix start = {rows[0], rows[1], rows[2]};
  rows.push_back({1e12, -1e12});
  CheckAll(rows, start);
  CheckAll(rows, {rows[0], rows[1], {1e149, 1e149}});
  CheckAll(test::Blobs(400, 2, 4, 9), {rows[0], {1e100, 0}, {-1e100, 0}});
}

TEST(FilterTile, EqualRows) {
  const Matrix rows(100, {3.5, -2});
  CheckAll(rows, {{3.5, -2}, {4, 4}});
}

}  // namespace
}  // namespace segmentation
