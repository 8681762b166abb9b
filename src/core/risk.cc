#include "core/risk.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/drift.h"

namespace segmentation {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr double kNormal = 1.959963984540054;  // 97.5 % quantile of the standard normal distribution
constexpr double kLevel = 0.05;

struct Proportion {
  double n = 0;
  double rate = kUndefined, low = kUndefined, high = kUndefined;

  explicit Proportion(OutcomeCounts counts) : n(static_cast<double>(counts.known)) {
    if (counts.known == 0) return;
    rate = static_cast<double>(counts.events) / n;
    const double z2 = kNormal * kNormal;
    const double middle = rate + z2 / (2 * n);
    const double width = kNormal * std::sqrt(rate * (1 - rate) / n + z2 / (4 * n * n));
    // The interval ends at 0 and 1, where rounding could leave it a little apart.
    low = counts.events == 0 ? 0 : (middle - width) / (1 + z2 / n);
    high = counts.events == counts.known ? 1 : (middle + width) / (1 + z2 / n);
  }
};

Risk Compare(OutcomeCounts segment, OutcomeCounts rest) {
  const Proportion a(segment);
  const Proportion b(rest);
  Risk risk;
  risk.rate = a.rate;
  risk.rate_low = a.low;
  risk.rate_high = a.high;
  risk.rest_rate = b.rate;
  risk.difference = a.rate - b.rate;
  risk.difference_low = risk.difference - std::hypot(a.rate - a.low, b.high - b.rate);
  risk.difference_high = risk.difference + std::hypot(a.high - a.rate, b.rate - b.low);
  risk.p = risk.p_corrected = kUndefined;
  if (segment.known < kLeastKnown || rest.known < kLeastKnown) return risk;
  const double pooled = static_cast<double>(segment.events + rest.events) / (a.n + b.n);
  const double variance = pooled * (1 - pooled) * (1 / a.n + 1 / b.n);
  risk.p = variance > 0 ? ChiSquareTail(risk.difference * risk.difference / variance, 1) : 1;
  return risk;
}

// Holm's step-down correction of those that are judged.
void Correct(std::vector<Risk>* risks) {
  std::vector<std::size_t> order;
  for (std::size_t s = 0; s < risks->size(); ++s) {
    if (!std::isnan((*risks)[s].p)) order.push_back(s);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return (*risks)[a].p < (*risks)[b].p; });
  double least = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    Risk& risk = (*risks)[order[i]];
    least = std::max(least, std::min(1.0, risk.p * static_cast<double>(order.size() - i)));
    risk.p_corrected = least;
    risk.verdict = least >= kLevel ? RiskVerdict::kNotDistinguishable : risk.difference > 0 ? RiskVerdict::kHigher : RiskVerdict::kLower;
  }
}

}  // namespace

const char* Name(RiskVerdict verdict) {
  switch (verdict) {
    case RiskVerdict::kHigher: return "higher";
    case RiskVerdict::kLower: return "lower";
    case RiskVerdict::kNotDistinguishable: return "not distinguishable";
    case RiskVerdict::kTooFew: return "too few known";
  }
  return "";
}

std::vector<Risk> CompareRisks(const std::vector<OutcomeCounts>& segments) {
  OutcomeCounts all;
  for (const OutcomeCounts& segment : segments) {
    all.known += segment.known;
    all.events += segment.events;
  }
  std::vector<Risk> risks;
  for (const OutcomeCounts& segment : segments) risks.push_back(Compare(segment, {all.known - segment.known, all.events - segment.events}));
  Correct(&risks);
  return risks;
}

}  // namespace segmentation
