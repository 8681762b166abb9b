// Contributions add up to the difference of the two squared distances, whatever lies between a row and the model space.
#include "core/explain.h"

#include <gtest/gtest.h>

#include <cmath>

#include "test_support.h"

namespace segmentation {
namespace {

struct Explained {
  std::vector<Contribution> lines;
  double difference = 0;
};

// Explains a row of numbers under a model without categoricals.
Explained Explain(const Model& model, const std::vector<double>& numbers) {
  const std::vector<double> block = CompileScorer(model);
  const Scorer scorer(block.data());
  std::vector<double> scratch(scorer.scratch());
  const double* point = scorer.ToModelSpace(numbers.data(), scratch.data());
  if (point == nullptr) return {};
  Neighbor own;
  Neighbor other;
  scorer.NearestTwo(point, &own, &other);
  return {ExplainPoint(scorer, numbers, scratch.data(), point), other.square - own.square};
}

// Two segments at (0, 0) and (4, 2); the axes exchange the columns when rotated.
Model TwoSegments(bool rotated, Distance distance) {
  Model model;
  model.distance = distance;
  for (const char* name : {"a", "b"}) model.inputs.emplace_back().name = name;
  model.offset = {1, 10};
  model.scale = {2, 5};
  model.centroids = distance == Distance::kCosine ? std::vector<double>{1, 0, 0.6, 0.8} : std::vector<double>{0, 0, 4, 2};
  if (rotated) model.rotation = Rotation{{0.5, -0.5}, {0, 1, 1, 0}};
  model.segments = {{0, 1, 1, 0}, {1, 1, 1, 0}};
  return model;
}

TEST(Explain, ContributionsAddUp) {
  test::Random random(1);
  for (bool rotated : {false, true}) {
    for (Distance distance : {Distance::kEuclidean, Distance::kCosine}) {
      const Model model = TwoSegments(rotated, distance);
      for (int i = 0; i < 200; ++i) {
        const Explained explained = Explain(model, {random.Uniform(-20, 20), random.Uniform(-50, 50)});
        ASSERT_EQ(explained.lines.size(), 2u);
        double sum = 0;
        for (const Contribution& line : explained.lines) sum += line.contribution;
        EXPECT_NEAR(sum, explained.difference, 1e-12 * (1 + std::abs(explained.difference)));
        EXPECT_GE(explained.lines[0].contribution, explained.lines[1].contribution);
      }
    }
  }
}

TEST(Explain, ShowsRawValuesAndCentroids) {
  // (1, 10) is z = (0, 0): on the first centroid, whose raw values are the offsets. The other is 4^2 and 2^2 away.
  const Explained explained = Explain(TwoSegments(false, Distance::kEuclidean), {1, 10});
  ASSERT_EQ(explained.lines.size(), 2u);
  EXPECT_EQ(explained.lines[0].feature, "a");
  EXPECT_EQ(explained.lines[0].value, 1);
  EXPECT_EQ(explained.lines[0].centroid, 1);
  EXPECT_EQ(explained.lines[0].contribution, 16);
  EXPECT_EQ(explained.lines[1].contribution, 4);
}

TEST(Explain, ShowsImputedAndClippedValues) {
  Model model = TwoSegments(false, Distance::kEuclidean);
  model.inputs[0].impute = 3;
  model.inputs[1].clip_high = 12;
  const Explained explained = Explain(model, {test::kNaN, 99});
  ASSERT_EQ(explained.lines.size(), 2u);
  for (const Contribution& line : explained.lines) EXPECT_EQ(line.value, line.feature == "a" ? 3 : 12);
}

TEST(Explain, SaysNothingOfARowBeyondTheRange) {
  EXPECT_TRUE(Explain(TwoSegments(false, Distance::kEuclidean), {1e300, 1}).lines.empty());
}

TEST(Explain, HasNoContributionWithOneSegment) {
  Model model = TwoSegments(false, Distance::kEuclidean);
  model.centroids.resize(2);
  model.segments.resize(1);
  for (const Contribution& line : Explain(model, {5, 5}).lines) EXPECT_TRUE(std::isnan(line.contribution));
}

}  // namespace
}  // namespace segmentation
