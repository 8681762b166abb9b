// Lloyd's algorithm against a scalar one, label by label at every iteration.
#include "core/lloyd.h"

#include <gtest/gtest.h>

#include <cmath>

#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

constexpr double kNoShift = 0;

Clustering RunLloyd(const Matrix& rows, const Matrix& start, int max_iter, Distance distance = Distance::kEuclidean,
                    const std::vector<double>& weights = {}, double shift = kNoShift) {
  return Lloyd(test::MakePoints(rows, weights), test::Flatten(start), {max_iter, shift}, distance, test::Alone());
}

std::vector<std::int32_t> Labels(const Matrix& rows, const std::vector<double>& centroids) {
  std::vector<std::int32_t> labels;
  for (const auto& row : rows) labels.push_back(static_cast<std::int32_t>(test::NaiveNearest(row, centroids).label));
  return labels;
}

std::vector<std::int32_t> Labels(const Clustering& state, std::size_t rows) {
  return {state.labels.begin(), state.labels.begin() + static_cast<std::ptrdiff_t>(rows)};
}

// One step of the textbook; clusters without rows stay where they are.
void NaiveStep(const Matrix& rows, const std::vector<double>& weights, Distance distance, std::vector<double>* centroids) {
  const std::size_t d = rows.front().size();
  const std::size_t k = centroids->size() / d;
  const auto labels = Labels(rows, *centroids);
  Matrix sum(k, std::vector<double>(d, 0.0));
  std::vector<double> weight(k, 0.0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double w = weights.empty() ? 1 : weights[i];
    const auto c = static_cast<std::size_t>(labels[i]);
    weight[c] += w;
    for (std::size_t j = 0; j < d; ++j) sum[c][j] += w * rows[i][j];
  }
  for (std::size_t c = 0; c < k; ++c) {
    if (weight[c] == 0) continue;
    double length = 0;
    for (double value : sum[c]) length += value * value;
    const double divisor = distance == Distance::kCosine ? std::sqrt(length) : weight[c];
    for (std::size_t j = 0; j < d; ++j) (*centroids)[c * d + j] = sum[c][j] / divisor;
  }
}

Matrix FirstRows(const Matrix& rows, std::size_t k) {
  return {rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(k)};
}

void CompareEveryIteration(const Matrix& rows, const Matrix& start, Distance distance, const std::vector<double>& weights) {
  std::vector<double> centroids = test::Flatten(start);
  for (int iteration = 1; iteration <= 100; ++iteration) {
    NaiveStep(rows, weights, distance, &centroids);
    const Clustering state = RunLloyd(rows, start, iteration, distance, weights);
    ASSERT_EQ(Labels(state, rows.size()), Labels(rows, centroids)) << "iteration " << iteration;
    for (std::size_t i = 0; i < centroids.size(); ++i) ASSERT_NEAR(state.centroids[i], centroids[i], 1e-11);
    double inertia = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      inertia += (weights.empty() ? 1 : weights[i]) * test::NaiveNearest(rows[i], centroids).square;
    }
    ASSERT_NEAR(state.inertia, inertia, 1e-10 * (1 + inertia));
    if (state.converged) return;
  }
  FAIL() << "did not converge in 100 iterations";
}

Matrix OnSphere(Matrix rows) {
  for (auto& row : rows) {
    double length = 0;
    for (double& value : row) value -= 0.5, length += value * value;
    for (double& value : row) value /= std::sqrt(length);
  }
  return rows;
}

TEST(Lloyd, AgreesWithTheTextbookAtEveryIteration) {
  for (std::size_t n : {10u, 64u, 100u, 1000u, 9000u}) {
    for (std::size_t d : {1u, 2u, 5u}) {
      for (std::size_t k : {1u, 2u, 3u, 7u}) {
        const Matrix rows = test::Blobs(n, d, 4, n + d, 1.5);
        CompareEveryIteration(rows, FirstRows(rows, k), Distance::kEuclidean, {});
      }
    }
  }
}

TEST(Lloyd, AgreesWithTheTextbookWithWeights) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Matrix rows = test::UniformRows(300, 3, seed);
    CompareEveryIteration(rows, FirstRows(rows, 5), Distance::kEuclidean, test::RandomWeights(300, seed, 9));
  }
}

TEST(Lloyd, AgreesWithTheTextbookOnTheSphere) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Matrix rows = OnSphere(test::UniformRows(500, 3, seed));
    CompareEveryIteration(rows, FirstRows(rows, 4), Distance::kCosine, {});
    CompareEveryIteration(rows, FirstRows(rows, 4), Distance::kCosine, test::RandomWeights(500, seed));
  }
}

