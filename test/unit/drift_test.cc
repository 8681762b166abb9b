#include "core/drift.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.h"
#include "test_support.h"

namespace segmentation {
namespace {

using Counts = std::vector<double>;

// ---- the tail ------------------------------------------------------------------------------------------------------

TEST(ChiSquareTail, AgreesWithPublishedTables) {
  // Upper critical values: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4, with more digits from
  // scipy.stats.chi2.
  const struct {
    double statistic;
    int degrees;
    double tail;
  } kTable[] = {
      {2.705543454095404, 1, 0.10},   {3.841458820694124, 1, 0.05},  {6.634896601021213, 1, 0.01},
      {10.827566170662733, 1, 0.001}, {5.991464547107979, 2, 0.05},  {7.814727903251179, 3, 0.05},
      {9.487729036781154, 4, 0.05},   {11.07049769351635, 5, 0.05},  {15.08627246938899, 5, 0.01},
      {18.307038053275146, 10, 0.05}, {23.20925115895436, 10, 0.01}, {31.41043284423092, 20, 0.05},
  };
  for (const auto& line : kTable) {
    EXPECT_NEAR(ChiSquareTail(line.statistic, line.degrees), line.tail, 1e-12 * line.tail) << line.degrees;
  }
  // To three digits, as printed.
  EXPECT_NEAR(ChiSquareTail(124.342, 100), 0.05, 2e-6);
  EXPECT_NEAR(ChiSquareTail(135.807, 100), 0.01, 2e-6);
  EXPECT_NEAR(ChiSquareTail(70.065, 100), 0.99, 2e-6);
}

TEST(ChiSquareTail, IsExponentialForTwoDegreesAndNormalForOne) {
  for (double x = 0.001; x < 1400; x *= 1.3) {
    EXPECT_NEAR(ChiSquareTail(x, 2), std::exp(-x / 2), 1e-12 * std::exp(-x / 2));
    EXPECT_NEAR(ChiSquareTail(x, 1), std::erfc(std::sqrt(x / 2)), 1e-12 * std::erfc(std::sqrt(x / 2)) + 1e-300);
    EXPECT_NEAR(ChiSquareTail(x, 4), std::exp(-x / 2) * (1 + x / 2), 1e-12 * std::exp(-x / 2) * (1 + x / 2));
  }
}

// The density integrated by Simpson's rule over u = sqrt(t), where it has no pole.
double IntegratedTail(double statistic, int degrees) {
  const double from = std::sqrt(statistic);
  const double to = std::max(from, std::sqrt(static_cast<double>(degrees))) + 12;
  const double log_factor = std::log(2.0) - degrees / 2.0 * std::log(2.0) - std::lgamma(degrees / 2.0);
  const auto density = [&](double u) {
    if (u == 0) return degrees == 1 ? std::exp(log_factor) : 0.0;
    return std::exp(log_factor + (degrees - 1) * std::log(u) - u * u / 2);
  };
  constexpr int kSteps = 40'000;
  const double step = (to - from) / kSteps;
  double sum = density(from) + density(to);
  for (int i = 1; i < kSteps; ++i) sum += density(from + i * step) * (i % 2 == 1 ? 4 : 2);
  return sum * step / 3;
}

TEST(ChiSquareTail, IsTheIntegralOfTheDensity) {
  for (int degrees : {1, 2, 3, 4, 5, 6, 7, 9, 10, 17, 30, 31, 64, 99, 100, 119, 120}) {
    for (double part : {0.01, 0.2, 0.5, 0.9, 1.0, 1.1, 1.5, 2.0, 4.0, 9.0}) {
      const double expected = IntegratedTail(part * degrees, degrees);
      EXPECT_NEAR(ChiSquareTail(part * degrees, degrees), expected, 1e-9 * expected) << degrees << " " << part * degrees;
    }
  }
}

TEST(ChiSquareTail, IsAProbabilityThatFallsWithTheStatisticAndGrowsWithTheDegrees) {
  for (int degrees = 1; degrees <= 120; ++degrees) {
    double before = 1;
    for (double x = 1e-300; x<1e300; x *= x> 0.1 && x < 1e4 ? 1.1 : 10) {
      const double tail = ChiSquareTail(x, degrees);
      EXPECT_TRUE(tail >= 0 && tail <= 1) << tail << " at " << x << ", " << degrees;
      EXPECT_LE(tail, before * (1 + 1e-11)) << x << ", " << degrees;
      EXPECT_GE(tail * (1 + 1e-11), ChiSquareTail(x, degrees - (degrees > 2 ? 2 : 0))) << x << ", " << degrees;
      before = tail;
    }
    EXPECT_EQ(before, 0) << degrees;
    EXPECT_EQ(ChiSquareTail(1e308, degrees), 0) << degrees;
    EXPECT_EQ(ChiSquareTail(1e-300, degrees), 1) << degrees;
  }
}

// A sum of squares can overflow.
TEST(ChiSquareTail, OfAnInfiniteStatisticIs0) {
  for (int degrees = 1; degrees <= 8; ++degrees) EXPECT_EQ(ChiSquareTail(test::kInf, degrees), 0) << degrees;
}

TEST(ChiSquareTail, WithoutDegreesOrStatisticIs1) {
  EXPECT_EQ(ChiSquareTail(5, 0), 1);
  EXPECT_EQ(ChiSquareTail(5, -1), 1);
  EXPECT_EQ(ChiSquareTail(0, 3), 1);
  EXPECT_EQ(ChiSquareTail(-1, 3), 1);
}

// ---- comparing counts ----------------------------------------------------------------------------------------------

// sum (q - p) ln(q / p), with half a row more in each of the bins that either side has.
double PlainIndex(const Counts& before, const Counts& now) {
  double n = 0, m = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == 0 && now[i] == 0) continue;
    n += before[i] + 0.5, m += now[i] + 0.5;
  }
  double index = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == 0 && now[i] == 0) continue;
    const double p = (before[i] + 0.5) / n, q = (now[i] + 0.5) / m;
    index += q * std::log(q / p) + p * std::log(p / q);
  }
  return index;
}

