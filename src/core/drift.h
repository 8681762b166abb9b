// Whether two samples of one variable differ, from how often its values fall into the same bins.
#pragma once

#include <vector>

namespace segmentation {

struct DriftTest {
  double psi = 0;         // population stability index, bias-corrected, at least 0
  double chi_square = 0;  // Pearson's statistic of homogeneity
  int degrees = 0;        // of freedom; 0 where there is nothing to compare
  double p = 1;           // of the statistic when both come from one distribution
};

// Compares counts over the same bins. The index is sum (q - p) ln(q / p) of the shares, each count smoothed by one half; what it is
// on average without any drift, (bins - 1) (1/n + 1/m), is taken off (B. Yurdakul & J. Naranjo, "Statistical properties of the
// population stability index", J. Risk Model Validation 14, 2020). For the statistic, bins where fewer than five are expected on either side are pooled.
DriftTest CompareCounts(const std::vector<double>& before, const std::vector<double>& now);

// P(X >= statistic) of a chi-square variable with that many degrees of freedom; 1 for 0 degrees.
double ChiSquareTail(double statistic, int degrees);

}  // namespace segmentation