TEST(Lloyd, WhatComesBackBelongsTogether) {
  for (int max_iter : {1, 2, 300}) {
    for (double shift : {0.0, 1e-3, 10.0}) {
      const Matrix rows = test::Blobs(700, 2, 5, 3);
      const auto weights = test::RandomWeights(700, 2);
      const Clustering state = RunLloyd(rows, FirstRows(rows, 6), max_iter, Distance::kEuclidean, weights, shift);
      const auto labels = Labels(rows, state.centroids);
      EXPECT_EQ(Labels(state, rows.size()), labels);
      std::vector<double> weight(6, 0.0), count(6, 0.0);
      double inertia = 0;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        weight[static_cast<std::size_t>(labels[i])] += weights[i];
        count[static_cast<std::size_t>(labels[i])] += 1;
        inertia += weights[i] * test::NaiveNearest(rows[i], state.centroids).square;
      }
      EXPECT_EQ(state.weights, weight);
      EXPECT_EQ(state.rows, count);
      EXPECT_NEAR(state.inertia, inertia, 1e-12 * inertia);
    }
  }
}

TEST(Lloyd, InertiaNeverRises) {
  const Matrix rows = test::UniformRows(2000, 2, 1);
  double before = test::kInf;
  for (int max_iter = 1; max_iter < 40; ++max_iter) {
    const double inertia = RunLloyd(rows, FirstRows(rows, 8), max_iter).inertia;
    EXPECT_LE(inertia, before * (1 + 1e-12));
    before = inertia;
  }
}

TEST(Lloyd, MaxIterAndShiftEndIt) {
  const Matrix rows = test::UniformRows(2000, 2, 1);
  const Clustering cut = RunLloyd(rows, FirstRows(rows, 8), 3);
  EXPECT_EQ(cut.iterations, 3u);
  EXPECT_FALSE(cut.converged);
  const Clustering full = RunLloyd(rows, FirstRows(rows, 8), 300);
  EXPECT_TRUE(full.converged);
  EXPECT_GT(full.iterations, 3u);
  EXPECT_LT(full.iterations, 300u);
  const Clustering loose = RunLloyd(rows, FirstRows(rows, 8), 300, Distance::kEuclidean, {}, test::kInf);
  EXPECT_EQ(loose.iterations, 1u);
  EXPECT_TRUE(loose.converged);
}

TEST(Lloyd, EmptyClustersTakeTheFarthestRow) {
  // The third centroid is far from everything; row 3 is the farthest from its own.
  const Matrix rows = {{0}, {1}, {10}, {14}};
  const Clustering state = RunLloyd(rows, {{0}, {10}, {1000}}, 300);
  EXPECT_EQ(Labels(state, 4), (std::vector<std::int32_t>{0, 0, 1, 2}));
  EXPECT_EQ(state.centroids, (std::vector<double>{0.5, 10, 14}));
  EXPECT_TRUE(state.converged);
}

TEST(Lloyd, ManyEmptyClustersAreAllFilledWhereRowsDiffer) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Matrix rows = test::UniformRows(200, 2, seed);
    const Matrix start(12, {0.5, 0.5});  // eleven of twelve get nothing
    const Clustering state = RunLloyd(rows, start, 300);
    for (double count : state.rows) EXPECT_GT(count, 0) << seed;
    EXPECT_TRUE(state.converged);
  }
}

TEST(Lloyd, EmptyClustersStayEmptyWithoutDifferentRows) {
  const Matrix rows(100, {2.0, 3.0});
  const Clustering state = RunLloyd(rows, {{2, 3}, {5, 5}, {2, 3}}, 300);
  EXPECT_EQ(state.rows, (std::vector<double>{100, 0, 0}));
  EXPECT_EQ(state.inertia, 0);
  EXPECT_TRUE(state.converged);
}

TEST(Lloyd, RowsFarFromTheOriginHaveAFiniteInertia) {
  const Matrix rows = {{1e160}, {1e160 + 1e150}, {1e160 + 9e150}};  // squares of the rows overflow, their distances do not
  const Clustering state = RunLloyd(rows, {rows[0], rows[2]}, 300);
  EXPECT_TRUE(std::isfinite(state.inertia));
  EXPECT_EQ(Labels(state, 3), (std::vector<std::int32_t>{0, 0, 1}));
}

