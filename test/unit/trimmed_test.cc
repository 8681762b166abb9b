// k-means--, against definitions that are too simple to be wrong.
#include "core/trimmed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

// Which rows are left out, by sorting all of them.
std::vector<bool> NaiveCut(const std::vector<double>& squares, const std::vector<double>& weights, double limit) {
  std::vector<std::size_t> order(squares.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return squares[a] > squares[b]; });
  std::vector<bool> out(squares.size());
  double taken = 0;
  for (std::size_t row : order) {
    taken += weights.empty() ? 1 : weights[row];
    if (taken > limit || squares[row] == 0) break;
    out[row] = true;
  }
  return out;
}

struct Trimmed {
  std::vector<double> centroids;
  double inertia = 0;
  double left_out = 0;
};

// k-means-- as in the paper: all distances, all sorted, means. Empty clusters stay where they are.
Trimmed NaiveTrimmed(const Matrix& rows, std::vector<double> centroids, double limit, int iterations) {
  const std::size_t d = rows.front().size();
  Trimmed end;
  for (int i = 0;; ++i) {
    std::vector<double> squares, labels;
    for (const auto& row : rows) {
      const auto nearest = test::NaiveNearest(row, centroids);
      squares.push_back(nearest.square);
      labels.push_back(static_cast<double>(nearest.label));
    }
    const std::vector<bool> out = NaiveCut(squares, {}, limit);
    end = {centroids, 0, 0};
    std::vector<double> sums(centroids.size()), counts(centroids.size() / d);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      end.left_out += out[r] ? 1 : 0;
      if (out[r]) continue;
      end.inertia += squares[r];
      const auto c = static_cast<std::size_t>(labels[r]);
      counts[c] += 1;
      for (std::size_t j = 0; j < d; ++j) sums[c * d + j] += rows[r][j];
    }
    if (i == iterations) return end;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      for (std::size_t j = 0; j < d && counts[c] > 0; ++j) centroids[c * d + j] = sums[c * d + j] / counts[c];
    }
  }
}

TEST(TrimmedCut, IsThatOfSortedRows) {
  test::Random random(1);
  for (std::size_t n : {1u, 5u, 64u, 300u, 5000u, 20000u}) {
    for (std::size_t levels : {2u, 7u, 1000000u}) {
      Matrix rows(n, std::vector<double>(1));
      std::vector<double> squares(n), weights = test::RandomWeights(n, n + levels);
      for (double& square : squares) square = static_cast<double>(random.Below(levels));
      for (const bool weighted : {false, true}) {
        const Points points = test::MakePoints(rows, weighted ? weights : std::vector<double>{}, false);
        const double total = weighted ? std::accumulate(weights.begin(), weights.end(), 0.0) : static_cast<double>(n);
        for (double share : {0.0, 1e-4, 0.01, 0.1, 0.29, 0.5}) {
          const double limit = TrimLimit(share, total);
          const Cut cut = FindCut(points, squares.data(), limit, test::kNoInterrupt);
          const std::vector<bool> want = NaiveCut(squares, weighted ? weights : std::vector<double>{}, limit);
          std::size_t wrong = 0;
          for (std::size_t i = 0; i < n; ++i) wrong += cut.LeavesOut(squares[i], i) != want[i] ? 1 : 0;
          EXPECT_EQ(wrong, 0u) << n << " " << levels << " " << weighted << " " << share;
        }
      }
    }
  }
}

TEST(TrimmedCut, ASharesLimitIsThatOfItsDecimals) {
  for (int rows : {10, 30, 100, 1000, 1000000}) {
    for (int percent = 0; percent <= 50; ++percent) {
      EXPECT_EQ(std::floor(TrimLimit(percent / 100.0, rows)), rows * percent / 100) << rows << " " << percent;
    }
  }
}

// Ends the cut, however light the rows behind it are.
TEST(TrimmedCut, AHeavyRowThatDoesNotFitEndsIt) {
  const std::vector<double> weights = {1, 5, 1, 1, 2};
  const Points points = test::MakePoints({{0}, {0}, {0}, {0}, {0}}, weights, false);
  const std::vector<double> squares = {9, 8, 7, 6, 5};
  const Cut cut = FindCut(points, squares.data(), 5, test::kNoInterrupt);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(cut.LeavesOut(squares[i], i), i == 0) << i;
  const Cut six = FindCut(points, squares.data(), 6, test::kNoInterrupt);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(six.LeavesOut(squares[i], i), i <= 1) << i;
}

TEST(TrimmedLloyd, IsTheNaiveOneAtEveryIteration) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Matrix rows = test::Blobs(500, 3, 5, seed, 2);
    const Points points = test::MakePoints(rows, {}, false);
    const std::vector<double> start = test::Flatten(Matrix(rows.begin(), rows.begin() + 6));
    for (int iterations : {0, 1, 2, 5, 30}) {
      const Trimmed want = NaiveTrimmed(rows, start, 50, iterations);
      const Clustering got = TrimmedLloyd(points, start, 50, {iterations, 0, true}, Distance::kEuclidean, test::Alone());
      for (std::size_t i = 0; i < start.size(); ++i) EXPECT_NEAR(got.centroids[i], want.centroids[i], 1e-9) << seed << " " << iterations;
      EXPECT_NEAR(got.inertia, want.inertia, 1e-9 * want.inertia);
      EXPECT_EQ(std::accumulate(got.rows.begin(), got.rows.end(), 0.0), 450);
      EXPECT_EQ(std::count(got.labels.begin(), got.labels.begin() + 500, Label{6}), 50);
    }
  }
}

TEST(TrimmedLloyd, InertiaNeverRisesWithAnyWeights) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Matrix rows = test::UniformRows(200, 2, seed);
    const Points points = test::MakePoints(rows, test::RandomWeights(200, seed, 40), false);
    double before = test::kInf;
    for (int iterations = 0; iterations < 30; ++iterations) {
      const Clustering state = TrimmedLloyd(points, test::Flatten(Matrix(rows.begin(), rows.begin() + 4)), 300, {iterations, 0, true},
                                            Distance::kEuclidean, test::Alone());
      if (state.converged) {
        EXPECT_LE(state.inertia, before * (1 + 1e-12)) << seed << " " << iterations;
        break;
      }
      before = std::min(before, state.inertia);
    }
  }
}

// Whatever a training does, it looks at the interrupt.
TEST(Trimmed, CanBeInterrupted) {
  struct Stop {};
  static std::sig_atomic_t pending;
  pending = 1;
  Interrupt interrupt;
  interrupt.pending = &pending;
  interrupt.handle = [](void*) { throw Stop(); };
  const Matrix rows = test::UniformRows(1000, 2, 1);
  const Points points = test::MakePoints(rows, {}, false);
  ThreadTeam team(interrupt, 2);
  EXPECT_THROW(TrimmedLloyd(points, {0, 0, 1, 1}, 100, {}, Distance::kEuclidean, team), Stop);
  std::vector<double> squares(1000, 1.0);
  EXPECT_THROW(FindCut(points, squares.data(), 100, interrupt), Stop);
}

}  // namespace
}  // namespace segmentation
