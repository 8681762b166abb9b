// Every vector width against a scalar loop, bit for bit.
#include "core/distance_tile.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "test_support.h"

namespace segmentation {
namespace {

using test::kInf;

struct TileResult {
  double distance[kTileRows];
  double second[kTileRows];
  std::int32_t label[kTileRows];
};

bool SameBits(double a, double b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

// Both kernels of one width against the reference; a row per failure would be too many, so the first ends it.
void CheckWidth(const TileKernels& kernels, const Tiles& tiles, const std::vector<double>& centroids) {
  const std::size_t dimensions = tiles.dimensions();
  const std::size_t k = centroids.size() / dimensions;
  for (std::size_t tile = 0; tile < tiles.tile_count(); ++tile) {
    TileResult one;
    TileResult two;
    kernels.nearest(tiles.Tile(tile), dimensions, centroids.data(), k, one.distance, one.label, kTileRows);
    kernels.nearest_two(tiles.Tile(tile), dimensions, centroids.data(), k, two.distance, two.label, two.second, kTileRows);
    for (std::size_t r = 0; r < kTileRows; ++r) {
      std::vector<double> row(dimensions);
      tiles.CopyRow(tile * kTileRows + r, row.data());
      const auto expected = test::NaiveNearest(row, centroids);
      ASSERT_EQ(one.label[r], static_cast<std::int32_t>(expected.label))
          << kernels.lanes << " d " << dimensions << " k " << k;
      ASSERT_EQ(two.label[r], one.label[r]) << kernels.lanes << " d " << dimensions << " k " << k;
      ASSERT_TRUE(SameBits(one.distance[r], expected.square));
      ASSERT_TRUE(SameBits(two.distance[r], expected.square));
      ASSERT_TRUE(SameBits(two.second[r], expected.second));
    }
    kernels.distance(tiles.Tile(tile), dimensions, centroids.data(), one.distance, kTileRows);
    for (std::size_t r = 0; r < kTileRows; ++r) {
      std::vector<double> row(dimensions);
      tiles.CopyRow(tile * kTileRows + r, row.data());
      ASSERT_TRUE(SameBits(one.distance[r], test::SquaredDistance(row.data(), centroids.data(), dimensions)));
    }
  }
}

void CheckAllWidths(const Tiles& tiles, const std::vector<double>& centroids) {
  for (const TileKernels& kernels : UsableTileKernels()) CheckWidth(kernels, tiles, centroids);
}

TEST(DistanceTile, WidthsAreUsableAndDifferent) {
  std::set<int> lanes;
  for (const TileKernels& kernels : UsableTileKernels()) lanes.insert(kernels.lanes);
  EXPECT_EQ(lanes.size(), UsableTileKernels().size());
  EXPECT_EQ(*lanes.begin(), 2);  // the baseline of x86-64 and arm64 is always there
  EXPECT_EQ(UsableTileKernels().back().lanes, *lanes.rbegin());
}

TEST(DistanceTile, EveryDimensionGivesTheScalarBits) {
  for (std::size_t dimensions = 1; dimensions <= 70; ++dimensions) {
    for (std::size_t k : {1u, 2u, 3u, 5u, 17u}) {
      CheckAllWidths(test::MakeTiles(test::UniformRows(64, dimensions, dimensions)),
                     test::Flatten(test::UniformRows(k, dimensions, 1000 + k)));
    }
  }
}

TEST(DistanceTile, EveryKGivesTheScalarBits) {
  for (std::size_t k = 1; k <= 130; ++k) {
    for (std::size_t dimensions : {1u, 2u, 3u, 8u, 13u}) {
      CheckAllWidths(test::MakeTiles(test::UniformRows(100, dimensions, k, -1e3, 1e3)),
                     test::Flatten(test::UniformRows(k, dimensions, 2000 + k, -1e3, 1e3)));
    }
  }
}

// Rows and centroids on a coarse lattice: nearly every row has several nearest centroids, and the first must win.
TEST(DistanceTile, TiesGoToTheLowestIndex) {
  for (std::size_t dimensions : {1u, 2u, 3u, 6u}) {
    for (std::size_t k : {2u, 3u, 9u, 64u, 130u}) {
      CheckAllWidths(test::MakeTiles(test::LatticeRows(128, dimensions, 3, k)),
                     test::Flatten(test::LatticeRows(k, dimensions, 3, 7 * k)));
    }
  }
}

TEST(DistanceTile, EqualCentroidsTieEverywhere) {
  const test::Matrix centroids(9, {0.5, 0.25});
  const Tiles tiles = test::MakeTiles(test::UniformRows(64, 2, 1));
  CheckAllWidths(tiles, test::Flatten(centroids));
  TileResult result;
  NearestTwoInTile(tiles.Tile(0), 2, test::Flatten(centroids).data(), 9, result.distance, result.label, result.second);
  for (std::size_t r = 0; r < kTileRows; ++r) {
    EXPECT_EQ(result.label[r], 0);
    EXPECT_EQ(result.second[r], result.distance[r]);
  }
}

TEST(DistanceTile, SizesOfNumbersDoNotMatter) {
  for (double size : {1e-160, 1e-150, 1e-8, 1e8, 1e150, 1e160}) {  // squares underflow at the first, overflow at the last
    CheckAllWidths(test::MakeTiles(test::UniformRows(64, 5, 3, -size, size)),
                   test::Flatten(test::UniformRows(11, 5, 4, -size, size)));
  }
}

TEST(DistanceTile, OneCentroidHasNoRunnerUp) {
  const Tiles tiles = test::MakeTiles(test::UniformRows(64, 2, 1));
  TileResult result;
  const double centroid[2] = {0, 0};
  NearestTwoInTile(tiles.Tile(0), 2, centroid, 1, result.distance, result.label, result.second);
  for (double second : result.second) EXPECT_EQ(second, kInf);
}

TEST(DistanceTile, TheDispatchedFunctionsAreTheWidest) {
  const Tiles tiles = test::MakeTiles(test::UniformRows(64, 9, 1));
  const auto centroids = test::Flatten(test::UniformRows(12, 9, 2));
  const TileKernels& widest = UsableTileKernels().back();
  TileResult ours;
  TileResult expected;
  NearestInTile(tiles.Tile(0), 9, centroids.data(), 12, ours.distance, ours.label);
  widest.nearest(tiles.Tile(0), 9, centroids.data(), 12, expected.distance, expected.label, kTileRows);
  EXPECT_EQ(std::memcmp(ours.distance, expected.distance, sizeof ours.distance), 0);
  EXPECT_EQ(std::memcmp(ours.label, expected.label, sizeof ours.label), 0);
  DistanceInTile(tiles.Tile(0), 9, centroids.data(), ours.distance);
  widest.distance(tiles.Tile(0), 9, centroids.data(), expected.distance, kTileRows);
  EXPECT_EQ(std::memcmp(ours.distance, expected.distance, sizeof ours.distance), 0);
}

}  // namespace
}  // namespace segmentation
