#include "core/match.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "test_support.h"

namespace segmentation {
namespace {

// The largest sum over all ways to give each column a row of its own, or none where rows have run out.
double LargestSum(const std::vector<double>& gain, std::size_t rows, std::size_t columns) {
  const std::size_t n = std::max(rows, columns);
  std::vector<std::size_t> row_of(n);
  std::iota(row_of.begin(), row_of.end(), std::size_t{0});
  double largest = -test::kInf;
  do {
    double sum = 0;
    for (std::size_t j = 0; j < columns; ++j) sum += row_of[j] < rows ? gain[row_of[j] * columns + j] : 0;
    largest = std::max(largest, sum);
  } while (std::next_permutation(row_of.begin(), row_of.end()));
  return largest;
}

void CheckAssignment(const std::vector<double>& gain, std::size_t rows, std::size_t columns) {
  const std::vector<std::size_t> assigned = BestAssignment(gain, rows, columns);
  ASSERT_EQ(assigned.size(), columns);
  std::set<std::size_t> used;
  double sum = 0;
  for (std::size_t j = 0; j < columns; ++j) {
    if (assigned[j] == kUnmatched) continue;
    ASSERT_LT(assigned[j], rows);
    EXPECT_TRUE(used.insert(assigned[j]).second) << "row " << assigned[j] << " is given twice";
    sum += gain[assigned[j] * columns + j];
  }
  EXPECT_EQ(used.size(), std::min(rows, columns));
  EXPECT_NEAR(sum, LargestSum(gain, rows, columns), 1e-9) << rows << " x " << columns;
}

TEST(BestAssignment, HasTheLargestSumOfAll) {
  test::Random random(1);
  for (std::size_t rows = 1; rows <= 7; ++rows) {
    for (std::size_t columns = 1; columns <= 7; ++columns) {
      for (int trial = 0; trial < (std::max(rows, columns) < 7 ? 12 : 3); ++trial) {
        std::vector<double> real, small, sparse;
        for (std::size_t i = 0; i < rows * columns; ++i) {
          real.push_back(random.Uniform(0, 1000));
          small.push_back(static_cast<double>(random.Below(3)));                                 // ties
          sparse.push_back(random.Below(3) == 0 ? static_cast<double>(random.Below(1000)) : 0);  // mostly nothing
        }
        CheckAssignment(real, rows, columns);
        CheckAssignment(small, rows, columns);
        CheckAssignment(sparse, rows, columns);
      }
    }
  }
}

TEST(BestAssignment, OfZerosAndOfEqualGainsIsComplete) {
  for (double value : {0.0, 5.0}) {
    for (std::size_t rows : {1u, 3u, 6u}) {
      for (std::size_t columns : {1u, 3u, 6u}) CheckAssignment(std::vector<double>(rows * columns, value), rows, columns);
    }
  }
}

TEST(BestAssignment, OfNothingIsNothing) {
  EXPECT_TRUE(BestAssignment({}, 0, 0).empty());
  EXPECT_TRUE(BestAssignment({}, 4, 0).empty());
  EXPECT_EQ(BestAssignment({}, 0, 3), (std::vector<std::size_t>(3, kUnmatched)));
}

// A greedy choice would take 9 + 0.
TEST(BestAssignment, IsNotGreedy) {
  EXPECT_EQ(BestAssignment({9, 8, 8, 0}, 2, 2), (std::vector<std::size_t>{1, 0}));
}

TEST(BestAssignment, OfAHiddenPermutationFindsIt) {
  test::Random random(2);
  constexpr std::size_t kSize = 150;
  std::vector<std::size_t> hidden(kSize);
  std::iota(hidden.begin(), hidden.end(), std::size_t{0});
  random.Shuffle(&hidden);
  std::vector<double> gain(kSize * kSize);
  for (double& value : gain) value = random.Uniform();
  for (std::size_t j = 0; j < kSize; ++j) gain[hidden[j] * kSize + j] += 1;  // more than any exchange could gain
  EXPECT_EQ(BestAssignment(gain, kSize, kSize), hidden);
}

TEST(MatchSegments, PairsThatShareMoreThanHalfOfEitherCount) {
  // The first pair shares 60 of 100 and 60 of 60, the second 100 of 140.
  EXPECT_EQ(MatchSegments({2, 2, {60, 40, 0, 100}}), (std::vector<std::size_t>{0, 1}));
  // Exactly half of both is not enough: 50 of 100 and 50 of 100.
  EXPECT_EQ(MatchSegments({2, 2, {50, 50, 50, 50}}), (std::vector<std::size_t>{kUnmatched, kUnmatched}));
  // More than half of the new one alone: 51 of 100 from an old one of 1,000.
  EXPECT_EQ(MatchSegments({2, 1, {51, 49}}), (std::vector<std::size_t>{0}));
  EXPECT_EQ(MatchSegments({1, 2, {949, 51}}), (std::vector<std::size_t>{0, kUnmatched}));
  // More than half of the old one alone: 60 of 100 in a new one of 200, the rest of which comes from three others.
  EXPECT_EQ(MatchSegments({4, 1, {60, 50, 50, 40}}), (std::vector<std::size_t>{0}));
  // A plurality on both sides, but no majority: 40 of 100 and 40 of 100.
  EXPECT_EQ(MatchSegments({3, 3, {40, 30, 30, 30, 40, 30, 30, 30, 40}}), (std::vector<std::size_t>(3, kUnmatched)));
}

TEST(MatchSegments, ASegmentThatIsSplitGoesOnInItsLargerPart) {
  EXPECT_EQ(MatchSegments({2, 3, {70, 30, 0, 0, 0, 100}}), (std::vector<std::size_t>{0, kUnmatched, 1}));
  EXPECT_EQ(MatchSegments({3, 2, {70, 0, 30, 0, 0, 100}}),
            (std::vector<std::size_t>{0, 2}));  // and of two that are merged the larger one
}

TEST(MatchSegments, SegmentsWithoutRowsAreNotMatched) {
  EXPECT_EQ(MatchSegments({2, 2, {10, 0, 0, 0}}), (std::vector<std::size_t>{0, kUnmatched}));
  EXPECT_EQ(MatchSegments({2, 2, {0, 0, 0, 0}}), (std::vector<std::size_t>{kUnmatched, kUnmatched}));
  EXPECT_EQ(MatchSegments({0, 2, {}}), (std::vector<std::size_t>{kUnmatched, kUnmatched}));
  EXPECT_TRUE(MatchSegments({2, 0, {}}).empty());
}

// Gains are real numbers, so that only one assignment is the best.
TEST(MatchSegments, IsTheBestAssignmentAndTheRule) {
  test::Random random(3);
  int matched = 0, unmatched = 0;
  for (int trial = 0; trial < 300; ++trial) {
    Contingency table{1 + random.Below(5), 1 + random.Below(5), {}};
    for (std::size_t i = 0; i < table.old_count * table.new_count; ++i) {
      table.rows.push_back(std::pow(random.Uniform(), 4) * 1000);
    }
    const std::vector<std::size_t> best = BestAssignment(table.rows, table.old_count, table.new_count);
    const std::vector<std::size_t> found = MatchSegments(table);
    for (std::size_t j = 0; j < table.new_count; ++j) {
      bool counts = false;
      if (best[j] != kUnmatched) {
        double of_old = 0, of_new = 0;
        for (std::size_t other = 0; other < table.new_count; ++other) of_old += table.At(best[j], other);
        for (std::size_t other = 0; other < table.old_count; ++other) of_new += table.At(other, j);
        counts = table.At(best[j], j) / of_old > 0.5 || table.At(best[j], j) / of_new > 0.5;
      }
      EXPECT_EQ(found[j], counts ? best[j] : kUnmatched);
      ++(counts ? matched : unmatched);
    }
  }
  EXPECT_GT(matched, 100);
  EXPECT_GT(unmatched, 100);
}

Contingency TableOf(const std::vector<std::size_t>& olds, const std::vector<std::size_t>& news) {
  Contingency table{*std::max_element(olds.begin(), olds.end()) + 1, *std::max_element(news.begin(), news.end()) + 1, {}};
  table.rows.resize(table.old_count * table.new_count);
  for (std::size_t i = 0; i < olds.size(); ++i) table.rows[olds[i] * table.new_count + news[i]] += 1;
  return table;
}

// By looking at every pair of rows: together in both, in the first, in the second, in neither. 2 (ad - bc) / ((a+b)(b+d) +
// (a+c)(c+d)), the form of D. Steinley, "Properties of the Hubert-Arabie adjusted Rand index", Psychological Methods 9,
// 2004.
double RandByPairs(const std::vector<std::size_t>& olds, const std::vector<std::size_t>& news) {
  double a = 0, b = 0, c = 0, d = 0;
  for (std::size_t i = 0; i < olds.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const bool before = olds[i] == olds[j], now = news[i] == news[j];
      (before ? (now ? a : b) : (now ? c : d)) += 1;
    }
  }
  return 2 * (a * d - b * c) / ((a + b) * (b + d) + (a + c) * (c + d));
}

TEST(AdjustedRandIndex, KnownExamples) {
  // scikit-learn's documentation of adjusted_rand_score: 0.57 (4/7) both ways, and 0 for pieces against single rows.
  EXPECT_NEAR(AdjustedRandIndex(TableOf({0, 0, 1, 2}, {0, 0, 1, 1})), 4.0 / 7, 1e-15);
  EXPECT_NEAR(AdjustedRandIndex(TableOf({0, 0, 1, 1}, {0, 0, 1, 2})), 4.0 / 7, 1e-15);
  EXPECT_NEAR(AdjustedRandIndex(TableOf({0, 0, 0, 0}, {0, 1, 2, 3})), 0, 1e-15);
  // No pair in common, two pairs of six in each: (0 - 4/6) / (2 - 4/6).
  EXPECT_NEAR(AdjustedRandIndex(TableOf({0, 0, 1, 1}, {0, 1, 0, 1})), -0.5, 1e-15);
}

TEST(AdjustedRandIndex, IsWhatCountingPairsGives) {
  test::Random random(4);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<std::size_t> olds, news;
    const std::size_t k = 2 + random.Below(5), l = 2 + random.Below(5);
    for (int i = 0; i < 70; ++i) {
      olds.push_back(random.Below(k));
      news.push_back(random.Below(3) == 0 ? random.Below(l) : olds.back() % l);  // somewhat alike
    }
    EXPECT_NEAR(AdjustedRandIndex(TableOf(olds, news)), RandByPairs(olds, news), 1e-13);
    EXPECT_NEAR(AdjustedRandIndex(TableOf(news, olds)), RandByPairs(olds, news), 1e-13);
  }
}

