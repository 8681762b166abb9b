// Single-point moves against brute force: afterwards no move of one row lowers the inertia.
#include "core/hartigan.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/lloyd.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

constexpr int kManyPasses = 1000;

struct Task {
  Matrix rows;
  std::vector<double> weights;
  Distance distance;

  double Weight(std::size_t i) const { return weights.empty() ? 1 : weights[i]; }
};

Clustering AfterLloyd(const Task& task, std::size_t k) {
  const std::vector<double> start = test::Flatten({task.rows.begin(), task.rows.begin() + static_cast<std::ptrdiff_t>(k)});
  return Lloyd(test::MakePoints(task.rows, task.weights), start, {300, 0}, task.distance, test::Alone());
}

std::size_t Improve(const Task& task, Clustering* state, int passes = kManyPasses) {
  return MoveSinglePoints(test::MakeTiles(task.rows, task.weights), task.distance, passes, state, test::kNoInterrupt);
}

std::vector<std::int32_t> Labels(const Clustering& state, const Task& task) {
  return {state.labels.begin(), state.labels.begin() + static_cast<std::ptrdiff_t>(task.rows.size())};
}

// Inertia of a partition about its best centroids. On the sphere: the sum of w |x - S/|S||^2 is 2 (W - sum of |S|).
double Inertia(const Task& task, const std::vector<std::int32_t>& labels, std::size_t k) {
  if (task.distance == Distance::kEuclidean) return test::PartitionInertia(task.rows, task.weights, labels, k);
  const std::size_t d = task.rows.front().size();
  Matrix sums(k, std::vector<double>(d, 0.0));
  double inertia = 0;
  for (std::size_t i = 0; i < task.rows.size(); ++i) {
    inertia += 2 * task.Weight(i);
    for (std::size_t j = 0; j < d; ++j) sums[static_cast<std::size_t>(labels[i])][j] += task.Weight(i) * task.rows[i][j];
  }
  for (const auto& sum : sums)
    inertia -= 2 * std::sqrt(test::SquaredDistance(sum.data(), std::vector<double>(d).data(), d));
  return inertia;
}

// The lowest inertia that one move of one row can reach; a cluster is never emptied.
double BestSingleMove(const Task& task, std::vector<std::int32_t> labels, const Clustering& state) {
  double best = test::kInf;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::int32_t from = labels[i];
    if (state.rows[static_cast<std::size_t>(from)] <= 1) continue;
    for (std::size_t to = 0; to < state.k(); ++to) {
      labels[i] = static_cast<std::int32_t>(to);
      if (labels[i] != from) best = std::min(best, Inertia(task, labels, state.k()));
    }
    labels[i] = from;
  }
  return best;
}

void ExpectConsistent(const Task& task, const Clustering& state) {
  std::vector<double> weight(state.k(), 0.0), count(state.k(), 0.0);
  for (std::size_t i = 0; i < task.rows.size(); ++i) {
    weight[static_cast<std::size_t>(state.labels[i])] += task.Weight(i);
    count[static_cast<std::size_t>(state.labels[i])] += 1;
  }
  for (std::size_t c = 0; c < state.k(); ++c) {
    EXPECT_NEAR(state.weights[c], weight[c], 1e-9);
    EXPECT_EQ(state.rows[c], count[c]);
    EXPECT_GT(state.rows[c], 0);
  }
}

void CheckLocalOptimum(const Task& task, std::size_t k, int* improved) {
  Clustering state = AfterLloyd(task, k);
  const double before = Inertia(task, Labels(state, task), k);
  const std::size_t moved = Improve(task, &state);
  ExpectConsistent(task, state);
  const auto labels = Labels(state, task);
  const double after = Inertia(task, labels, k);
  EXPECT_LE(after, before * (1 + 1e-12));
  if (moved > 0) {
    EXPECT_LT(after, before);
    ++*improved;
  }
  EXPECT_GE(BestSingleMove(task, labels, state), after * (1 - 1e-9) - 1e-9);
  EXPECT_EQ(Improve(task, &state), 0u) << "not at rest";
}

