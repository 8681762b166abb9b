// Every k on the same rows: the metrics of each, and which to take.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/choose_k.h"
#include "core/fit.h"

namespace segmentation {

// Up to this many rows make the metrics.
constexpr std::size_t kTrialRows = 50'000;

// NaN where not defined.
struct KMetrics {
  std::size_t k = 0;             // asked for
  std::size_t segments = 0;      // found
  double inertia = 0;            // of the rows of the trial
  double explained = 0;          // share of their variance
  double silhouette = 0;         // exact, of silhouette_rows of them
  std::size_t silhouette_rows = 0;
  double centroid_silhouette = 0;
  double calinski_harabasz = 0;
  double davies_bouldin = 0;
  // Bayesian information criterion of equal spherical Gaussians about the centroids (D. Pelleg, A. Moore, "X-means", 2000): the lower, the better.
  double bic = 0;
};

struct KTrials {
  KChoice choice;
  std::vector<KMetrics> metrics;  // k_min, ..., k_max
  std::size_t rows = 0;           // that the metrics are of
  bool sampled = false;           // those are not all
  std::vector<Model> models;      // of all rows, beside the metrics; none where those are of a sample
};

// 1 <= k_min <= k_max.
KTrials TryEachK(Training* training, std::size_t k_min, std::size_t k_max, const Options& options);

// The same, with the model of the k that is chosen, as JSON: k, structured, rows, sampled, choice_rows, trials (per k: k, segments, inertia,
// explained, silhouette, silhouette_rows, centroid_silhouette, calinski_harabasz, davies_bouldin, bic, and where there is something to
// compare gap, gap_error, evidence, prediction_strength), model. Where no structure is found the model warns of it.
std::string ChooseAndFit(Training* training, std::size_t k_min, std::size_t k_max, const Options& options);

}  // namespace segmentation
