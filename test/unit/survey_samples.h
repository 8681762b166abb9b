// Rows for tests of surveys, and of what is made from them.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/sample_row.h"
#include "core/survey.h"
#include "test_support.h"

namespace segmentation::test {

using nlohmann::json;
using Text = std::optional<std::string>;

// Rows as a survey reads them, with the totals that go with them.
class Sample {
 public:
  Sample(std::size_t numbers, std::size_t categories) : numbers_(numbers) {
    totals_.missing.assign(numbers + categories, 0);
    totals_.low.assign(numbers, kInf);
    totals_.high.assign(numbers, -kInf);
  }
  void Add(const std::vector<double>& numbers, const std::vector<Text>& texts = {}, double weight = 1) {
    std::string& row = rows_.emplace_back();
    Append(&weight, sizeof weight, &row);
    for (std::size_t j = 0; j < numbers.size(); ++j) {
      Append(&numbers[j], sizeof numbers[j], &row);
      if (std::isfinite(numbers[j])) {
        totals_.low[j] = std::min(totals_.low[j], numbers[j]), totals_.high[j] = std::max(totals_.high[j], numbers[j]);
      } else {
        ++totals_.missing[j];
      }
    }
    for (std::size_t j = 0; j < texts.size(); ++j) {
      totals_.missing[numbers_ + j] += texts[j] ? 0u : 1u;
      const std::uint32_t length = !texts[j]                          ? kMissingText
                                   : texts[j]->size() > kLongestLevel ? kLongText
                                                                      : static_cast<std::uint32_t>(texts[j]->size());
      Append(&length, sizeof length, &row);
      if (length < kLongText) row += *texts[j];
    }
    ++totals_.rows;
  }
  void Shuffle(std::uint64_t seed) { Random(seed).Shuffle(&rows_); }
  SurveyTotals* totals() { return &totals_; }
  std::string Survey(const std::string& request) const {
    std::vector<const char*> rows;
    for (const std::string& row : rows_) rows.push_back(row.data());
    return SurveyJson(totals_, rows, ParseSurveyRequest(request), kNoInterrupt);
  }
  json Read(const std::string& request) const { return json::parse(Survey(request)); }

 private:
  static void Append(const void* value, std::size_t bytes, std::string* to) {
    to->append(static_cast<const char*>(value), bytes);
  }
  std::size_t numbers_;
  std::vector<std::string> rows_;
  SurveyTotals totals_;
};

inline std::string Request(const std::vector<std::string>& numbers, const std::vector<std::string>& categories = {},
                    const json& baseline = nullptr, const char* transform = "none") {
  json request = {{"numbers", json::array()},
                  {"categories", json::array()},
                  {"quantiles", {0, 0.01, 0.25, 0.5, 0.75, 0.9, 1}},
                  {"baseline", baseline}};
  for (const std::string& name : numbers) request["numbers"].push_back({{"name", name}, {"transform", transform}});
  for (const std::string& name : categories) request["categories"].push_back({{"name", name}});
  return request.dump();
}

inline Sample OfValues(const std::vector<double>& values, const std::vector<double>& weights = {}) {
  Sample sample(1, 0);
  for (std::size_t i = 0; i < values.size(); ++i) sample.Add({values[i]}, {}, weights.empty() ? 1 : weights[i]);
  return sample;
}

inline json NumberOf(const std::vector<double>& values, const std::vector<double>& weights = {}, const char* transform = "none") {
  return OfValues(values, weights).Read(Request({"x"}, {}, nullptr, transform))["numbers"][0];
}

inline Sample OfTexts(const std::vector<std::pair<Text, int>>& texts) {
  Sample sample(0, 1);
  for (const auto& [text, times] : texts) {
    for (int i = 0; i < times; ++i) sample.Add({}, {text});
  }
  return sample;
}

// Type 7 of R. J. Hyndman & Y. Fan, "Sample quantiles in statistical packages", 1996.
inline double Type7(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double position = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(position));
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (position - static_cast<double>(below)) * (values[above] - values[below]);
}

inline std::vector<double> Numbers(const json& list) {
  return list.get<std::vector<double>>();
}

}  // namespace segmentation::test
