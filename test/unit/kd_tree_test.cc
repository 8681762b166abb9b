#include "core/kd_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

Matrix Different(const Matrix& matrix) {
  const std::set<std::vector<double>> rows(matrix.begin(), matrix.end());
  return {rows.begin(), rows.end()};
}

double Square(const std::vector<double>& a, const std::vector<double>& b) {
  double square = 0;
  for (std::size_t j = 0; j < a.size(); ++j) square += (a[j] - b[j]) * (a[j] - b[j]);
  return square;
}

// The definition: all other rows sorted by distance and number, until they stand for as many as are wanted.
std::vector<Neighbor> BruteForce(const Matrix& rows, const std::vector<std::uint32_t>& counts, std::uint32_t row, std::uint64_t wanted) {
  std::vector<Neighbor> all;
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    if (i != row || counts[i] > 1) all.push_back({Square(rows[row], rows[i]), i});
  }
  std::sort(all.begin(), all.end());
  std::size_t size = 0;
  for (std::uint64_t found = 0; found < wanted; ++size) found += counts[all[size].row] - (all[size].row == row ? 1 : 0);
  all.resize(size);
  return all;
}

void ExpectNearest(const Matrix& rows, const std::vector<std::uint32_t>& counts, std::uint64_t wanted, int threads) {
  ThreadTeam team(test::kNoInterrupt, threads);
  const std::vector<double> flat = test::Flatten(rows);
  const KdTree tree(flat, rows.front().size(), team);
  NearestRows nearest(counts);
  std::vector<bool> seen(rows.size(), false);
  for (std::size_t tile = 0; tile < tree.tile_count(); ++tile) {
    for (std::size_t i = 0; i < tree.rows_in(tile); ++i) {
      const std::uint32_t row = tree.row_in(tile, i);
      EXPECT_FALSE(seen[row]);
      seen[row] = true;
      nearest.Begin(row, wanted);
      tree.Search(rows[row].data(), &nearest, test::kNoInterrupt);
      const std::vector<Neighbor> expected = BruteForce(rows, counts, row, wanted);
      const std::vector<Neighbor>& found = nearest.Sorted();
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t at = 0; at < found.size(); ++at) {
        ASSERT_EQ(found[at].row, expected[at].row) << "row " << row << " neighbour " << at;
        ASSERT_EQ(found[at].square, expected[at].square);
      }
    }
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), static_cast<std::ptrdiff_t>(rows.size()));
}

TEST(KdTree, FindsTheNearestOfDifferentRows) {
  for (std::size_t d = 1; d <= 10; ++d) {
    for (std::size_t n : {2u, 63u, 64u, 65u, 128u, 129u, 700u}) {
      const Matrix rows = Different(test::Blobs(n, d, 4, 100 * d + n));
      const std::vector<std::uint32_t> counts(rows.size(), 1);
      for (std::size_t wanted : {1u, 5u, 20u}) ExpectNearest(rows, counts, std::min<std::size_t>(wanted, rows.size() - 1), 2);
    }
  }
}

TEST(KdTree, TiesGoToTheLowestNumber) {
  for (std::size_t d = 1; d <= 6; ++d) {
    const Matrix rows = Different(test::LatticeRows(900, d, d == 1 ? 1000 : 6, d));
    ExpectNearest(rows, std::vector<std::uint32_t>(rows.size(), 1), std::min<std::size_t>(20, rows.size() - 1), 1);
  }
  // Corners of a cube: hundreds of rows at each distance.
  const Matrix corners = Different(test::LatticeRows(1500, 10, 2, 9));
  ExpectNearest(corners, std::vector<std::uint32_t>(corners.size(), 1), 30, 1);
}

TEST(KdTree, RowsThatStandForMany) {
  const Matrix rows = Different(test::LatticeRows(500, 2, 15, 3));
  test::Random random(4);
  std::vector<std::uint32_t> counts(rows.size());
  for (std::uint32_t& count : counts) count = static_cast<std::uint32_t>(1 + random.Below(random.Below(3) == 0 ? 40 : 3));
  for (std::uint64_t wanted : {1u, 2u, 20u, 100u}) ExpectNearest(rows, counts, wanted, 1);
}

// Powers of two, along several columns: boxes that are halved in the middle would be nested thousands deep.
TEST(KdTree, SkewedRowsMakeNoDeepTree) {
  Matrix rows;
  for (std::size_t j = 0; j < 4; ++j) {
    for (int exponent = -490; exponent < 490; ++exponent) {
      rows.emplace_back(4, 0.0);
      rows.back()[j] = std::ldexp(1.0, exponent);
    }
  }
  rows = Different(rows);
  ExpectNearest(rows, std::vector<std::uint32_t>(rows.size(), 1), 10, 2);
}

}  // namespace
}  // namespace segmentation
