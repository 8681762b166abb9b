#include "core/rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <algorithm>
#include <cstring>
#include <string>

#include "core/hash.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

// The rows' bytes in the order found.
std::vector<std::string> Ordered(const test::OwnedRows& rows) {
  std::vector<std::string> out;
  for (const char* row : CanonicalOrder(rows.set(), test::kNoInterrupt)) out.emplace_back(row, rows.set().RowBytes());
  return out;
}

// The definition: by hash, ties by the bytes.
std::vector<std::string> Sorted(std::vector<std::string> rows) {
  std::sort(rows.begin(), rows.end(), [](const std::string& a, const std::string& b) {
    const auto hash_a = HashBytes(a.data(), a.size(), 0);
    const auto hash_b = HashBytes(b.data(), b.size(), 0);
    return hash_a != hash_b ? hash_a < hash_b : std::memcmp(a.data(), b.data(), a.size()) < 0;
  });
  return rows;
}

// 256 and 257 rows are where the counting sort takes over.
constexpr std::size_t kCounts[] = {1, 2, 100, 255, 256, 257, 258, 1000, 20'000};

TEST(CanonicalOrder, IsByHashThenBytes) {
  for (std::size_t n : kCounts) {
    const Matrix matrix = test::UniformRows(n, 3, n);
    std::vector<std::string> bytes;
    for (const auto& row : matrix) bytes.emplace_back(reinterpret_cast<const char*>(row.data()), 3 * sizeof(double));
    EXPECT_TRUE(Ordered(test::OwnedRows(matrix)) == Sorted(bytes)) << n;
  }
}

TEST(CanonicalOrder, DoesNotDependOnTheOrderOfRowsNorOnBlocks) {
  for (std::size_t n : kCounts) {
    Matrix matrix = test::LatticeRows(n, 2, 10, n);  // many equal rows
    const auto expected = Ordered(test::OwnedRows(matrix));
    test::Random random(n);
    for (std::size_t block : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, SIZE_MAX}) {
      random.Shuffle(&matrix);
      EXPECT_TRUE(Ordered(test::OwnedRows(matrix, {}, block)) == expected) << n << " in blocks of " << block;
    }
  }
}

TEST(CanonicalOrder, EqualRowsAreNeighbours) {
  const auto order = Ordered(test::OwnedRows(test::LatticeRows(5000, 2, 8, 1)));
  std::size_t runs = 1;
  for (std::size_t i = 1; i < order.size(); ++i) runs += order[i] != order[i - 1] ? 1 : 0;
  EXPECT_EQ(runs, 64u);  // 8 x 8 different rows
}

TEST(CanonicalOrder, TheWeightIsPartOfTheRow) {
  const Matrix matrix(300, {1.0, 2.0});
  const auto order = Ordered(test::OwnedRows(matrix, test::RandomWeights(300, 1, 3)));
  std::size_t runs = 1;
  for (std::size_t i = 1; i < order.size(); ++i) runs += order[i] != order[i - 1] ? 1 : 0;
  EXPECT_EQ(runs, 3u);
}

