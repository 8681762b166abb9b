#include "core/outliers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;
using test::OwnedRows;

std::vector<double> Factors(const Matrix& matrix, std::size_t neighbors, int threads = 1) {
  const OwnedRows rows(matrix, {}, 100);
  return LocalOutlierFactors(rows.set(), neighbors, test::kNoInterrupt, threads);
}

// The definition over all pairs: of equally near rows those that are lower as arrays, equal rows by their place.
std::vector<double> BruteForce(const Matrix& rows, std::size_t neighbors) {
  const std::size_t n = rows.size();
  const std::size_t k = std::min(neighbors, n - 1);
  std::vector<std::vector<double>> distance(n, std::vector<double>(n, 0.0));
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t o = 0; o < n; ++o) {
      for (std::size_t j = 0; j < rows[p].size(); ++j) distance[p][o] += (rows[p][j] - rows[o][j]) * (rows[p][j] - rows[o][j]);
      distance[p][o] = std::sqrt(distance[p][o]);
    }
  }
  std::vector<std::vector<std::size_t>> nearest(n);
  std::vector<double> reach(n);
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t o = 0; o < n; ++o) {
      if (o != p) nearest[p].push_back(o);
    }
    std::stable_sort(nearest[p].begin(), nearest[p].end(), [&](std::size_t a, std::size_t b) {
      return distance[p][a] != distance[p][b] ? distance[p][a] < distance[p][b] : rows[a] < rows[b];
    });
    nearest[p].resize(k);
    reach[p] = distance[p][nearest[p].back()];
  }
  std::vector<double> density(n);
  for (std::size_t p = 0; p < n; ++p) {
    double sum = 0;
    for (const std::size_t o : nearest[p]) sum += std::max(reach[o], distance[p][o]);
    density[p] = 1 / (sum / static_cast<double>(k) + 1e-10);
  }
  std::vector<double> factors(n);
  for (std::size_t p = 0; p < n; ++p) {
    double sum = 0;
    for (const std::size_t o : nearest[p]) sum += density[o] / density[p];
    factors[p] = sum / static_cast<double>(k);
  }
  return factors;
}

void ExpectFactors(const Matrix& rows, std::size_t neighbors) {
  const std::vector<double> found = Factors(rows, neighbors);
  const std::vector<double> expected = BruteForce(rows, neighbors);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 1e-12 * std::abs(expected[i])) << "row " << i << " of " << rows.size() << ", " << neighbors << " neighbors";
  }
}

TEST(LocalOutlierFactors, AgreeWithTheDefinition) {
  for (std::size_t d = 1; d <= 10; ++d) {
    for (const std::size_t n : {2u, 3u, 30u, 64u, 65u, 400u}) {
      for (const std::size_t neighbors : {1u, 2u, 20u}) ExpectFactors(test::Blobs(n, d, 3, 1000 * d + n), neighbors);
    }
  }
}

TEST(LocalOutlierFactors, TiesAndDuplicates) {
  for (std::size_t d = 1; d <= 4; ++d) {
    for (const std::size_t levels : {1u, 2u, 3u, 8u, 30u}) {
      for (const std::size_t neighbors : {1u, 5u, 20u, 60u}) ExpectFactors(test::LatticeRows(300, d, levels, 10 * d + levels), neighbors);
    }
  }
}

// A group of equal rows with others around: its rows are infinitely dense but for the 1e-10.
TEST(LocalOutlierFactors, MoreEqualRowsThanNeighbors) {
  Matrix rows = test::UniformRows(50, 2, 1);
  rows.resize(80, {0.5, 0.5});
  ExpectFactors(rows, 20);
  const std::vector<double> factors = Factors(rows, 20);
  for (std::size_t i = 50; i < 80; ++i) EXPECT_DOUBLE_EQ(factors[i], 1);
  EXPECT_GT(*std::max_element(factors.begin(), factors.begin() + 50), 1e6);
}

TEST(LocalOutlierFactors, NeighborsAreAtMostAllOtherRows) {
  const Matrix rows = test::Blobs(40, 3, 2, 7);
  const std::vector<double> all = Factors(rows, 39);
  for (const std::size_t neighbors : {40u, 41u, 1'000'000u}) EXPECT_EQ(Factors(rows, neighbors), all);
  ExpectFactors(rows, 1000);
}

TEST(LocalOutlierFactors, FewRows) {
  EXPECT_TRUE(Factors({}, 20).empty());
  const std::vector<double> one = Factors({{1, 2}}, 20);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_TRUE(std::isnan(one[0]));
  EXPECT_EQ(Factors({{1, 2}, {3, 4}}, 20), (std::vector<double>{1, 1}));
  EXPECT_EQ(Factors({{1, 2}, {1, 2}}, 1), (std::vector<double>{1, 1}));
}

