#include "core/risk.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

namespace segmentation {
namespace {

Risk OfTwo(std::uint64_t events_a, std::uint64_t known_a, std::uint64_t events_b, std::uint64_t known_b) {
  return CompareRisks({{known_a, events_a}, {known_b, events_b}}).front();
}

TEST(RiskTest, WilsonsIntervalsAreThoseOfThePaper) {
  // R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17, 1998, table I, method 3.
  const struct { std::uint64_t events, known; double low, high; } kCases[] = {{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}};
  for (const auto& c : kCases) {
    const Risk risk = OfTwo(c.events, c.known, 1, 2);
    EXPECT_NEAR(risk.rate_low, c.low, 5e-5);
    EXPECT_NEAR(risk.rate_high, c.high, 5e-5);
  }
}

TEST(RiskTest, NewcombesIntervalsAreThoseOfThePaper) {
  // R. G. Newcombe, "Interval estimation for the difference between independent proportions", 1998, table II, method 10.
  const struct { std::uint64_t a, m, b, n; double low, high; } kCases[] = {
      {56, 70, 48, 80, 0.0524, 0.3339}, {9, 10, 3, 10, 0.1705, 0.8090}, {10, 10, 0, 10, 0.6075, 1}, {5, 56, 0, 29, -0.0381, 0.1926}, {0, 10, 0, 10, -0.2775, 0.2775}};
  for (const auto& c : kCases) {
    const Risk risk = OfTwo(c.a, c.m, c.b, c.n);
    EXPECT_NEAR(risk.difference_low, c.low, 5e-5) << c.a << "/" << c.m;
    EXPECT_NEAR(risk.difference_high, c.high, 5e-5) << c.a << "/" << c.m;
  }
}

TEST(RiskTest, TheStudysSegmentsDiffer) {
  // shared/reference/ANALYSIS.md: 125 of 454 and 38 of 213; the issue: +9.7 points (2.8 to 15.9).
  const std::vector<Risk> risks = CompareRisks({{454, 125}, {213, 38}});
  EXPECT_NEAR(risks[0].difference, 0.097, 5e-4);
  EXPECT_NEAR(risks[0].difference_low, 0.028, 5e-4);
  EXPECT_NEAR(risks[0].difference_high, 0.159, 5e-4);
  EXPECT_EQ(risks[0].verdict, RiskVerdict::kHigher);
  EXPECT_EQ(risks[1].verdict, RiskVerdict::kLower);
  EXPECT_DOUBLE_EQ(risks[1].difference, -risks[0].difference);
  EXPECT_DOUBLE_EQ(risks[1].difference_low, -risks[0].difference_high);
}

TEST(RiskTest, TheScoreTestIsPearsonsOfTheTable) {
  const Risk risk = OfTwo(30, 100, 20, 120);
  const double n = 220, a = 30, b = 70, c = 20, d = 100;
  const double chi = n * (a * d - b * c) * (a * d - b * c) / ((a + b) * (c + d) * (a + c) * (b + d));
  EXPECT_NEAR(risk.p, std::erfc(std::sqrt(chi / 2)), 1e-14);
}

TEST(RiskTest, FewKnownOutcomesAreNotJudged) {
  const std::vector<Risk> risks = CompareRisks({{29, 29}, {1000, 100}, {1000, 100}});
  EXPECT_EQ(risks[0].verdict, RiskVerdict::kTooFew);
  EXPECT_TRUE(std::isnan(risks[0].p_corrected));
  EXPECT_DOUBLE_EQ(risks[0].rate, 1);
  EXPECT_EQ(risks[1].verdict, RiskVerdict::kNotDistinguishable);
  // The rest, too, has to be known.
  EXPECT_EQ(CompareRisks({{1000, 100}, {29, 29}})[0].verdict, RiskVerdict::kTooFew);
  EXPECT_EQ(CompareRisks({{30, 0}, {30, 30}})[0].verdict, RiskVerdict::kLower);
}

TEST(RiskTest, NothingKnownAndNothingToCompareWith) {
  const std::vector<Risk> risks = CompareRisks({{0, 0}, {50, 5}});
  EXPECT_TRUE(std::isnan(risks[0].rate) && std::isnan(risks[0].rate_low) && std::isnan(risks[0].difference));
  EXPECT_TRUE(std::isnan(risks[1].rest_rate));
  EXPECT_EQ(CompareRisks({{500, 5}})[0].verdict, RiskVerdict::kTooFew);
  EXPECT_TRUE(CompareRisks({}).empty());
  for (std::uint64_t events : {0u, 100u}) {  // all alike: no variance
    const std::vector<Risk> same = CompareRisks({{100, events}, {100, events}});
    EXPECT_DOUBLE_EQ(same[0].p, 1);
    EXPECT_EQ(same[0].verdict, RiskVerdict::kNotDistinguishable);
  }
}

// Holm's rule as a definition: hypothesis i is rejected when every one with a p at most as large passes its own bar.
TEST(RiskTest, HolmsCorrectionIsTheDefinition) {
  std::mt19937_64 engine(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<OutcomeCounts> counts(2 + engine() % 6);
    for (OutcomeCounts& c : counts) {
      c.known = 20 + engine() % 300;
      c.events = engine() % (c.known / 3 + 1);
    }
    const std::vector<Risk> risks = CompareRisks(counts);
    std::vector<double> ps;
    for (const Risk& risk : risks) {
      if (!std::isnan(risk.p)) ps.push_back(risk.p);
    }
    std::sort(ps.begin(), ps.end());
    for (const Risk& risk : risks) {
      if (std::isnan(risk.p)) continue;
      bool rejected = true;
      for (std::size_t i = 0; i < ps.size() && ps[i] <= risk.p; ++i) rejected = rejected && ps[i] * static_cast<double>(ps.size() - i) < 0.05;
      EXPECT_EQ(risk.verdict == RiskVerdict::kHigher || risk.verdict == RiskVerdict::kLower, rejected);
      if (rejected) {
        EXPECT_EQ(risk.verdict == RiskVerdict::kHigher, risk.difference > 0);
      }
      EXPECT_GE(risk.p_corrected, risk.p);
    }
  }
}

// What the correction is for: where no segment differs, one is said to in at most a twentieth of the cases.
TEST(RiskTest, SegmentsThatDoNotDifferAreRarelySaidTo) {
  std::mt19937_64 engine(11);
  int alarms = 0;
  constexpr int kRounds = 2000;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<OutcomeCounts> counts(8);
    for (OutcomeCounts& c : counts) {
      c.known = 150;
      for (std::uint64_t i = 0; i < c.known; ++i) c.events += engine() % 5 == 0 ? 1 : 0;
    }
    const std::vector<Risk> risks = CompareRisks(counts);
    alarms += std::any_of(risks.begin(), risks.end(), [](const Risk& r) { return r.verdict != RiskVerdict::kNotDistinguishable; }) ? 1 : 0;
  }
  // 0.05 and three standard errors of 2,000 rounds.
  EXPECT_LE(alarms, kRounds * 0.065);
  EXPECT_GE(alarms, kRounds * 0.02);  // and the test can raise an alarm
}

}  // namespace
}  // namespace segmentation
