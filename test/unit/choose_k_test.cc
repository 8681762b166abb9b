#include "core/choose_k.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/k_trials.h"
#include "test_support.h"

namespace segmentation {
namespace {

// Round groups whose centers lie on a circle, neighbours `apart` standard deviations from each other; one group: a Gaussian.
Tiles Groups(std::size_t rows, std::size_t groups, double apart, std::uint64_t seed) {
  test::Random random(seed);
  Tiles points(rows, 2, false);
  constexpr double kPi = 3.14159265358979;
  const double radius = groups < 2 ? 0 : apart / 2 / std::sin(kPi / static_cast<double>(groups));
  for (std::size_t i = 0; i < rows; ++i) {
    const double angle = 2 * kPi * static_cast<double>(i % std::max<std::size_t>(1, groups)) / static_cast<double>(std::max<std::size_t>(1, groups));
    points.At(i, 0) = radius * std::cos(angle) + random.Normal();
    points.At(i, 1) = radius * std::sin(angle) + random.Normal();
  }
  return points;
}

KChoice Choose(const Tiles& points, std::size_t k_min, std::size_t k_max, int threads = 1, std::uint64_t seed = 0) {
  ThreadTeam team(test::kNoInterrupt, threads);
  return ChooseK(points, k_min, k_max, Distance::kEuclidean, seed, team);
}

TEST(ChooseK, CountsGroups) {
  for (std::size_t groups : {3u, 5u}) {
    const KChoice choice = Choose(Groups(1000, groups, 5, groups), 2, 6);
    EXPECT_TRUE(choice.structured);
    EXPECT_EQ(choice.k, groups);
    ASSERT_EQ(choice.trials.size(), 6u);
    EXPECT_GT(choice.trials[groups - 1].prediction_strength, 0.95);
    EXPECT_EQ(choice.sampled, 1000u);
  }
}

TEST(ChooseK, OneGroupHasNoStructure) {
  const KChoice choice = Choose(Groups(1000, 1, 0, 1), 2, 5);
  EXPECT_FALSE(choice.structured);
  for (const KTrial& trial : choice.trials) EXPECT_LT(trial.evidence, 5) << trial.k;
  // Still something to use: the one that is found again best.
  for (const KTrial& trial : choice.trials) {
    if (trial.k < 2) continue;
    EXPECT_LE(trial.prediction_strength, choice.trials[choice.k - 1].prediction_strength);
  }
}

TEST(ChooseK, StaysWithinItsLimits) {
  const Tiles points = Groups(800, 4, 6, 3);
  EXPECT_EQ(Choose(points, 4, 4).k, 4u);
  EXPECT_EQ(Choose(points, 5, 6).k, 5u);
  EXPECT_EQ(Choose(points, 1, 1).k, 1u);
  const KChoice below = Choose(points, 2, 3);
  EXPECT_TRUE(below.k == 2 || below.k == 3);
}

TEST(ChooseK, FewDifferentPointsHaveFewClusters) {
  Tiles points(40, 2, false);
  for (std::size_t i = 0; i < 40; ++i) points.At(i, 0) = static_cast<double>(i % 3);
  const KChoice choice = Choose(points, 2, 8);
  EXPECT_LE(choice.trials.size(), 2u);
  EXPECT_EQ(choice.k, 2u);  // with three there would be nothing left to compare
  Tiles same(40, 2, false);
  EXPECT_EQ(Choose(same, 2, 8).k, 1u);
  EXPECT_EQ(Choose(Tiles(1, 2, false), 2, 8).k, 1u);
}

TEST(ChooseK, DependsOnNothingElse) {
  const Tiles points = Groups(600, 3, 3, 8);
  const KChoice one = Choose(points, 2, 5);
  const KChoice three = Choose(points, 2, 5, 3);
  ASSERT_EQ(one.trials.size(), three.trials.size());
  for (std::size_t i = 0; i < one.trials.size(); ++i) {
    EXPECT_EQ(one.trials[i].gap, three.trials[i].gap);
    EXPECT_EQ(one.trials[i].evidence, three.trials[i].evidence);
    EXPECT_EQ(one.trials[i].prediction_strength, three.trials[i].prediction_strength);
  }
  EXPECT_NE(one.trials[2].gap, Choose(points, 2, 5, 1, 1).trials[2].gap) << "another seed draws other references";
}

// The gap is about uniform references: on uniform points it stays what it is for one cluster (which depends on the axes of the box).
TEST(ChooseK, TheGapOfUniformPointsDoesNotGrow) {
  test::Random random(5);
  Tiles points(1500, 2, false);
  for (std::size_t i = 0; i < points.rows(); ++i) {
    for (std::size_t j = 0; j < 2; ++j) points.At(i, j) = random.Uniform();
  }
  const KChoice choice = Choose(points, 2, 4);
  EXPECT_FALSE(choice.structured);
  for (const KTrial& trial : choice.trials) EXPECT_NEAR(trial.gap, choice.trials[0].gap, 0.1) << trial.k;
}

TEST(TryEachK, MetricsAreThoseOfTheModels) {
  const Tiles points = Groups(700, 3, 4, 12);
  std::vector<std::vector<double>> rows;
  for (std::size_t i = 0; i < points.rows(); ++i) rows.push_back({points.At(i, 0), points.At(i, 1)});
  const test::OwnedRows owned(rows);
  const Options options;
  Training training(owned.set(), options, test::kNoInterrupt, 1);
  const KTrials trials = TryEachK(&training, 2, 4, options);
  EXPECT_FALSE(trials.sampled);
  EXPECT_EQ(trials.rows, 700u);
  ASSERT_EQ(trials.metrics.size(), 3u);
  const std::vector<Model> models = FitRange(owned.set(), 2, 4, options, test::kNoInterrupt);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(EncodeModel(models[i]), EncodeModel(Fit(owned.set(), static_cast<std::int64_t>(i + 2), options, test::kNoInterrupt).value()));
    EXPECT_NEAR(trials.metrics[i].inertia, models[i].metrics.inertia, 1e-9);
    EXPECT_NEAR(trials.metrics[i].calinski_harabasz, models[i].metrics.calinski_harabasz, 1e-6);
    EXPECT_EQ(trials.metrics[i].silhouette_rows, 700u);
  }
}

}  // namespace
}  // namespace segmentation
