#include "core/empty_cluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "test_support.h"

namespace segmentation {
namespace {

std::vector<std::size_t> NaiveFarthest(const test::Matrix& rows, const std::vector<double>& centroids, std::size_t count) {
  std::vector<std::tuple<double, std::vector<double>, std::size_t>> far;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double square = test::NaiveNearest(rows[i], centroids).square;
    if (square > 0) far.emplace_back(-square, rows[i], i);
  }
  std::sort(far.begin(), far.end());
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < std::min(count, far.size()); ++i) out.push_back(std::get<2>(far[i]));
  return out;
}

void Check(const test::Matrix& rows, const test::Matrix& centroids) {
  for (std::size_t count : {0u, 1u, 2u, 10u, 63u, 64u, 500u, 5000u}) {
    EXPECT_EQ(FarthestRows(test::MakePoints(rows), test::Flatten(centroids), count, test::kNoInterrupt),
              NaiveFarthest(rows, test::Flatten(centroids), count))
        << rows.size() << " rows, " << count;
  }
}

TEST(FarthestRows, AreTheFarthest) {
  for (std::size_t n : {1u, 63u, 64u, 65u, 1000u, 3000u}) Check(test::UniformRows(n, 2, n), test::UniformRows(3, 2, 99));
}

TEST(FarthestRows, TiesGoToTheSmallestCoordinates) {
  for (std::size_t n : {10u, 1000u}) Check(test::LatticeRows(n, 2, 4, n), test::LatticeRows(2, 2, 4, 5));
}

TEST(FarthestRows, NoneAtDistance0) {
  const test::Matrix rows(100, {1.0, 2.0});
  EXPECT_TRUE(FarthestRows(test::MakePoints(rows), {1, 2}, 5, test::kNoInterrupt).empty());
}

TEST(FarthestRows, WeightsDoNotMatter) {
  const auto rows = test::UniformRows(200, 2, 1);
  EXPECT_EQ(FarthestRows(test::MakePoints(rows, test::RandomWeights(200, 1)), {0, 0}, 9, test::kNoInterrupt),
            NaiveFarthest(rows, {0, 0}, 9));
}

}  // namespace
}  // namespace segmentation
