// Metrics against their definitions, term by term.
#include "core/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

struct Labelled {
  Matrix rows;
  std::vector<double> weights;
  std::vector<double> centroids;
  std::vector<std::size_t> labels;
  std::size_t k = 0;

  double Weight(std::size_t i) const { return weights.empty() ? 1 : weights[i]; }
};

Labelled LabelRows(const Matrix& rows, const std::vector<double>& centroids, const std::vector<double>& weights = {}) {
  Labelled out{rows, weights, centroids, {}, centroids.size() / rows.front().size()};
  for (const auto& row : rows) out.labels.push_back(test::NaiveNearest(row, centroids).label);
  return out;
}

// The centroids are the means of the rows that are nearest to them, so that all definitions agree about the center.
Labelled Converged(const Matrix& rows, std::size_t k, const std::vector<double>& weights = {}) {
  Labelled state = LabelRows(rows, test::Flatten({rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(k)}), weights);
  for (int i = 0; i < 200; ++i) {
    const std::size_t d = rows.front().size();
    std::vector<double> sum(k * d, 0.0), weight(k, 0.0);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      weight[state.labels[r]] += state.Weight(r);
      for (std::size_t j = 0; j < d; ++j) sum[state.labels[r] * d + j] += state.Weight(r) * rows[r][j];
    }
    for (std::size_t c = 0; c < k * d; ++c) sum[c] /= weight[c / d];
    state = LabelRows(rows, sum, weights);
  }
  return state;
}

Evaluation Ours(const Labelled& data) {
  const auto sums = SumClusters(test::MakePoints(data.rows, data.weights), data.centroids, test::Alone());
  return Evaluate(sums, data.centroids, data.rows.front().size());
}

double Distance(const double* a, const double* b, std::size_t d) {
  return std::sqrt(test::SquaredDistance(a, b, d));
}

// As sklearn.metrics.calinski_harabasz_score: between / (k - 1) over within / (n - k), about the means of the rows.
double CalinskiHarabasz(const Labelled& data) {
  const std::size_t d = data.rows.front().size();
  std::vector<double> total(d, 0.0), mean(data.k * d, 0.0), weight(data.k, 0.0);
  double n = 0;
  for (std::size_t i = 0; i < data.rows.size(); ++i) n += data.Weight(i), weight[data.labels[i]] += data.Weight(i);
  for (std::size_t i = 0; i < data.rows.size(); ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      total[j] += data.Weight(i) * data.rows[i][j] / n;
      mean[data.labels[i] * d + j] += data.Weight(i) * data.rows[i][j] / weight[data.labels[i]];
    }
  }
  double between = 0, within = 0;
  for (std::size_t c = 0; c < data.k; ++c) between += weight[c] * test::SquaredDistance(&mean[c * d], total.data(), d);
  for (std::size_t i = 0; i < data.rows.size(); ++i) {
    within += data.Weight(i) * test::SquaredDistance(data.rows[i].data(), &mean[data.labels[i] * d], d);
  }
  const auto k = static_cast<double>(data.k);
  return between / (k - 1) / (within / (n - k));
}

// As sklearn.metrics.davies_bouldin_score: mean over clusters of max (s_a + s_b) / d_ab, s the mean distance to the center.
double DaviesBouldin(const Labelled& data) {
  const std::size_t d = data.rows.front().size();
  std::vector<double> spread(data.k, 0.0), weight(data.k, 0.0);
  for (std::size_t i = 0; i < data.rows.size(); ++i) {
    spread[data.labels[i]] += data.Weight(i) * Distance(data.rows[i].data(), &data.centroids[data.labels[i] * d], d);
    weight[data.labels[i]] += data.Weight(i);
  }
  double sum = 0;
  for (std::size_t a = 0; a < data.k; ++a) {
    double worst = 0;
    for (std::size_t b = 0; b < data.k; ++b) {
      if (a == b) continue;
      const double apart = Distance(&data.centroids[a * d], &data.centroids[b * d], d);
      worst = std::max(worst, (spread[a] / weight[a] + spread[b] / weight[b]) / apart);
    }
    sum += worst / static_cast<double>(data.k);
  }
  return sum;
}

double Silhouette(const Labelled& data) {
  double sum = 0, n = 0;
  for (std::size_t i = 0; i < data.rows.size(); ++i) {
    const auto nearest = test::NaiveNearest(data.rows[i], data.centroids);
    const double a = std::sqrt(nearest.square), b = std::sqrt(nearest.second);
    sum += data.Weight(i) * (b - a) / std::max(a, b);
    n += data.Weight(i);
  }
  return sum / n;
}

void Check(const Labelled& data) {
  const Evaluation ours = Ours(data);
  double weight = 0, inertia = 0, distance = 0;
  for (std::size_t i = 0; i < data.rows.size(); ++i) {
    const double square = test::NaiveNearest(data.rows[i], data.centroids).square;
    weight += data.Weight(i), inertia += data.Weight(i) * square, distance += data.Weight(i) * std::sqrt(square);
  }
  EXPECT_EQ(ours.rows, static_cast<double>(data.rows.size()));
  EXPECT_NEAR(ours.weight, weight, 1e-12 * weight);
  EXPECT_NEAR(ours.metrics.inertia, inertia, 1e-12 * inertia);
  EXPECT_NEAR(ours.metrics.mean_distance, distance / weight, 1e-12 * distance / weight);
  EXPECT_NEAR(ours.metrics.silhouette, Silhouette(data), 1e-12);
  EXPECT_NEAR(ours.metrics.davies_bouldin, DaviesBouldin(data), 1e-11 * DaviesBouldin(data));
  EXPECT_NEAR(ours.metrics.calinski_harabasz, CalinskiHarabasz(data), 1e-10 * CalinskiHarabasz(data));
  const double total = test::PartitionInertia(data.rows, data.weights, std::vector<std::int32_t>(data.rows.size(), 0), 1);
  EXPECT_NEAR(ours.metrics.total_inertia, total, 1e-11 * total);
}