TEST(LocalOutlierFactors, DoNotDependOnThreadsOrTheOrderOfRows) {
  for (const Matrix& rows : {test::Blobs(3000, 3, 4, 5), test::LatticeRows(3000, 3, 12, 6)}) {
    const std::vector<double> expected = Factors(rows, 20);
    EXPECT_EQ(Factors(rows, 20, 2), expected);
    EXPECT_EQ(Factors(rows, 20, 3), expected);
    std::vector<std::size_t> order(rows.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    test::Random(8).Shuffle(&order);
    Matrix shuffled;
    for (const std::size_t i : order) shuffled.push_back(rows[i]);
    const std::vector<double> found = Factors(shuffled, 20);
    for (std::size_t i = 0; i < order.size(); ++i) ASSERT_EQ(found[i], expected[order[i]]);
  }
}

TEST(LocalOutlierFactors, WeightsDoNotCount) {
  const Matrix matrix = test::Blobs(200, 2, 2, 3);
  const OwnedRows weighted(matrix, test::RandomWeights(200, 4));
  EXPECT_EQ(LocalOutlierFactors(weighted.set(), 10, test::kNoInterrupt, 1), Factors(matrix, 10));
}

TEST(LocalOutlierFactors, Errors) {
  using test::ExpectError;
  ExpectError(ErrorCode::kInvalidParameter, [] { Factors({{1}, {2}}, 0); });
  ExpectError(ErrorCode::kNotFinite, [] { Factors({{1e200}, {-1e200}, {0}}, 1); });
  ExpectError(ErrorCode::kNotFinite, [] { Factors({{1.7e308}, {-1.7e308}}, 1); });
  OwnedRows rows(Matrix{{1}, {2}});
  rows.mutable_set()->cell_count = 1;
  ExpectError(ErrorCode::kNotSupported, [&] { LocalOutlierFactors(rows.set(), 1, test::kNoInterrupt, 1); });
}

// Rows so close to each other that squares underflow are equal as far as distances go, in scikit-learn, too.
TEST(LocalOutlierFactors, TinyDistances) { ExpectFactors({{0}, {1e-200}, {3e-200}, {1}, {2}, {4}}, 2); }

// An interrupt that throws when it is polled for the nth time.
struct Countdown {
  std::int64_t left;
  std::int64_t polls = 0;
  volatile std::sig_atomic_t pending = 1;
  struct Stopped {};

  static void Handle(void* context) {
    auto* countdown = static_cast<Countdown*>(context);
    if (++countdown->polls >= countdown->left) throw Stopped();
  }
  Interrupt interrupt() { return {&pending, &Handle, this}; }
};

// Wherever it comes: in the sort, the tree, the searches or the sums.
TEST(LocalOutlierFactors, CanBeCancelledAnywhere) {
  const OwnedRows rows(test::Blobs(2000, 3, 3, 2));
  Countdown all{INT64_MAX};
  LocalOutlierFactors(rows.set(), 20, all.interrupt(), 1);
  EXPECT_GT(all.polls, 50'000);
  for (std::int64_t left = 1; left < all.polls; left += all.polls / 40) {
    Countdown countdown{left};
    EXPECT_THROW(LocalOutlierFactors(rows.set(), 20, countdown.interrupt(), 1), Countdown::Stopped);
  }
}

TEST(LocalOutlierFactors, CanBeCancelledWithThreads) {
  const OwnedRows rows(test::Blobs(2000, 3, 3, 2));
  for (const std::int64_t left : {1, 2000, 30'000, 40'000}) {
    Countdown countdown{left};
    EXPECT_THROW(LocalOutlierFactors(rows.set(), 20, countdown.interrupt(), 3), Countdown::Stopped);
  }
}

// numpy.percentile([-1, -2, -4, -8, -16], 100 * c), worked out by hand: linear between the sorted values -16, -8, -4, -2, -1.
TEST(ContaminationThreshold, IsNumpysPercentile) {
  const std::vector<double> factors = {4, 1, 16, 2, 8};
  EXPECT_DOUBLE_EQ(ContaminationThreshold(factors, 0.25), 8);
  EXPECT_DOUBLE_EQ(ContaminationThreshold(factors, 0.5), 4);
  EXPECT_DOUBLE_EQ(ContaminationThreshold(factors, 0.125), 12);
  EXPECT_DOUBLE_EQ(ContaminationThreshold(factors, 0.05), 14.4);
  EXPECT_DOUBLE_EQ(ContaminationThreshold({1, 3}, 0.5), 2);
  EXPECT_TRUE(std::isnan(ContaminationThreshold({}, 0.1)));
  EXPECT_TRUE(std::isnan(ContaminationThreshold({test::kNaN}, 0.1)));
}

TEST(ContaminationThreshold, LeavesOutTheShareThatWasAskedFor) {
  std::vector<double> factors(1000);
  std::iota(factors.begin(), factors.end(), 1.0);
  test::Random(3).Shuffle(&factors);
  for (const double contamination : {0.001, 0.01, 0.05, 0.1, 0.25, 0.5}) {
    const double threshold = ContaminationThreshold(factors, contamination);
    const auto above = std::count_if(factors.begin(), factors.end(), [&](double factor) { return factor > threshold; });
    EXPECT_EQ(above, std::lround(1000 * contamination)) << contamination;
  }
}

TEST(ContaminationThreshold, Errors) {
  for (const double contamination : {0.0, -0.1, 0.51, 1.0, test::kNaN, test::kInf}) {
    test::ExpectError(ErrorCode::kInvalidParameter, [&] { ContaminationThreshold({1, 2, 3}, contamination); });
  }
}

}  // namespace
}  // namespace segmentation
