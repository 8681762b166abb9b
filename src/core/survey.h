// What is in a table, from one pass: counts over all rows, and everything else from a sample of them that holds all rows while they are
// few. It makes a preparation (preparation.h), is what later data are compared with (drift.h), and describes columns.
//
// The sample keeps the kSurveyRows rows with the lowest keys. Keys are hashes of what identifies a row, so that neither the order of
// rows nor the number of processes matters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/drift.h"
#include "core/json.h"
#include "core/model.h"

namespace segmentation {

constexpr std::size_t kSurveyRows = 100'000;
// Over all rows.
struct SurveyTotals {
  std::uint64_t rows = 0;     // with a weight above 0
  std::uint64_t ignored = 0;  // without
  std::uint64_t same_key = 0;  // of the rows in the sample, those whose key another one before them has
  std::uint64_t fingerprint[2] = {0, 0};  // of the values and weights of all rows, whatever their order
  std::vector<std::uint64_t> missing;     // per number, then per category: NULL, NaN or infinite
  std::vector<double> low, high;          // per number; low > high where all are missing
};

// What to find out beside the counts.
struct SurveyRequest {
  std::vector<std::string> numbers;     // names
  std::vector<std::string> categories;  // names
  std::vector<Transform> transforms;    // per number: mean and standard deviation are also given after it
  std::vector<double> quantiles;        // from 0 to 1
  JsonValue baseline;                   // an earlier survey to compare with, or null
};

// Reads {"numbers": [{"name": .., "transform": ..}], "categories": [{"name": ..}], "quantiles": [..], "baseline": {..}}. Throws kInvalidParameter.
SurveyRequest ParseSurveyRequest(std::string_view json);

// The survey as canonical JSON. sample: rows as bytes (sample_row.h), in an order that depends on their keys and values alone.
//
//   rows, ignored, sampled, same_key  numbers of rows
//   fingerprint             32 hexadecimal digits
//   numbers                 per number: name, missing, low, high; from the sample: mean, stddev, skewness, transformed_mean,
//                           transformed_stddev, quantiles (in the order asked for), zeros, negatives, distinct, and
//                           spikes (values that surely a twentieth of the rows have), edges (deciles of the others), counts (of
//                           missing ones, spikes, and what lies below, between and above the edges)
//   categories              per category: name, missing; from the sample: levels (the most frequent ones, at most 100), counts (of
//                           missing ones, levels, others)
// and with a baseline, per number and category that it has: drift (psi, chi_square, degrees, p, counts in the baseline's bins, share
// outside the baseline's range), and for a number that has drifted "resembles", another number whose baseline it fits.
// Statistics are null where there is nothing to compute them from. Quantiles and moments are weighted.
std::string SurveyJson(const SurveyTotals& totals, const std::vector<const char*>& sample, const SurveyRequest& request,
                       const Interrupt& interrupt);

}  // namespace segmentation