// Everything that may find the labels, against tiles in double precision alone: filter, packed or not, bounds, rows in place, threads.
void CompareWays(const Matrix& rows, const Matrix& start, const std::vector<double>& weights = {}) {
  ThreadTeam three(test::kNoInterrupt, 3);
  const test::OwnedRows owned(rows, weights, 1000);
  Points in_place(owned.set());
  in_place.FindBounds(three);
  in_place.BuildFilter(three);
  Points packed = test::MakePoints(rows, weights, false);
  packed.BuildFilter(three, 0);
  const Points filtered = test::MakePoints(rows, weights);
  const Points plain = test::MakePoints(rows, weights, false);
  for (int iterations : {1, 2, 3, 4, 5, 8, 13, 30, 100}) {
    const LloydLimits limits{iterations, 0};
    const Clustering expected = Lloyd(plain, test::Flatten(start), limits, Distance::kEuclidean, test::Alone());
    for (const Points* points : {&filtered, static_cast<const Points*>(&in_place), static_cast<const Points*>(&packed)}) {
      for (ThreadTeam* team : {&test::Alone(), &three}) {
        const Clustering state = Lloyd(*points, test::Flatten(start), limits, Distance::kEuclidean, *team);
        ASSERT_EQ(state.centroids, expected.centroids) << iterations;
        ASSERT_EQ(Labels(state, rows.size()), Labels(expected, rows.size())) << iterations;
        ASSERT_EQ(state.weights, expected.weights);
        ASSERT_EQ(state.rows, expected.rows);
        ASSERT_EQ(state.inertia, expected.inertia);
        ASSERT_EQ(state.iterations, expected.iterations);
        ASSERT_EQ(state.converged, expected.converged);
      }
    }
    if (expected.converged) break;
  }
}

TEST(Lloyd, TheWayLabelsAreFoundDoesNotMatter) {
  for (std::size_t k : {1u, 2u, 12u, 50u}) {
    CompareWays(test::UniformRows(9000, 2, k), FirstRows(test::UniformRows(9000, 2, k), k));
    const Matrix blobs = test::Blobs(5000, 9, 20, k, 1);
    CompareWays(blobs, FirstRows(blobs, k));  // with bounds from k = 12 on
    CompareWays(blobs, FirstRows(blobs, k), test::RandomWeights(5000, 1));
  }
}

TEST(Lloyd, NorDoesItWithTiesEqualRowsAndEmptyClusters) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Matrix lattice = test::LatticeRows(3000, 2, 12, seed);
    CompareWays(lattice, FirstRows(lattice, 60));  // among them equal ones
    Matrix far = FirstRows(lattice, 55);
    far.push_back({1e6, 1e6});
    far.push_back({-1e200, 0});  // nothing is nearest to these
    CompareWays(lattice, far);
  }
}

TEST(Lloyd, NorWithOutliersAndFarFromTheOrigin) {
  Matrix rows = test::Blobs(4000, 3, 8, 1, 1);
  rows[17] = {1e9, 1e9, -1e9};
  CompareWays(rows, FirstRows(rows, 40));
  for (auto& row : rows) {
    for (double& value : row) value = value * 1e-3 + 1e7;
  }
  CompareWays(rows, FirstRows(rows, 40));
}

TEST(Lloyd, TheOrderOfRowsDoesNotMatter) {
  Matrix rows = test::Blobs(6000, 4, 9, 5, 2);
  const Matrix start = FirstRows(rows, 30);
  const Clustering expected = RunLloyd(rows, start, 25);
  test::Random random(1);
  for (int i = 0; i < 3; ++i) {
    random.Shuffle(&rows);
    const Clustering state = RunLloyd(rows, start, 25);
    EXPECT_EQ(state.centroids, expected.centroids);
    EXPECT_EQ(state.inertia, expected.inertia);
  }
}

TEST(Lloyd, AnInterruptEndsIt) {
  struct Stopped {};
  static volatile std::sig_atomic_t pending = 1;
  const Interrupt interrupt{&pending, [](void*) { throw Stopped(); }, nullptr};
  const Matrix rows = test::UniformRows(2000, 2, 1);
  ThreadTeam team(interrupt);
  EXPECT_THROW(Lloyd(test::MakePoints(rows), test::Flatten(FirstRows(rows, 3)), {300, 0}, Distance::kEuclidean, team),
               Stopped);
}

}  // namespace
}  // namespace segmentation
