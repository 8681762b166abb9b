// Lloyd's algorithm on few rows against the one for all.
#include "core/few_rows.h"

#include <gtest/gtest.h>

#include <cmath>

#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

constexpr double kRounding = 1e-12;

struct Case {
  std::size_t rows;
  std::size_t dimensions;
  std::size_t k;
  bool weighted;
};

Clustering From(const Matrix& rows, std::size_t k) {
  Clustering state;
  state.centroids = test::Flatten(Matrix(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(k)));
  return state;
}

TEST(FewRows, DoesWhatLloydDoes) {
  const LloydLimits kLimits[] = {{300, 0, true}, {2, 0, true}, {1, 0, true}, {300, 0.01, true}};
  std::uint64_t seed = 0;
  int same = 0;
  for (const Case& c : {Case{1, 1, 1, false}, {25, 8, 2, false}, {63, 3, 5, true}, {64, 2, 7, false}, {65, 5, 3, true}, {256, 4, 12, false}}) {
    const Matrix rows = test::UniformRows(c.rows, c.dimensions, ++seed);
    test::Random random(seed);
    std::vector<double> weights(c.weighted ? c.rows : 0);
    for (double& weight : weights) weight = random.Uniform(0.5, 2);
    const Points points = test::MakePoints(rows, weights);
    FewRows few(points.tiles());
    Clustering ours;  // kept from one run to the next, as the search does
    for (const LloydLimits& limits : kLimits) {
      ours.centroids = From(rows, c.k).centroids;
      const Clustering expected = Lloyd(points, ours.centroids, limits, Distance::kEuclidean, test::Alone());
      if (!few.Run(limits, &ours)) continue;
      ++same;
      SCOPED_TRACE(testing::Message() << c.rows << " rows, max_iter " << limits.max_iter << ", shift " << limits.shift);
      ASSERT_EQ(ours.k(), c.k);
      EXPECT_EQ(ours.iterations, expected.iterations);
      EXPECT_EQ(ours.converged, expected.converged);
      EXPECT_EQ(ours.stable, expected.stable);
      EXPECT_EQ(ours.rows, expected.rows);
      EXPECT_NEAR(ours.inertia, expected.inertia, kRounding * (1 + expected.inertia));
      EXPECT_TRUE(std::equal(ours.labels.begin(), ours.labels.begin() + static_cast<std::ptrdiff_t>(c.rows), expected.labels.begin()));
      for (std::size_t at = 0; at < ours.centroids.size(); ++at) EXPECT_NEAR(ours.centroids[at], expected.centroids[at], kRounding);
      for (std::size_t at = 0; at < c.k; ++at) EXPECT_NEAR(ours.weights[at], expected.weights[at], kRounding * expected.weights[at]);
    }
  }
  EXPECT_GT(same, 20);
}

TEST(FewRows, LabelsCoverWholeTilesAndAreClusters) {
  const Matrix rows = test::UniformRows(70, 2, 1);
  const Points points = test::MakePoints(rows);
  Clustering state = From(rows, 3);
  ASSERT_TRUE(FewRows(points.tiles()).Run({300, 0, true}, &state));
  ASSERT_EQ(state.labels.size(), 2 * kTileRows);
  for (const Label label : state.labels) EXPECT_LT(label, 3u);
}

TEST(FewRows, AnInertiaOfRoundingErrorsAloneIsNone) {
  Matrix rows;
  for (int i = 0; i < 30; ++i) rows.push_back(i % 2 == 0 ? std::vector<double>{0.1, 1e9 + 0.3} : std::vector<double>{0.7, 1e9 + 0.4});
  Clustering state = From(rows, 2);
  ASSERT_TRUE(FewRows(test::MakePoints(rows).tiles()).Run({300, 0, true}, &state));
  EXPECT_EQ(state.inertia, 0);
  rows[3][1] = std::nextafter(rows[3][1], 2e9);  // a row that differs by as little as can be
  state = From(rows, 2);
  ASSERT_TRUE(FewRows(test::MakePoints(rows).tiles()).Run({300, 0, true}, &state));
  EXPECT_GT(state.inertia, 0);
}

TEST(FewRows, LeavesAClusterWithoutRowsToLloyd) {
  const Matrix rows = {{0.0}, {1.0}, {2.0}, {3.0}};
  const Points points = test::MakePoints(rows);
  Clustering state;
  state.centroids = {0.0, 1.0, 100.0};
  EXPECT_FALSE(FewRows(points.tiles()).Run({300, 0, true}, &state));
  EXPECT_EQ(state.centroids, (std::vector<double>{0.0, 1.0, 100.0}));
}

}  // namespace
}  // namespace segmentation
