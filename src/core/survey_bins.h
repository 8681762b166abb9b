// The bins of a variable: what a later sample of it is compared in.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"

namespace segmentation {

// The values of one number in the sample.
struct NumberSample {
  std::vector<double> values;   // ascending, without missing ones
  std::vector<double> weights;  // of the values
  double missing = 0;           // rows
};

// The values of one category in the sample, with how many rows have them.
struct CategorySample {
  std::map<std::string, double> levels;
  double missing = 0;
  double others = 0;  // too long
};

struct NumberBins {
  std::vector<double> spikes;  // ascending; values of their own
  std::vector<double> edges;   // ascending; between the other bins, the value at an edge belongs below it
  double low = 0;              // range of the values that made them
  double high = 0;
};

// Values that surely hold a twentieth of the rows are spikes; deciles of the others are edges.
NumberBins MakeBins(const NumberSample& sample);
// Of missing values, spikes, and the bins from the lowest.
std::vector<double> CountIn(const NumberBins& bins, const NumberSample& sample);

// At most 100, the most frequent first, ties by bytes.
std::vector<std::string> FrequentLevels(const CategorySample& sample);
// Of missing values, levels, others.
std::vector<double> CountIn(const std::vector<std::string>& levels, const CategorySample& sample);

// The bins, and the counts, of a member of a survey's "numbers". Throws kInvalidParameter.
NumberBins ReadBins(const JsonObject& number);
std::vector<double> ReadNumbers(const JsonObject& object, const char* key);
std::vector<std::string> ReadLevels(const JsonObject& category);

}  // namespace segmentation