Matrix OnSphere(Matrix rows) {
  for (auto& row : rows) {
    double length = 0;
    for (double& value : row) value -= 0.5, length += value * value;
    for (double& value : row) value /= std::sqrt(length);
  }
  return rows;
}

TEST(MoveSinglePoints, EndsInALocalOptimum) {
  int improved = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    for (std::size_t n : {6u, 30u, 90u}) {
      CheckLocalOptimum({test::UniformRows(n, 1 + seed % 3, seed), {}, Distance::kEuclidean}, 2 + seed % 4, &improved);
    }
  }
  EXPECT_GT(improved, 90);  // measured: it improves on Lloyd in 107 of these 180 tasks
}

TEST(MoveSinglePoints, EndsInALocalOptimumWithWeights) {
  int improved = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Matrix rows = test::UniformRows(70, 2, seed);
    CheckLocalOptimum({rows, test::RandomWeights(70, seed, 20), Distance::kEuclidean}, 2 + seed % 4, &improved);
  }
  EXPECT_GT(improved, 30);  // measured: 39 of 60
}

TEST(MoveSinglePoints, EndsInALocalOptimumOnTheSphere) {
  int improved = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Matrix rows = OnSphere(test::UniformRows(70, 3, seed));
    CheckLocalOptimum({rows, {}, Distance::kCosine}, 2 + seed % 4, &improved);
    CheckLocalOptimum({rows, test::RandomWeights(70, seed), Distance::kCosine}, 2 + seed % 4, &improved);
  }
  EXPECT_GT(improved, 75);  // measured: 91 of 120
}

TEST(MoveSinglePoints, EndsOnTies) {
  int improved = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Matrix rows = test::LatticeRows(60, 2, 4, seed);
    Clustering state = AfterLloyd({rows, {}, Distance::kEuclidean}, 3);
    if (*std::min_element(state.rows.begin(), state.rows.end()) == 0) continue;
    CheckLocalOptimum({rows, {}, Distance::kEuclidean}, 3, &improved);
  }
  EXPECT_GT(improved, 8);  // measured: 12 of those whose clusters all have rows
}

TEST(MoveSinglePoints, InertiaFallsWithEveryPass) {
  const Task task{test::UniformRows(3000, 2, 7), {}, Distance::kEuclidean};
  Clustering state = AfterLloyd(task, 12);
  double before = Inertia(task, Labels(state, task), 12);
  std::size_t passes = 0;
  while (Improve(task, &state, 1) > 0) {
    const double after = Inertia(task, Labels(state, task), 12);
    EXPECT_LT(after, before);
    before = after;
    ASSERT_LT(++passes, 1000u);
  }
  EXPECT_GT(passes, 0u);
}

// A Lloyd fixed point that is not optimal: rows 0, 3 | 5 with centroids 1.5 and 5. Row 3 at distance 2 from 5 costs
// 1/2 * 4 = 2 there and 2/1 * 2.25 = 4.5 here.
TEST(MoveSinglePoints, MovesWhatLloydCannot) {
  const Task task{{{0}, {3}, {5}}, {}, Distance::kEuclidean};
  Clustering state = Lloyd(test::MakePoints(task.rows), {1, 6}, {300, 0}, Distance::kEuclidean, test::Alone());
  ASSERT_EQ(Labels(state, task), (std::vector<std::int32_t>{0, 0, 1}));
  EXPECT_EQ(Improve(task, &state), 1u);
  EXPECT_EQ(Labels(state, task), (std::vector<std::int32_t>{0, 1, 1}));
  EXPECT_NEAR(state.centroids[0], 0, 1e-15);
  EXPECT_NEAR(state.centroids[1], 4, 1e-15);
}

TEST(MoveSinglePoints, OneClusterOrNoPassMovesNothing) {
  const Task task{test::UniformRows(100, 2, 1), {}, Distance::kEuclidean};
  Clustering one = AfterLloyd(task, 1);
  EXPECT_EQ(Improve(task, &one), 0u);
  Clustering four = AfterLloyd(task, 4);
  EXPECT_EQ(Improve(task, &four, 0), 0u);
}

}  // namespace
}  // namespace segmentation
