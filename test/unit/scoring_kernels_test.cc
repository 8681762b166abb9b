// Every vector width against a scalar loop, bit for bit.
#include "core/scoring_kernels.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "test_support.h"

namespace segmentation {
namespace {

using test::kInf;
using test::kNaN;

bool SameBits(double a, double b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

// As CompileScorer lays them out.
std::vector<double> Grouped(const test::Matrix& centroids) {
  const std::size_t dimensions = centroids.front().size();
  std::vector<double> groups(CentroidGroups(centroids.size()) * kCentroidGroup * dimensions, kInf);
  for (std::size_t c = 0; c < centroids.size(); ++c) {
    for (std::size_t j = 0; j < dimensions; ++j) {
      groups[(c / kCentroidGroup * dimensions + j) * kCentroidGroup + c % kCentroidGroup] = centroids[c][j];
    }
  }
  return groups;
}

struct Two {
  NearCentroid first{0, kInf};
  NearCentroid second{0, kInf};
};

// One centroid after the other; an equal one does not displace, what is displaced becomes the second.
Two ScalarTwo(const std::vector<double>& point, const test::Matrix& centroids) {
  Two two;
  for (std::size_t c = 0; c < centroids.size(); ++c) {
    const double square = test::SquaredDistance(point.data(), centroids[c].data(), point.size());
    const NearCentroid here{static_cast<std::uint32_t>(c), square};
    if (square < two.first.square) {
      two.second = two.first;
      two.first = here;
    } else if (square < two.second.square) {
      two.second = here;
    }
  }
  return two;
}

void ExpectSame(const NearCentroid& got, const NearCentroid& want, const std::string& where) {
  ASSERT_EQ(got.index, want.index) << where;
  ASSERT_TRUE(SameBits(got.square, want.square)) << where << ": " << got.square << " for " << want.square;
}

void CheckAllWidths(const test::Matrix& points, const test::Matrix& centroids) {
  const std::vector<double> groups = Grouped(centroids);
  for (const auto& point : points) {
    const Two expected = ScalarTwo(point, centroids);
    for (const ScoringKernels& kernels : UsableScoringKernels()) {
      const std::string where = std::to_string(kernels.lanes) + " lanes, k " + std::to_string(centroids.size()) + ", d " +
                                std::to_string(point.size());
      const std::size_t count = CentroidGroups(centroids.size());
      Two got;
      kernels.nearest_two(point.data(), groups.data(), point.size(), count, &got.first, &got.second);
      const NearCentroid one = kernels.nearest(point.data(), groups.data(), point.size(), count);
      ASSERT_NO_FATAL_FAILURE(ExpectSame(one, expected.first, where));
      ASSERT_NO_FATAL_FAILURE(ExpectSame(got.first, expected.first, where));
      ASSERT_NO_FATAL_FAILURE(ExpectSame(got.second, expected.second, where));
    }
  }
}

TEST(ScoringKernels, WidthsAreUsableAndDifferent) {
  std::set<int> lanes;
  for (const ScoringKernels& kernels : UsableScoringKernels()) lanes.insert(kernels.lanes);
  EXPECT_EQ(lanes.size(), UsableScoringKernels().size());
  EXPECT_EQ(*lanes.begin(), 2);  // the baseline of x86-64 and arm64 is always there
  EXPECT_EQ(BestScoringKernels().lanes, *lanes.rbegin());
}

TEST(ScoringKernels, EveryNumberOfCentroidsGivesTheScalarBits) {
  for (std::size_t k = 1; k <= 150; ++k) {
    for (std::size_t dimensions : {1u, 2u, 3u, 8u, 13u}) {
      CheckAllWidths(test::UniformRows(20, dimensions, k, -1e3, 1e3), test::UniformRows(k, dimensions, 2000 + k, -1e3, 1e3));
    }
  }
}

TEST(ScoringKernels, EveryDimensionGivesTheScalarBits) {
  for (std::size_t dimensions = 1; dimensions <= 70; ++dimensions) {
    for (std::size_t k : {1u, 2u, 8u, 9u, 33u}) {
      CheckAllWidths(test::UniformRows(20, dimensions, dimensions), test::UniformRows(k, dimensions, 1000 + k));
    }
  }
}

// Nearly every row has several nearest centroids, in other lanes and in other groups.
TEST(ScoringKernels, TiesGoToTheLowestIndex) {
  for (std::size_t dimensions : {1u, 2u, 3u, 6u}) {
    for (std::size_t k : {2u, 3u, 9u, 16u, 31u, 64u, 130u}) {
      CheckAllWidths(test::LatticeRows(100, dimensions, 3, k), test::LatticeRows(k, dimensions, 3, 7 * k));
    }
  }
  CheckAllWidths(test::UniformRows(20, 2, 1), test::Matrix(40, {0.5, 0.25}));
}

TEST(ScoringKernels, NumbersOfAnySize) {
  for (double size : {1e-160, 1e-150, 1e-8, 1e8, 1e150, 1e160}) {  // squares underflow at the first, overflow at the last
    CheckAllWidths(test::UniformRows(20, 5, 3, -size, size), test::UniformRows(43, 5, 4, -size, size));
  }
}

// What has no finite distance is nobody's nearest, and a point that is not finite has none.
TEST(ScoringKernels, DistancesThatAreNotFinite) {
  test::Random random(5);
  for (int trial = 0; trial < 300; ++trial) {
    test::Matrix centroids = test::UniformRows(1 + random.Below(70), 3, static_cast<std::uint64_t>(trial));
    for (auto& centroid : centroids) {
      if (random.Below(2) == 0) centroid[random.Below(3)] = random.Below(2) == 0 ? 1e200 : -1e200;
    }
    CheckAllWidths({{0, 0, 0}, {1e200, 0, 0}, {kInf, 0, 0}, {0, -kInf, kInf}, {0, 0, kNaN}}, centroids);
  }
}

TEST(ScoringKernels, ScaleGivesTheScalarBitsAndFindsWhatIsNotFinite) {
  test::Random random(6);
  for (std::size_t columns = 1; columns <= 40; ++columns) {
    const auto x = test::UniformRows(1, columns, columns, -1e3, 1e3).front();
    const auto offset = test::UniformRows(1, columns, columns + 100, -1e3, 1e3).front();
    const auto scale = test::UniformRows(1, columns, columns + 200, 0.1, 9).front();
    for (const ScoringKernels& kernels : UsableScoringKernels()) {
      std::vector<double> z(columns);
      ASSERT_TRUE(kernels.scale(x.data(), offset.data(), scale.data(), columns, z.data()));
      for (std::size_t j = 0; j < columns; ++j) ASSERT_TRUE(SameBits(z[j], (x[j] - offset[j]) / scale[j]));
      std::vector<double> in_place = x;
      ASSERT_TRUE(kernels.scale(in_place.data(), offset.data(), scale.data(), columns, in_place.data()));
      ASSERT_EQ(std::memcmp(in_place.data(), z.data(), columns * sizeof(double)), 0);
      for (double bad : {kNaN, kInf, -kInf}) {
        for (std::size_t at = 0; at < columns; ++at) {
          std::vector<double> row = x;
          row[at] = bad;
          ASSERT_FALSE(kernels.scale(row.data(), offset.data(), scale.data(), columns, z.data()));
        }
      }
    }
  }
  const double huge[2] = {1, 1e300}, zero[2] = {0, 0}, tiny[2] = {1, 1e-300};
  double z[2];
  for (const ScoringKernels& kernels : UsableScoringKernels()) EXPECT_FALSE(kernels.scale(huge, zero, tiny, 2, z));
}

}  // namespace
}  // namespace segmentation
