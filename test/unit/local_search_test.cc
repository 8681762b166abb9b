// Exchanges of a centroid for a row, against all exchanges with other clusters computed one by one.
#include "core/local_search.h"

#include <gtest/gtest.h>

#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

// The weighted inertia with every row at its nearest centroid.
double Potential(const Matrix& rows, const std::vector<double>& weights, const std::vector<double>& centroids) {
  const std::size_t d = rows.front().size();
  double sum = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    double nearest = test::kInf;
    for (std::size_t c = 0; c < centroids.size() / d; ++c) {
      nearest = std::min(nearest, test::SquaredDistance(rows[i].data(), centroids.data() + c * d, d));
    }
    sum += (weights.empty() ? 1 : weights[i]) * nearest;
  }
  return sum;
}

// The row whose share the fraction falls on, by a plain running sum.
std::size_t DrawnRow(const Matrix& rows, const std::vector<double>& weights, const std::vector<double>& centroids, double fraction) {
  double left = fraction * Potential(rows, weights, centroids);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    left -= Potential({rows[i]}, weights.empty() ? weights : std::vector<double>{weights[i]}, centroids);
    if (left < 0) return i;
  }
  return rows.size() - 1;
}

void CheckAgainstBruteForce(const Matrix& rows, const std::vector<double>& weights, std::size_t k) {
  const std::size_t d = rows.front().size();
  const Points points = test::MakePoints(rows, weights);
  const std::vector<double> start = test::Flatten({rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(k)});
  const Clustering state = Lloyd(points, start, {300, 0}, Distance::kEuclidean, test::Alone());
  const Exchanges exchanges(points.tiles(), state, test::kNoInterrupt);
  for (double fraction : {0.0, 0.13, 0.5, 0.77, 0.999}) {
    const std::vector<double> got = exchanges.Try(fraction, test::kNoInterrupt);
    const std::vector<double>& row = rows[DrawnRow(rows, weights, state.centroids, fraction)];
    const std::size_t own = test::NaiveNearest(row, state.centroids).label;
    double best = test::kInf;
    for (std::size_t c = 0; c < k; ++c) {
      if (c == own) continue;
      std::vector<double> centroids = state.centroids;
      std::copy(row.begin(), row.end(), centroids.begin() + static_cast<std::ptrdiff_t>(c * d));
      best = std::min(best, Potential(rows, weights, centroids));
    }
    EXPECT_NEAR(Potential(rows, weights, got), best, 1e-9 * best) << "fraction " << fraction << ", k " << k;
    // One centroid is the row, the others stay.
    std::size_t changed = 0;
    for (std::size_t c = 0; c < k; ++c) {
      const bool same = std::equal(got.begin() + static_cast<std::ptrdiff_t>(c * d), got.begin() + static_cast<std::ptrdiff_t>((c + 1) * d),
                                   state.centroids.begin() + static_cast<std::ptrdiff_t>(c * d));
      if (same) continue;
      ++changed;
      EXPECT_TRUE(std::equal(row.begin(), row.end(), got.begin() + static_cast<std::ptrdiff_t>(c * d)));
    }
    EXPECT_LE(changed, 1u);
  }
}

TEST(LocalSearch, TakesTheOtherExchangeThatLeavesLeastInertia) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) CheckAgainstBruteForce(test::UniformRows(150, 3, seed), {}, 2 + seed % 7);
}

TEST(LocalSearch, CountsWeights) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    std::vector<double> weights;
    test::Random random(seed);
    for (int i = 0; i < 90; ++i) weights.push_back(random.Uniform(0.1, 5));
    CheckAgainstBruteForce(test::UniformRows(90, 2, seed), weights, 3 + seed % 4);
  }
}

}  // namespace
}  // namespace segmentation
