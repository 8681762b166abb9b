// One step of Lloyd's algorithm against its definition.
#include "core/step.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/scorer.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

Model ModelOf(const Matrix& centroids, Distance distance = Distance::kEuclidean) {
  Model model;
  model.distance = distance;
  for (std::size_t j = 0; j < centroids.front().size(); ++j) model.inputs.emplace_back().name = "f" + std::to_string(j);
  model.offset.assign(centroids.front().size(), 0);
  model.scale.assign(centroids.front().size(), 1);
  model.centroids = test::Flatten(centroids);
  for (std::size_t s = 0; s < centroids.size(); ++s) model.segments.push_back({static_cast<std::int32_t>(10 * s + 3), 1, 1, 1});
  return model;
}

Model Step(const Model& model, const Matrix& rows, const std::vector<double>& weights = {}) {
  const auto sums = SumClusters(test::MakePoints(rows, weights), model.centroids, test::Alone());
  return MoveModel(model, sums, 7, test::kNoInterrupt);
}

double Inertia(const Matrix& rows, const std::vector<double>& weights, const Model& model, const std::vector<std::size_t>& labels) {
  double inertia = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double weight = weights.empty() ? 1 : weights[i];
    inertia += weight * test::SquaredDistance(rows[i].data(), &model.centroids[labels[i] * rows[i].size()], rows[i].size());
  }
  return inertia;
}

std::vector<std::size_t> Labels(const Matrix& rows, const Model& model) {
  std::vector<std::size_t> labels;
  for (const auto& row : rows) labels.push_back(test::NaiveNearest(row, model.centroids).label);
  return labels;
}

TEST(Step, MovesEachCentroidToTheMeanOfItsRows) {
  for (const bool weighted : {false, true}) {
    const Matrix rows = test::Blobs(500, 3, 4, 1);
    const std::vector<double> weights = weighted ? test::RandomWeights(500, 2) : std::vector<double>{};
    const Model before = ModelOf({rows[0], rows[1], rows[2], rows[3], rows[4]});
    const Model after = Step(before, rows, weights);
    const auto labels = Labels(rows, before);
    for (std::size_t s = 0; s < 5; ++s) {
      double weight = 0;
      std::uint64_t count = 0;
      std::vector<double> sum(3, 0.0);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (labels[i] != s) continue;
        const double w = weighted ? weights[i] : 1;
        weight += w;
        ++count;
        for (std::size_t j = 0; j < 3; ++j) sum[j] += w * rows[i][j];
      }
      EXPECT_EQ(after.segments[s].id, before.segments[s].id);
      EXPECT_EQ(after.segments[s].rows, count);
      EXPECT_EQ(after.segments[s].weight, weight);
      for (std::size_t j = 0; j < 3; ++j) EXPECT_NEAR(after.centroids[s * 3 + j], sum[j] / weight, 1e-12);
    }
    EXPECT_NEAR(after.metrics.inertia, Inertia(rows, weights, after, labels), 1e-9);
    EXPECT_GE(after.metrics.inertia, Inertia(rows, weights, after, Labels(rows, after)));  // the bound that it is
    EXPECT_EQ(after.fit.rows, 500u);
    EXPECT_EQ(after.fit.skipped, 7u);
    EXPECT_EQ(after.fit.iterations, before.fit.iterations + 1);
    ValidateModel(after, ErrorCode::kInternal);
  }
}