double Total(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), 0.0);
}

// By hand: shares 10.5, 20.5, 30.5 of 61.5 against the reverse, so 2 * 20/61.5 * ln(61/21), less 2 * (1/60 + 1/60). Each
// bin expects 20, 20, 20, so that four cells are off by 10: 4 * 100/20.
TEST(CompareCounts, ThreeBinsByHand) {
  const DriftTest test = CompareCounts({10, 20, 30}, {30, 20, 10});
  EXPECT_NEAR(test.psi, 40 / 61.5 * std::log(61.0 / 21.0) - 4.0 / 60, 1e-14);
  EXPECT_NEAR(test.psi, 0.6269, 5e-5);
  EXPECT_NEAR(test.chi_square, 20, 1e-12);
  EXPECT_EQ(test.degrees, 2);
  EXPECT_NEAR(test.p, std::exp(-10.0), 1e-15);
}

// Twice as many rows now. Two by two: N (ad - bc)^2 / (row and column sums) = 300 (50*150 - 50*50)^2 / (100 * 200 * 100 *
// 200).
TEST(CompareCounts, TwoBinsOfUnequalSidesByHand) {
  const DriftTest test = CompareCounts({50, 50}, {50, 150});
  EXPECT_NEAR(test.psi, (150.5 / 201 - 0.5) * std::log(150.5 / 50.5) - (0.01 + 0.005), 1e-14);
  EXPECT_NEAR(test.chi_square, 18.75, 1e-12);
  EXPECT_EQ(test.degrees, 1);
  EXPECT_NEAR(test.p, std::erfc(std::sqrt(18.75 / 2)), 1e-15);
}

