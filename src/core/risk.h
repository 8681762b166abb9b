// How often something happened in each segment, compared with the rest of the customers. From known outcomes only.
#pragma once

#include <cstdint>
#include <vector>

namespace segmentation {

// A segment, or the rest, with fewer known outcomes is not judged.
constexpr std::uint64_t kLeastKnown = 30;

enum class RiskVerdict { kHigher, kLower, kNotDistinguishable, kTooFew };
const char* Name(RiskVerdict verdict);

struct OutcomeCounts {
  std::uint64_t known = 0;
  std::uint64_t events = 0;  // at most known
};

// NaN where there is nothing to compute from. Intervals are for 95 %.
struct Risk {
  double rate = 0, rate_low = 0, rate_high = 0;  // Wilson's interval (E. B. Wilson 1927)
  double rest_rate = 0;                          // of all other segments together
  // rate - rest_rate, with the interval made of the two Wilson intervals (R. G. Newcombe, "Interval estimation for the difference between independent
  // proportions", Statistics in Medicine 17, 1998, method 10).
  double difference = 0, difference_low = 0, difference_high = 0;
  // Of the score test of equal rates, and corrected for the number of segments that are judged (S. Holm 1979).
  double p = 0, p_corrected = 0;
  RiskVerdict verdict = RiskVerdict::kTooFew;    // at p_corrected < 0.05
};

std::vector<Risk> CompareRisks(const std::vector<OutcomeCounts>& segments);

}  // namespace segmentation
