// How numbers go along with one another within each segment: their means along each of the first numbers of a profile.
#pragma once

#include <string>
#include <vector>

#include "core/profile.h"

namespace segmentation {

// So many numbers at the most are trends' measures (and the outcome), and so many means in all.
constexpr std::size_t kTrendNumbers = 12;
constexpr std::size_t kTrendMeans = 100'000;

// As canonical JSON: {"measures": [names], "along": [{"name": .., "bins": [{"label": .., "low": .., "high": ..}, ..], "segments": [[{"customers": .., "means":
// [..]}, ..per bin], ..per segment]}, ..]}. Bins are the same for all segments: a value each where there are at most 12 of them, else ranges of a tenth of the customers or
// more (a value that so many have is one by itself); a number that is missing has a bin of its own, without low and high. customers: rows, estimated where the samples
// do not hold all; null from 1 to 9.
// scales: per segment, how many rows one of its sample stands for.
std::string TrendJson(const ProfileRequest& request, const std::vector<std::vector<const char*>>& samples, const std::vector<double>& scales,
                      const Interrupt& interrupt);

}  // namespace segmentation