TEST(Evaluate, AgreesWithTheDefinitions) {
  for (std::size_t n : {20u, 64u, 1000u, 9000u}) {
    for (std::size_t d : {1u, 2u, 6u}) {
      for (std::size_t k : {2u, 3u, 5u}) {
        Check(Converged(test::Blobs(n, d, k, n + d, 1), k));
        Check(Converged(test::Blobs(n, d, k, n + d, 1), k, test::RandomWeights(n, n)));
      }
    }
  }
}

// Rows judged by a model made from others: its centroids are not their means.
TEST(Evaluate, CalinskiHarabaszIsAboutTheRowsOwnMeans) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Check(LabelRows(test::UniformRows(500, 2, seed), test::Flatten(test::UniformRows(4, 2, seed + 100, 0.2, 0.8))));
  }
}

TEST(Evaluate, IntegerWeightsAreRepeatedRows) {
  const Matrix rows = test::Blobs(300, 2, 3, 1);
  const auto weights = test::RandomWeights(300, 2);
  const Labelled weighted = Converged(rows, 3, weights);
  const Evaluation a = Ours(weighted);
  const Evaluation b = Ours(LabelRows(test::Repeated(rows, weights), weighted.centroids));
  EXPECT_EQ(a.weight, b.weight);
  EXPECT_NEAR(a.metrics.inertia, b.metrics.inertia, 1e-12 * b.metrics.inertia);
  EXPECT_NEAR(a.metrics.silhouette, b.metrics.silhouette, 1e-12);
  EXPECT_NEAR(a.metrics.davies_bouldin, b.metrics.davies_bouldin, 1e-12);
  EXPECT_NEAR(a.metrics.calinski_harabasz, b.metrics.calinski_harabasz, 1e-9 * b.metrics.calinski_harabasz);
}

TEST(Evaluate, OneClusterHasNoComparisons) {
  const Evaluation ours = Ours(Converged(test::UniformRows(50, 2, 1), 1));
  EXPECT_TRUE(std::isnan(ours.metrics.silhouette));
  EXPECT_TRUE(std::isnan(ours.metrics.calinski_harabasz));
  EXPECT_TRUE(std::isnan(ours.metrics.davies_bouldin));
  EXPECT_NEAR(ours.metrics.total_inertia, ours.metrics.inertia, 1e-12 * ours.metrics.inertia);
}

TEST(Evaluate, PerfectClustersHaveNoCalinskiHarabasz) {
  const Evaluation ours = Ours(LabelRows({{0}, {0}, {5}, {5}, {5}}, {0, 5}));
  EXPECT_EQ(ours.metrics.inertia, 0);
  EXPECT_EQ(ours.metrics.silhouette, 1);
  EXPECT_EQ(ours.metrics.davies_bouldin, 0);
  EXPECT_TRUE(std::isnan(ours.metrics.calinski_harabasz));  // division by 0
}

TEST(Evaluate, ClustersWithoutRowsDoNotCount) {
  const Matrix rows = test::Blobs(100, 2, 2, 3);
  const Labelled two = Converged(rows, 2);
  std::vector<double> three = two.centroids;
  three.insert(three.end(), {1e6, 1e6});
  const Evaluation a = Ours(two);
  const Evaluation b = Ours(LabelRows(rows, three));
  EXPECT_EQ(a.metrics.davies_bouldin, b.metrics.davies_bouldin);
  EXPECT_DOUBLE_EQ(a.metrics.calinski_harabasz, b.metrics.calinski_harabasz);
  EXPECT_DOUBLE_EQ(a.metrics.inertia, b.metrics.inertia);
}

Points NoPoints() {
  Points points{Tiles(0, 2, false)};
  points.FindBounds(test::Alone());
  return points;
}

TEST(Evaluate, NoRowsNoMetrics) {
  const Evaluation none = Evaluate({}, {}, 2);
  EXPECT_EQ(none.weight, 0);
  const Evaluation empty = Evaluate(SumClusters(NoPoints(), {1, 2, 3, 4}, test::Alone()), {1, 2, 3, 4}, 2);
  EXPECT_EQ(empty.rows, 0);
  EXPECT_TRUE(std::isnan(empty.metrics.silhouette));
}

TEST(CentroidSilhouette, HasLimits) {
  EXPECT_EQ(CentroidSilhouette(0, 0), 0);
  EXPECT_EQ(CentroidSilhouette(0, 4), 1);
  EXPECT_EQ(CentroidSilhouette(4, 4), 0);
  EXPECT_EQ(CentroidSilhouette(1, 4), 0.5);  // (2 - 1) / 2
  EXPECT_EQ(CentroidSilhouette(1, test::kInf), 0);
}

}  // namespace
}  // namespace segmentation
