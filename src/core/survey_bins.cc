#include "core/survey_bins.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace segmentation {
namespace {

constexpr std::size_t kBins = 10;
constexpr double kSpikeShare = 0.05;
constexpr std::size_t kMostLevels = 100;

[[noreturn]] void RaiseNoSurvey(const char* key) {
  throw Error(ErrorCode::kInvalidParameter, "invalid survey", std::string("Member \"") + key + "\" is missing, or not what it should be.");
}

}  // namespace

NumberBins MakeBins(const NumberSample& sample) {
  NumberBins bins;
  if (sample.values.empty()) return bins;
  bins.low = sample.values.front();
  bins.high = sample.values.back();
  // By two standard errors more: of many values near the limit, those that chance has made frequent here are not frequent later.
  const auto rows = static_cast<double>(sample.values.size());
  const double least = kSpikeShare * rows + 2 * std::sqrt(kSpikeShare * (1 - kSpikeShare) * rows);
  std::vector<double> others;
  for (std::size_t i = 0; i < sample.values.size();) {
    std::size_t end = i;
    while (end < sample.values.size() && sample.values[end] == sample.values[i]) ++end;
    const auto count = static_cast<double>(end - i);
    if (count >= least && count > 1) {
      bins.spikes.push_back(sample.values[i]);
    } else {
      others.insert(others.end(), end - i, sample.values[i]);
    }
    i = end;
  }
  for (std::size_t b = 1; b < kBins && !others.empty(); ++b) {
    const double edge = others[(others.size() - 1) * b / kBins];
    if (edge < others.back() && (bins.edges.empty() || edge > bins.edges.back())) bins.edges.push_back(edge);
  }
  return bins;
}

std::vector<double> CountIn(const NumberBins& bins, const NumberSample& sample) {
  std::vector<double> counts(1 + bins.spikes.size() + bins.edges.size() + 1);
  counts[0] = sample.missing;
  for (double value : sample.values) {
    const auto spike = std::lower_bound(bins.spikes.begin(), bins.spikes.end(), value);
    if (spike != bins.spikes.end() && *spike == value) {
      ++counts[1 + static_cast<std::size_t>(spike - bins.spikes.begin())];
    } else {
      const auto bin = std::lower_bound(bins.edges.begin(), bins.edges.end(), value) - bins.edges.begin();
      ++counts[1 + bins.spikes.size() + static_cast<std::size_t>(bin)];
    }
  }
  return counts;
}

std::vector<std::string> FrequentLevels(const CategorySample& sample) {
  std::vector<std::pair<double, std::string>> found;
  for (const auto& [level, rows] : sample.levels) found.emplace_back(rows, level);
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  if (found.size() > kMostLevels) found.resize(kMostLevels);
  std::vector<std::string> levels;
  for (const auto& [rows, level] : found) levels.push_back(level);
  return levels;
}

std::vector<double> CountIn(const std::vector<std::string>& levels, const CategorySample& sample) {
  std::map<std::string, std::size_t> place;
  for (std::size_t i = 0; i < levels.size(); ++i) place.emplace(levels[i], i + 1);
  std::vector<double> counts(levels.size() + 2);
  counts.front() = sample.missing;
  counts.back() = sample.others;
  for (const auto& [level, rows] : sample.levels) {
    const auto found = place.find(level);
    counts[found == place.end() ? levels.size() + 1 : found->second] += rows;
  }
  return counts;
}

std::vector<double> ReadNumbers(const JsonObject& object, const char* key) {
  const JsonValue* member = Member(object, key);
  if (member == nullptr || member->Array() == nullptr) RaiseNoSurvey(key);
  std::vector<double> numbers;
  for (const JsonValue& item : *member->Array()) {
    if (!item.IsNumber()) RaiseNoSurvey(key);
    numbers.push_back(item.Number());
  }
  return numbers;
}

NumberBins ReadBins(const JsonObject& number) {
  NumberBins bins{ReadNumbers(number, "spikes"), ReadNumbers(number, "edges"), 0, 0};
  if (!std::is_sorted(bins.spikes.begin(), bins.spikes.end())) RaiseNoSurvey("spikes");
  if (!std::is_sorted(bins.edges.begin(), bins.edges.end())) RaiseNoSurvey("edges");
  const JsonValue* low = Member(number, "low");
  const JsonValue* high = Member(number, "high");
  bins.low = low != nullptr && low->IsNumber() ? low->Number() : 1;
  bins.high = high != nullptr && high->IsNumber() ? high->Number() : -1;
  return bins;
}

std::vector<std::string> ReadLevels(const JsonObject& category) {
  const JsonValue* member = Member(category, "levels");
  if (member == nullptr || member->Array() == nullptr) RaiseNoSurvey("levels");
  std::vector<std::string> levels;
  for (const JsonValue& item : *member->Array()) {
    if (item.String() == nullptr) RaiseNoSurvey("levels");
    levels.push_back(*item.String());
  }
  return levels;
}

}  // namespace segmentation
