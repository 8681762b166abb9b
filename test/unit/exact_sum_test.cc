// Sums that do not depend on the order of their terms, against long double.
#include "core/exact_sum.h"

#include <gtest/gtest.h>

#include "test_support.h"

namespace segmentation {
namespace {

double Sum(const std::vector<double>& terms, const SumUnit& unit, std::size_t flush_every = kMaxTerms) {
  ExactTotal total;
  double high = 0;
  double low = 0;
  std::size_t held = 0;
  for (double term : terms) {
    const Folds folds = Fold(term * unit.down());
    high += folds.high;
    low += folds.low;
    if (++held < flush_every) continue;
    total.Add(high, low);
    high = low = 0;
    held = 0;
  }
  total.Add(high, low);
  return total.Value(unit);
}

double Bound(const std::vector<double>& terms) {
  double bound = 0;
  for (double term : terms) bound = std::max(bound, std::abs(term));
  return bound;
}

TEST(ExactSum, NeitherOrderNorGroupingMatters) {
  test::Random random(1);
  for (int digits : {0, 8, 40}) {  // how many binary orders of magnitude the terms span
    std::vector<double> terms(20'000);
    for (double& term : terms) term = std::ldexp(random.Uniform(-1, 1), static_cast<int>(random.Below(static_cast<std::size_t>(digits) + 1)));
    const SumUnit unit(Bound(terms));
    const double expected = Sum(terms, unit);
    for (std::size_t flush : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
      random.Shuffle(&terms);
      EXPECT_EQ(Sum(terms, unit, flush), expected) << digits << " " << flush;
    }
    long double oracle = 0;
    std::sort(terms.begin(), terms.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
    for (double term : terms) oracle += term;
    EXPECT_NEAR(expected, static_cast<double>(oracle), Bound(terms) * 1e-15) << digits;
  }
}

TEST(ExactSum, WhatCannotBeSeenInADoubleIsNotLost) {
  const std::vector<double> terms = {1e12, 1e-7, -1e12, 1e-7};
  EXPECT_NEAR(Sum(terms, SumUnit(1e12)), 2e-7, 4 * 1e12 * 0x1p-80);
}

TEST(ExactSum, LosesAtMostTheLastBitsOfEightyBelowTheLargest) {
  test::Random random(2);
  std::vector<double> terms = {1};
  for (int i = 0; i < 1000; ++i) terms.push_back(random.Uniform(-1, 1) * 1e-9);
  long double oracle = 0;
  for (std::size_t i = 1; i < terms.size(); ++i) oracle += terms[i];
  EXPECT_NEAR(Sum(terms, SumUnit(1)) - 1, static_cast<double>(oracle), 0x1p-52);
  terms[0] = 1;
  terms.push_back(-1);
  EXPECT_NEAR(Sum(terms, SumUnit(1)), static_cast<double>(oracle), 1000 * 0x1p-81);
}

TEST(ExactSum, FullAtTheLargestTerms) {
  const std::vector<double> terms(kMaxTerms * 3, 1 - 0x1p-53);
  const double expected = kMaxTerms * 3 * (1 - 0x1p-53);
  EXPECT_EQ(Sum(terms, SumUnit(1 - 0x1p-53)), expected);
}

TEST(ExactSum, AtTheEndsOfTheRange) {
  constexpr double kLargest = std::numeric_limits<double>::max();
  EXPECT_EQ(Sum({kLargest, -kLargest, kLargest}, SumUnit(kLargest)), kLargest);
  EXPECT_EQ(Sum({0x1p1023}, SumUnit(0x1p1023)), 0x1p1023);
  EXPECT_EQ(Sum({0, 0}, SumUnit(0)), 0);
  EXPECT_EQ(Sum({1e-300, 2e-300}, SumUnit(2e-300)), 1e-300 + 2e-300);
  EXPECT_EQ(Sum({1.5e-150, -1e-150}, SumUnit(2e-150)), 1.5e-150 - 1e-150);
}

}  // namespace
}  // namespace segmentation
