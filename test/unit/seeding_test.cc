#include "core/seeding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/random.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

std::vector<std::vector<double>> SeedRows(const Matrix& rows, std::size_t k, Init init, std::uint64_t seed,
                                          std::uint32_t restart, const std::vector<double>& weights = {}) {
  const auto flat = Seed(test::MakeTiles(rows, weights), k, init, seed, restart, test::kNoInterrupt);
  const auto d = static_cast<std::ptrdiff_t>(rows.front().size());
  Matrix out;
  for (auto at = flat.begin(); at != flat.end(); at += d) out.emplace_back(at, at + d);
  return out;
}

// Greedy k-means++ as in the paper, with plain sums; the same random numbers.
Matrix NaivePlusPlus(const Matrix& rows, std::size_t k, std::uint64_t seed, std::uint32_t restart,
                     const std::vector<double>& weights) {
  const CounterRandom random(seed, restart);
  const std::size_t d = rows.front().size();
  const auto weight = [&](std::size_t i) { return weights.empty() ? 1.0 : weights[i]; };
  std::vector<double> nearest(rows.size(), 1.0);
  Matrix centroids;
  while (centroids.size() < k) {
    double total = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) total += weight(i) * nearest[i];
    if (!(total > 0)) break;
    const std::size_t candidates = centroids.empty() ? 1 : 2 + static_cast<std::size_t>(std::log(static_cast<double>(k)));
    std::size_t best = 0;
    double best_potential = test::kInf;
    for (std::size_t c = 0; c < candidates; ++c) {
      double left = random.Uniform(static_cast<std::uint32_t>(centroids.size()), c) * total;
      std::size_t row = 0;
      while (row + 1 < rows.size() && left >= weight(row) * nearest[row]) left -= weight(row) * nearest[row], ++row;
      double potential = 0;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const double square = test::SquaredDistance(rows[i].data(), rows[row].data(), d);
        potential += weight(i) * (centroids.empty() ? square : std::min(square, nearest[i]));
      }
      if (potential < best_potential) best_potential = potential, best = row;
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double square = test::SquaredDistance(rows[i].data(), rows[best].data(), d);
      nearest[i] = centroids.empty() ? square : std::min(square, nearest[i]);
    }
    centroids.push_back(rows[best]);
  }
  return centroids;
}

TEST(Seed, PlusPlusIsGreedyKMeansPlusPlus) {
  for (std::uint32_t restart = 0; restart < 10; ++restart) {
    for (std::size_t n : {5u, 64u, 500u, 9000u}) {  // 9,000: more than two blocks
      const Matrix rows = test::UniformRows(n, 2, n);
      for (std::size_t k : {1u, 2u, 3u, 5u}) {
        EXPECT_EQ(SeedRows(rows, k, Init::kPlusPlus, 17, restart), NaivePlusPlus(rows, k, 17, restart, {}))
            << n << " " << k;
      }
      const auto weights = test::RandomWeights(n, 8, 50);
      EXPECT_EQ(SeedRows(rows, 4, Init::kPlusPlus, 3, restart, weights), NaivePlusPlus(rows, 4, 3, restart, weights)) << n;
    }
  }
}

TEST(Seed, PlusPlusStopsAtTheNumberOfDifferentRows) {
  const Matrix rows = test::LatticeRows(1000, 2, 2, 1);  // 4 different ones
  for (std::size_t k : {4u, 5u, 50u}) {
    const auto centroids = SeedRows(rows, k, Init::kPlusPlus, 1, 0);
    EXPECT_EQ(std::set<std::vector<double>>(centroids.begin(), centroids.end()).size(), 4u);
    EXPECT_EQ(centroids.size(), 4u);
  }
  EXPECT_EQ(SeedRows(Matrix(100, {1.0}), 3, Init::kPlusPlus, 1, 0).size(), 1u);
}

TEST(Seed, RowsFarFromTheOriginAreNotTakenForPadding) {
  // The tile's padding lies at the origin, at a squared distance beyond the range of a double.
  const Matrix rows = {{1e160}, {1e160 + 1e150}, {1e160 + 2e150}};
  EXPECT_EQ(SeedRows(rows, 3, Init::kPlusPlus, 1, 0).size(), 3u);
}

TEST(Seed, TheFirstCentroidIsDrawnByWeight) {
  const Matrix rows = {{0}, {1}, {2}, {3}};
  const std::vector<double> weights = {1, 2, 3, 4};
  std::map<double, double> counts;
  constexpr int kDraws = 10'000;
  for (std::uint32_t restart = 0; restart < kDraws; ++restart) {
    counts[SeedRows(rows, 1, Init::kPlusPlus, 5, restart, weights)[0][0]] += 1;
  }
  for (std::size_t i = 0; i < 4; ++i) {
    const double share = weights[i] / 10;
    EXPECT_NEAR(counts[rows[i][0]] / kDraws, share, 5 * std::sqrt(share * (1 - share) / kDraws)) << i;
  }
}

TEST(Seed, RandomDrawsDifferentRowsEachEquallyOften) {
  Matrix rows;
  for (int i = 0; i < 10; ++i) rows.push_back({static_cast<double>(i)});
  std::vector<double> weights(10, 1.0);
  weights[0] = 1000;
  std::map<double, double> counts;
  constexpr int kDraws = 5000;
  for (std::uint32_t restart = 0; restart < kDraws; ++restart) {
    const auto centroids = SeedRows(rows, 3, Init::kRandom, 5, restart, weights);
    ASSERT_EQ(std::set<std::vector<double>>(centroids.begin(), centroids.end()).size(), 3u);
    for (const auto& centroid : centroids) counts[centroid[0]] += 1;
  }
  ASSERT_EQ(counts.size(), 10u);
  for (const auto& [row, count] : counts) {
    EXPECT_NEAR(count / kDraws, 0.3, 5 * std::sqrt(0.3 * 0.7 / kDraws)) << row;  // 3 of 10
  }
}

TEST(Seed, RandomTakesAllRowsWhenKIsLarge) {
  const Matrix rows = test::UniformRows(7, 2, 1);
  auto centroids = SeedRows(rows, 20, Init::kRandom, 1, 0);
  auto expected = rows;
  std::sort(centroids.begin(), centroids.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(centroids, expected);
}

TEST(Seed, DependsOnSeedAndRestartAlone) {
  const Matrix rows = test::UniformRows(300, 2, 1);
  for (Init init : {Init::kPlusPlus, Init::kRandom}) {
    EXPECT_EQ(SeedRows(rows, 4, init, 1, 2), SeedRows(rows, 4, init, 1, 2));
    EXPECT_NE(SeedRows(rows, 4, init, 1, 2), SeedRows(rows, 4, init, 1, 3));
    EXPECT_NE(SeedRows(rows, 4, init, 1, 2), SeedRows(rows, 4, init, 2, 2));
  }
}

TEST(GreedyCandidates, IsTwoPlusTheLogarithm) {
  for (std::size_t k = 1; k <= 65'536; ++k) {
    EXPECT_EQ(GreedyCandidates(k), 2 + static_cast<std::size_t>(std::floor(std::log(static_cast<long double>(k))))) << k;
  }
}

}  // namespace
}  // namespace segmentation