TEST(AdjustedRandIndex, IsOneForOtherNamesAndAboutZeroForUnrelatedOnes) {
  test::Random random(5);
  std::vector<std::size_t> olds, renamed, unrelated;
  for (int i = 0; i < 20'000; ++i) {
    olds.push_back(random.Below(7));
    renamed.push_back((olds.back() * 3 + 2) % 7);
    unrelated.push_back(random.Below(5));
  }
  EXPECT_NEAR(AdjustedRandIndex(TableOf(olds, renamed)), 1, 1e-15);
  EXPECT_NEAR(AdjustedRandIndex(TableOf(olds, unrelated)), 0, 1e-3);
}

TEST(AdjustedRandIndex, OfEqualPartitionsWithoutFreedomIsOne) {
  EXPECT_EQ(AdjustedRandIndex({1, 1, {1e9}}), 1);
  EXPECT_EQ(AdjustedRandIndex({1, 1, {123'456'789}}), 1);
  EXPECT_EQ(AdjustedRandIndex({3, 3, {1, 0, 0, 0, 0, 1, 0, 1, 0}}), 1);  // all in single rows
  EXPECT_EQ(AdjustedRandIndex({1, 1, {1}}), 1);
  EXPECT_EQ(AdjustedRandIndex({2, 2, {0, 0, 0, 0}}), 1);
  EXPECT_EQ(AdjustedRandIndex({0, 0, {}}), 1);
}

TEST(Jaccard, IsTheShareOfRowsInEither) {
  const Contingency table{2, 3, {30, 10, 0, 20, 0, 40}};
  EXPECT_DOUBLE_EQ(Jaccard(table, 0, 0), 30.0 / 60);  // 40 in the one, 50 in the other, 30 in both
  EXPECT_DOUBLE_EQ(Jaccard(table, 1, 0), 20.0 / 90);
  EXPECT_DOUBLE_EQ(Jaccard(table, 1, 2), 40.0 / 60);
  EXPECT_EQ(Jaccard(table, 0, 2), 0);
  EXPECT_EQ(Jaccard({1, 1, {7}}, 0, 0), 1);
  EXPECT_EQ(Jaccard({1, 2, {0, 5}}, 0, 0), 0);
  EXPECT_EQ(Jaccard({1, 1, {0}}, 0, 0), 0);
}

}  // namespace
}  // namespace segmentation
