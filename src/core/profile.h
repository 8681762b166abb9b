// What the customers of each segment are like, from one pass over them: the basis of the profile views.
//
// Counts, means, standard deviations and ranges are of all rows. Quantiles, categories and trends are from samples that hold every row
// while there are few (sample_row.h), one sample for each segment, so that a small segment is not lost in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/double_double.h"
#include "core/interrupt.h"

namespace segmentation {

// All samples together have at most that many rows.
constexpr std::size_t kProfileRows = 100'000;

// A statistic over fewer rows than these would tell of persons; it is null.
constexpr std::uint64_t kLeastCustomers = 10;

// A profile describes at most about so many pairs of a segment and a feature; categories have fewer levels then.
constexpr std::size_t kMostEntries = 20'000;
constexpr std::size_t kMostProfiledLevels = 50;

struct ProfileColumn {
  std::string name;
  std::string role;  // feature: it is clustered by; profile; outcome: 0 or 1, or not known yet
};

// What to describe. segments: their ids, in the model's order.
struct ProfileRequest {
  std::vector<std::int64_t> segments;
  std::vector<ProfileColumn> numbers;     // an outcome is the last one
  std::vector<ProfileColumn> categories;

  bool has_outcome() const { return !numbers.empty() && numbers.back().role == "outcome"; }
};

// Reads {"segments": [0, 1], "numbers": [{"name": "age", "role": "feature"}], "categories": [..]}. Throws kInvalidParameter.
ProfileRequest ParseProfileRequest(std::string_view json);

// Over all rows of a segment; both kinds start as zero bytes. Sums have some 106 bits, so that no order of rows shows in what is
// made of them (in standard deviations, as long as the mean is not many millions of them).
struct SegmentTotals {
  std::uint64_t rows;
  std::uint64_t events;  // rows whose outcome is 1
  DoubleDouble weight;
};
struct NumberTotals {
  std::uint64_t rows;  // that have the number
  DoubleDouble weight, sum, squares;
  double low, high;    // where there are rows
};

// Adds a row as bytes (sample_row.h). numbers: those of its segment, as many as it has.
void CountProfileRow(const char* row, bool has_outcome, SegmentTotals* segment, NumberTotals* numbers, std::size_t count);
void MergeProfileTotals(const SegmentTotals& from, SegmentTotals* to);
void MergeProfileTotals(const NumberTotals& from, NumberTotals* to);

struct ProfileTotals {
  std::uint64_t ignored = 0;  // rows without a segment, or without a weight
  const SegmentTotals* segments = nullptr;
  const NumberTotals* numbers = nullptr;  // segment by segment
};

// The profile as canonical JSON. samples: per segment, rows as bytes, in an order that depends on their keys and values alone.
//
//   rows, ignored, sampled  numbers of rows; exact: the samples hold all of them
//   segments                per segment: rows, sampled, weight, share (of the weight), known and events (of the outcome; null without one,
//                           events also where few are known)
//   features                per number and per level of a category (named category=level): feature, role, kind (number or level),
//                           population_mean, population_stddev, and per segment: rows (that have a value), missing, mean, stddev, min, q1, median, q3, max, index_100
//                           (mean as a percentage of the population's), z_score (difference from it in its standard deviations), relative
//                           (0 for the lowest mean of all segments, 1 for the highest). Of a level the mean is its share.
//   importance              per number and category: feature, role, explained: the share of its variance that lies between the segments
//                           (for a category Goodman and Kruskal's tau)
//   trend                   see profile_trend.h
// Standard deviations are the population's (divided by the weight). A statistic over fewer than kLeastCustomers rows is null, and those rows are not
// part of what is said of all, so that nothing comes out by subtraction; levels of fewer are "(other)".
std::string ProfileJson(const ProfileRequest& request, const ProfileTotals& totals, const std::vector<std::vector<const char*>>& samples,
                        const Interrupt& interrupt);

}  // namespace segmentation
