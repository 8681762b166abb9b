#include "core/drift.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace segmentation {
namespace {

constexpr double kSmoothing = 0.5;
constexpr double kLeastExpected = 5;

double Sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

double CorrectedIndex(const std::vector<double>& before, const std::vector<double>& now, double n, double m) {
  std::size_t bins = 0;
  for (std::size_t i = 0; i < before.size(); ++i) bins += before[i] + now[i] > 0 ? 1 : 0;
  const double added = kSmoothing * static_cast<double>(bins);
  double index = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (!(before[i] + now[i] > 0)) continue;
    const double p = (before[i] + kSmoothing) / (n + added);
    const double q = (now[i] + kSmoothing) / (m + added);
    index += (q - p) * std::log(q / p);
  }
  return std::max(0.0, index - static_cast<double>(bins - 1) * (1 / n + 1 / m));
}

// The bins with enough expected counts; the others together are one, or join the smallest where even that is too small.
std::vector<std::pair<double, double>> Pooled(const std::vector<double>& before, const std::vector<double>& now, double n, double m) {
  const double smaller_share = std::min(n, m) / (n + m);
  std::vector<std::pair<double, double>> bins;
  std::pair<double, double> rest{0, 0};
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::pair<double, double> bin{before[i], now[i]};
    if ((bin.first + bin.second) * smaller_share >= kLeastExpected) {
      bins.push_back(bin);
    } else {
      rest.first += bin.first;
      rest.second += bin.second;
    }
  }
  if (!(rest.first + rest.second > 0)) return bins;
  if ((rest.first + rest.second) * smaller_share >= kLeastExpected || bins.empty()) {
    bins.push_back(rest);
    return bins;
  }
  const auto smallest = std::min_element(bins.begin(), bins.end(), [](const auto& a, const auto& b) {
    return a.first + a.second < b.first + b.second;
  });
  smallest->first += rest.first;
  smallest->second += rest.second;
  return bins;
}

}  // namespace

double ChiSquareTail(double statistic, int degrees) {
  if (degrees <= 0 || !(statistic > 0)) return 1;
  if (std::isinf(statistic)) return 0;
  // Closed forms of the regularized upper incomplete gamma function Q(degrees / 2, x): a finite sum, with erfc(sqrt(x)) before it
  // for an odd number (M. Abramowitz & I. Stegun, 26.4.4 and 26.4.5). The terms are found by their logarithms, which do not underflow.
  const double x = statistic / 2;
  const bool odd = degrees % 2 == 1;
  double log_term = odd ? 0.5 * std::log(x) - x - std::log(std::sqrt(M_PI) / 2) : -x;
  double tail = odd ? std::erfc(std::sqrt(x)) : 0;
  for (int j = 0; j < degrees / 2; ++j) {
    tail += std::exp(log_term);
    log_term += std::log(x) - std::log(j + (odd ? 1.5 : 1.0));
  }
  return std::min(1.0, tail);
}

DriftTest CompareCounts(const std::vector<double>& before, const std::vector<double>& now) {
  DriftTest test;
  const double n = Sum(before);
  const double m = Sum(now);
  if (!(n > 0) || !(m > 0)) return test;
  test.psi = CorrectedIndex(before, now, n, m);
  const auto bins = Pooled(before, now, n, m);
  for (const auto& [b, a] : bins) {
    const double expected_before = (b + a) * n / (n + m);
    const double expected_now = (b + a) * m / (n + m);
    test.chi_square += (b - expected_before) * (b - expected_before) / expected_before + (a - expected_now) * (a - expected_now) / expected_now;
  }
  test.degrees = static_cast<int>(bins.size()) - 1;
  test.p = ChiSquareTail(test.chi_square, test.degrees);
  return test;
}

}  // namespace segmentation