TEST(Step, UnderCosineDistanceToTheDirectionOfTheSum) {
  Matrix rows = test::UniformRows(300, 3, 5, -1, 1);
  for (auto& row : rows) {
    const double length = std::sqrt(test::SquaredDistance(row.data(), std::vector<double>(3, 0.0).data(), 3));
    for (double& value : row) value /= length;
  }
  const Model before = ModelOf({rows[0], rows[1], rows[2]}, Distance::kCosine);
  const Model after = Step(before, rows);
  const auto labels = Labels(rows, before);
  for (std::size_t s = 0; s < 3; ++s) {
    std::vector<double> sum(3, 0.0);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t j = 0; j < 3 && labels[i] == s; ++j) sum[j] += rows[i][j];
    }
    const double length = std::sqrt(sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2]);
    for (std::size_t j = 0; j < 3; ++j) EXPECT_NEAR(after.centroids[s * 3 + j], sum[j] / length, 1e-12);
  }
  EXPECT_NEAR(after.metrics.inertia, Inertia(rows, {}, after, labels), 1e-9);
}

TEST(Step, RowsThatCancelOutLeaveADirectionAsItIs) {
  const Model before = ModelOf({{1, 0}}, Distance::kCosine);
  const Model after = Step(before, {{0, 1}, {0, -1}});
  EXPECT_EQ(after.centroids, before.centroids);
  EXPECT_EQ(after.metrics.inertia, 4);
}

TEST(Step, ACentroidWithoutRowsStays) {
  const Model before = ModelOf({{0, 0}, {100, 100}});
  const Model after = Step(before, {{1, 2}, {3, 4}});
  EXPECT_EQ(after.centroids, (std::vector<double>{2, 3, 100, 100}));
  EXPECT_EQ(after.segments[1].rows, 0u);
  EXPECT_EQ(after.segments[1].weight, 0);
  EXPECT_EQ(after.segments[1].inertia, 0);
}

TEST(Step, MetricsAreThoseOfTheModelOnceItIsStill) {
  const Matrix rows = test::Blobs(400, 2, 3, 8);
  Model model = ModelOf({rows[0], rows[1], rows[2]});
  model.fit.min_size = 2;
  model.warnings = {{"not_converged", "a"}, {"skewed", "b"}, {"min_size", "c"}, {"not_exact", "d"}};
  model = Step(model, rows);
  ASSERT_EQ(model.warnings.size(), 2u);  // not converged yet, but large enough
  EXPECT_EQ(model.warnings[0].code, "not_converged");
  for (int i = 0; i < 50; ++i) model = Step(model, rows);
  ASSERT_EQ(model.warnings.size(), 1u);
  EXPECT_EQ(model.warnings[0].code, "skewed");
  const Evaluation exact = Evaluate(SumClusters(test::MakePoints(rows), model.centroids, test::Alone()), model.centroids, 2);
  EXPECT_NEAR(model.metrics.inertia, exact.metrics.inertia, 1e-9);
  EXPECT_NEAR(model.metrics.total_inertia, exact.metrics.total_inertia, 1e-9);
  EXPECT_NEAR(model.metrics.mean_distance, exact.metrics.mean_distance, 1e-12);
  EXPECT_NEAR(model.metrics.silhouette, exact.metrics.silhouette, 1e-12);
  EXPECT_NEAR(model.metrics.calinski_harabasz, exact.metrics.calinski_harabasz, 1e-6);
  EXPECT_NEAR(model.metrics.davies_bouldin, exact.metrics.davies_bouldin, 1e-12);
}

TEST(Step, SumsBeyondTheRange) {
  const Model model = ModelOf({{0.0}, {5.0}});
  for (const ClusterSums& bad : {ClusterSums{1, test::kInf, 1, 1, 1, {1}}, ClusterSums{1, 1, 1, test::kInf, 1, {1}},
                                 ClusterSums{1, 1, test::kInf, 1, 1, {1}}, ClusterSums{1, 1, 1, 1, 1, {test::kInf}},
                                 ClusterSums{1, 1, 1, 1, 1, {test::kNaN}}, ClusterSums{1, 1, 1, 1, 1, {1e300}}}) {
    test::ExpectError(ErrorCode::kNotFinite, [&] { MoveModel(model, {bad, {1, 1, 1, 1, 1, {1}}}, 0, test::kNoInterrupt); });
  }
}

}  // namespace
}  // namespace segmentation