TEST(CompareCounts, FollowsTheDefinitionsOnRandomCounts) {
  test::Random random(1);
  for (int trial = 0; trial < 500; ++trial) {
    const std::size_t bins = 2 + random.Below(12);
    Counts before, now;
    for (std::size_t i = 0; i < bins; ++i) {
      before.push_back(static_cast<double>(20 + random.Below(300))),
          now.push_back(static_cast<double>(20 + random.Below(300)));
    }
    const DriftTest test = CompareCounts(before, now);
    const double n = Total(before), m = Total(now);
    const double expected = std::max(0.0, PlainIndex(before, now) - static_cast<double>(bins - 1) * (1 / n + 1 / m));
    EXPECT_NEAR(test.psi, expected, 1e-13);
    // Another form of Pearson's statistic: n m sum (b/n - a/m)^2 / (b + a). All bins have more than five on either side.
    double chi_square = 0;
    for (std::size_t i = 0; i < bins; ++i) {
      const double apart = before[i] / n - now[i] / m;
      chi_square += n * m * apart * apart / (before[i] + now[i]);
    }
    if (std::min(n, m) / (n + m) * 40 < 5) continue;
    EXPECT_EQ(test.degrees, static_cast<int>(bins) - 1);
    EXPECT_NEAR(test.chi_square, chi_square, 1e-11 * chi_square);
    EXPECT_EQ(test.p, ChiSquareTail(test.chi_square, test.degrees));
  }
}

TEST(CompareCounts, EqualSharesHaveNotDrifted) {
  for (const Counts& counts : {Counts{5, 5}, Counts{100, 3, 0, 17}, Counts{1e6, 2e6, 3e6}}) {
    Counts thrice = counts;
    for (double& count : thrice) count *= 3;
    for (const Counts& now : {counts, thrice}) {
      const DriftTest test = CompareCounts(counts, now);
      EXPECT_EQ(test.psi, 0);
      EXPECT_NEAR(test.chi_square, 0, 1e-9);
      EXPECT_NEAR(test.p, 1, 1e-4);
    }
  }
}

TEST(CompareCounts, SidesCanBeExchanged) {
  test::Random random(2);
  for (int trial = 0; trial < 300; ++trial) {
    Counts before, now;
    for (std::size_t i = 0; i < 2 + static_cast<std::size_t>(trial % 9); ++i) {
      before.push_back(static_cast<double>(random.Below(60))), now.push_back(static_cast<double>(random.Below(90)));
    }
    const DriftTest a = CompareCounts(before, now), b = CompareCounts(now, before);
    EXPECT_NEAR(a.psi, b.psi, 1e-12);
    EXPECT_NEAR(a.chi_square, b.chi_square, 1e-10);
    EXPECT_EQ(a.degrees, b.degrees);
    EXPECT_NEAR(a.p, b.p, 1e-10);
  }
}

TEST(CompareCounts, BinsThatOneSideDoesNotHaveAreFinite) {
  const DriftTest apart = CompareCounts({1000, 0}, {0, 1000});
  EXPECT_TRUE(std::isfinite(apart.psi));
  // Shares 1000.5/1001 and 0.5/1001.
  EXPECT_NEAR(apart.psi, 2 * (1000.0 / 1001) * std::log(1000.5 / 0.5) - 2.0 / 1000, 1e-12);
  EXPECT_NEAR(apart.chi_square, 2000, 1e-9);
  EXPECT_LT(apart.p, 1e-300);
}

TEST(CompareCounts, BinsThatNeitherSideHasDoNotCount) {
  const DriftTest with = CompareCounts({0, 100, 0, 200, 50, 0}, {0, 150, 0, 150, 80, 0});
  const DriftTest without = CompareCounts({100, 200, 50}, {150, 150, 80});
  EXPECT_DOUBLE_EQ(with.psi, without.psi);
  EXPECT_EQ(with.chi_square, without.chi_square);
  EXPECT_EQ(with.degrees, without.degrees);
}

// How many rows of `bins` classes: the last are rarer, or all are as frequent.
Counts Drawn(const CounterRandom& random, std::uint32_t trial, std::size_t rows, std::size_t bins) {
  Counts counts(bins);
  for (std::size_t i = 0; i < rows; ++i) {
    const double u = random.Uniform(trial, i);
    counts[std::min(bins - 1, static_cast<std::size_t>(std::pow(u, 1.2) * static_cast<double>(bins)))] += 1;
  }
  return counts;
}

