#include "core/tiles.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <new>

#include "test_support.h"

namespace segmentation {
namespace {

TEST(Tiles, HoldRowsColumnByColumn) {
  for (std::size_t rows : {1u, 2u, 63u, 64u, 65u, 128u, 200u}) {
    const test::Matrix matrix = test::UniformRows(rows, 3, rows);
    const Tiles tiles = test::MakeTiles(matrix);
    ASSERT_EQ(tiles.tile_count(), (rows + 63) / 64);
    std::size_t in_all = 0;
    for (std::size_t tile = 0; tile < tiles.tile_count(); ++tile) {
      in_all += tiles.RowsIn(tile);
      for (std::size_t r = 0; r < tiles.RowsIn(tile); ++r) {
        for (std::size_t j = 0; j < 3; ++j) EXPECT_EQ(tiles.Tile(tile)[j * 64 + r], matrix[tile * 64 + r][j]);
      }
    }
    EXPECT_EQ(in_all, rows);
    EXPECT_EQ(test::RowsOfTiles(tiles), matrix);
  }
}

TEST(Tiles, RowsBeyondTheLastAreZeroAndWeighNothing) {
  for (std::size_t rows : {1u, 63u, 64u, 65u, 100u}) {
    for (bool weighted : {false, true}) {
      const auto weights = weighted ? test::RandomWeights(rows, 1) : std::vector<double>();
      const Tiles tiles = test::MakeTiles(test::UniformRows(rows, 2, 1, 5, 6), weights);
      EXPECT_EQ(tiles.weighted(), weighted);
      for (std::size_t i = 0; i < tiles.tile_count() * kTileRows; ++i) {
        const double weight = tiles.Weights(i / kTileRows)[i % kTileRows];
        if (i < rows) {
          EXPECT_EQ(weight, weighted ? weights[i] : 1.0);
          EXPECT_EQ(weight, tiles.Weight(i));
        } else {
          EXPECT_EQ(weight, 0.0);
          EXPECT_EQ(tiles.At(i, 0), 0.0);
          EXPECT_EQ(tiles.At(i, 1), 0.0);
        }
      }
    }
  }
}

TEST(Tiles, PartsOfEveryMthShareNoRow) {
  for (std::size_t rows : {100u, 257u, 1000u}) {
    test::Matrix matrix;
    for (std::size_t i = 0; i < rows; ++i) matrix.push_back({static_cast<double>(i), 1});
    const Tiles tiles = test::MakeTiles(matrix, test::RandomWeights(rows, 1));
    constexpr std::size_t kParts = 4;
    const std::size_t size = rows / kParts;
    std::vector<int> taken(rows, 0);
    for (std::size_t part = 0; part < kParts; ++part) {
      const Tiles few = tiles.EveryMth(size, part, kParts);
      ASSERT_EQ(few.rows(), size);
      for (std::size_t i = 0; i < size; ++i) {
        const auto row = static_cast<std::size_t>(few.At(i, 0));
        EXPECT_EQ(few.Weight(i), tiles.Weight(row));
        EXPECT_TRUE(i == 0 || few.At(i - 1, 0) < few.At(i, 0));
        EXPECT_EQ(taken[row]++, 0) << row;
      }
    }
  }
}

TEST(Tiles, WithoutRowsThereAreNoTiles) {
  const Tiles tiles(0, 4, true);
  EXPECT_EQ(tiles.tile_count(), 0u);
  EXPECT_FALSE(tiles.weighted());
}

TEST(Tiles, AreAlignedToCacheLines) {
  for (std::size_t dimensions : {1u, 3u, 7u}) {
    const Tiles tiles(130, dimensions, false);
    for (std::size_t tile = 0; tile < tiles.tile_count(); ++tile) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tiles.Tile(tile)) % 64, 0u);
    }
  }
}

TEST(CacheLineAllocator, RefusesSizesThatOverflow) {
  CacheLineAllocator<double> allocator;
  EXPECT_THROW(static_cast<void>(allocator.allocate(SIZE_MAX / 4)), std::bad_array_new_length);
}

}  // namespace
}  // namespace segmentation