TEST(CanonicalOrder, ManyEqualRowsDoNotSlowItDown) {
  const Matrix matrix(200'000, {1.0});  // a quadratic sort would not end
  EXPECT_EQ(Ordered(test::OwnedRows(matrix)).size(), matrix.size());
}

// Whatever the data, a stretch of the order is as good as a random sample.
TEST(CanonicalOrder, IsUnrelatedToTheValues) {
  Matrix matrix;
  for (int i = 0; i < 10'000; ++i) matrix.push_back({static_cast<double>(i)});
  double sum = 0;
  const test::OwnedRows rows(matrix);
  const auto order = CanonicalOrder(rows.set(), test::kNoInterrupt);
  for (std::size_t i = 0; i < 1000; ++i) {
    double value;
    std::memcpy(&value, order[i], sizeof value);
    sum += value;
  }
  // The mean of 1,000 of 0 .. 9,999: standard deviation 10,000 / sqrt(12) / sqrt(1000) = 91; five of them are allowed.
  EXPECT_NEAR(sum / 1000, 4999.5, 5 * 91);
}

TEST(CanonicalOrder, NoRowsNoOrder) {
  EXPECT_TRUE(CanonicalOrder(RowSet{}, test::kNoInterrupt).empty());
}

// The sampled rows by value.
Matrix Sampled(const RowSet& set, std::size_t size, int threads) {
  ThreadTeam team(test::kNoInterrupt, threads);
  Matrix rows;
  for (const char* row : SampleRows(set, size, team)) {
    rows.emplace_back(set.RowBytes() / sizeof(double));
    std::memcpy(rows.back().data(), row, set.RowBytes());
  }
  return rows;
}

TEST(SampleRows, NeitherOrderNorBlocksNorThreadsMatter) {
  Matrix rows = test::UniformRows(20'000, 2, 1);
  for (auto& row : rows) row[0] = std::floor(row[0] * 50);  // some equal in one column
  std::vector<double> weights = test::RandomWeights(rows.size(), 2);
  for (std::size_t i = 0; i < 3000; ++i) rows[i] = {7, 7};  // and many equal rows
  test::Random random(1);
  for (bool weighted : {false, true}) {
    if (!weighted) weights.clear();
    const Matrix expected = Sampled(test::OwnedRows(rows, weights).set(), 5000, 1);
    ASSERT_EQ(expected.size(), 5000u);
    Matrix shuffled = rows;
    if (!weighted) random.Shuffle(&shuffled);
    EXPECT_EQ(Sampled(test::OwnedRows(shuffled, weights, 100).set(), 5000, 3), expected);
  }
}

TEST(SampleRows, AllOfThemAreTheCanonicalOrder) {
  const Matrix rows = test::LatticeRows(3000, 2, 30, 1);
  const test::OwnedRows owned(rows);
  for (std::size_t size : {std::size_t{3000}, std::size_t{999'999}}) {
    ThreadTeam team(test::kNoInterrupt, 2);
    EXPECT_EQ(SampleRows(owned.set(), size, team).size(), 3000u);
    Matrix canonical;
    for (const char* row : CanonicalOrder(owned.set(), test::kNoInterrupt)) {
      canonical.emplace_back(2);
      std::memcpy(canonical.back().data(), row, owned.set().RowBytes());
    }
    EXPECT_EQ(Sampled(owned.set(), size, 2), canonical);
  }
}

TEST(SampleRows, FrequentRowsStayFrequent) {
  // 40 % of the rows are one row, 20 % another, and the rest all differ.
  Matrix rows = test::UniformRows(100'000, 2, 5);
  for (std::size_t i = 0; i < 40'000; ++i) rows[i] = {-1, -1};
  for (std::size_t i = 40'000; i < 60'000; ++i) rows[i] = {-2, -2};
  std::size_t first = 0, second = 0;
  double mean = 0;
  const Matrix sample = Sampled(test::OwnedRows(rows).set(), 10'000, 1);
  for (const auto& row : sample) {
    first += row[0] == -1 ? 1 : 0;
    second += row[0] == -2 ? 1 : 0;
    mean += row[0] >= 0 ? row[0] / 4000 : 0;
  }
  // The shares are kept up to a bucket or two.
  EXPECT_NEAR(static_cast<double>(first), 4000, 5);
  EXPECT_NEAR(static_cast<double>(second), 2000, 5);
  EXPECT_NEAR(mean, 0.5, 4 * std::sqrt(1 / 12.0 / 4000));
}

TEST(SampleRows, FewDifferentRowsAreAllThere) {
  const Matrix sample = Sampled(test::OwnedRows(test::LatticeRows(200'000, 2, 10, 1)).set(), 5000, 1);
  std::vector<int> seen(100, 0);
  for (const auto& row : sample) ++seen[static_cast<std::size_t>(row[0] * 10 + row[1])];
  for (int count : seen) EXPECT_NEAR(count, 50, 5);
}

}  // namespace
}  // namespace segmentation