// Without any drift the uncorrected index is (1/n + 1/m) times a chi-square variable X of bins - 1 degrees, so that less
// its mean it averages 0. What is reported is never below 0, and averages (1/n + 1/m) E(X - d)+, which is half of the mean
// absolute deviation 4 (d/2)^(d/2) e^(-d/2) / Gamma(d/2) of a gamma variable (N. L. Johnson, S. Kotz & N. Balakrishnan,
// "Continuous univariate distributions", vol. 1, 17.9).
TEST(CompareCounts, WithoutDriftTheIndexAveragesWhatChanceLeaves) {
  const CounterRandom random(7, 1);
  std::uint32_t trial = 0;
  for (const auto& [n, m] : {std::pair<std::size_t, std::size_t>{1000, 1000}, {2000, 700}}) {
    for (std::size_t bins : {2u, 5u, 11u}) {
      constexpr int kTrials = 600;
      double plain = 0, reported = 0, rejected = 0;
      const double each = 1 / static_cast<double>(n) + 1 / static_cast<double>(m);
      const auto d = static_cast<double>(bins - 1);
      for (int i = 0; i < kTrials; ++i) {
        const Counts before = Drawn(random, trial++, n, bins), now = Drawn(random, trial++, m, bins);
        plain += (PlainIndex(before, now) - d * each) / kTrials;
        const DriftTest test = CompareCounts(before, now);
        reported += test.psi / kTrials;
        rejected += test.p < 0.05 ? 1.0 / kTrials : 0;
      }
      const double left = 2 * std::exp(d / 2 * std::log(d / 2) - d / 2 - std::lgamma(d / 2));
      // Four standard errors: a chi-square variable has variance 2 d.
      const double error = 4 * std::sqrt(2 * d / kTrials) * each;
      EXPECT_NEAR(plain, 0, error) << bins;
      EXPECT_NEAR(reported, left * each, error) << bins;
      EXPECT_NEAR(rejected, 0.05, 4 * std::sqrt(0.05 * 0.95 / kTrials)) << bins;
    }
  }
}

TEST(CompareCounts, RareBinsArePooled) {
  // 12 of 400 in two rare bins, 6 expected on either side together: a bin of their own.
  const DriftTest own = CompareCounts({97, 97, 3, 3}, {97, 97, 3, 3});
  EXPECT_EQ(own.degrees, 2);
  // The same as pooling them by hand.
  const DriftTest three = CompareCounts({90, 90, 4, 2}, {60, 110, 2, 4});
  const DriftTest by_hand = CompareCounts({90, 90, 6}, {60, 110, 6});
  EXPECT_EQ(three.degrees, 2);
  EXPECT_NEAR(three.chi_square, by_hand.chi_square, 1e-12);
  // 6 of them, 3 expected: they join the smallest, which is the second bin.
  const DriftTest joined = CompareCounts({90, 80, 2, 1}, {120, 40, 1, 2});
  const DriftTest joined_by_hand = CompareCounts({90, 83}, {120, 43});
  EXPECT_EQ(joined.degrees, 1);
  EXPECT_NEAR(joined.chi_square, joined_by_hand.chi_square, 1e-12);
  EXPECT_NE(joined.psi, joined_by_hand.psi);  // the index knows all bins
}

// Five are expected on the smaller side, whatever there is.
TEST(CompareCounts, ExpectedCountsDecideAboutPooling) {
  // A quarter of the rows are later ones: 20 in a bin are 5 of them, 19 are not.
  EXPECT_EQ(CompareCounts({280, 20, 0}, {80, 0, 20}).degrees, 2);
  EXPECT_EQ(CompareCounts({281, 19, 0}, {80, 0, 20}).degrees, 1);
  EXPECT_EQ(CompareCounts({3000, 30}, {10, 1}).degrees, 0);
}

TEST(CompareCounts, OnlyRareBinsAreOne) {
  const DriftTest test = CompareCounts({1, 1, 2}, {2, 1, 0});
  EXPECT_EQ(test.degrees, 0);
  EXPECT_NEAR(test.chi_square, 0, 1e-14);
  EXPECT_EQ(test.p, 1);
}

TEST(CompareCounts, AnEmptySideIsNoDrift) {
  for (const auto& [before, now] : {std::pair<Counts, Counts>{{}, {}}, {{0, 0}, {3, 4}}, {{3, 4}, {0, 0}}, {{0}, {0}}}) {
    const DriftTest test = CompareCounts(before, now);
    EXPECT_EQ(test.psi, 0);
    EXPECT_EQ(test.chi_square, 0);
    EXPECT_EQ(test.degrees, 0);
    EXPECT_EQ(test.p, 1);
  }
}

}  // namespace
}  // namespace segmentation
