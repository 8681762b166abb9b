#include "core/survey.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/survey_bins.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using nlohmann::json;
using test::ExpectError;
using test::kNaN;
using Text = std::optional<std::string>;

// Rows as a survey reads them, with the totals that go with them.
class Sample {
 public:
  Sample(std::size_t numbers, std::size_t categories) : numbers_(numbers) {
    totals_.missing.assign(numbers + categories, 0);
    totals_.low.assign(numbers, test::kInf);
    totals_.high.assign(numbers, -test::kInf);
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
  void Shuffle(std::uint64_t seed) { test::Random(seed).Shuffle(&rows_); }
  SurveyTotals* totals() { return &totals_; }
  std::string Survey(const std::string& request) const {
    std::vector<const char*> rows;
    for (const std::string& row : rows_) rows.push_back(row.data());
    return SurveyJson(totals_, rows, ParseSurveyRequest(request), test::kNoInterrupt);
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

std::string Request(const std::vector<std::string>& numbers, const std::vector<std::string>& categories = {},
                    const json& baseline = nullptr, const char* transform = "none") {
  json request = {{"numbers", json::array()},
                  {"categories", json::array()},
                  {"quantiles", {0, 0.01, 0.25, 0.5, 0.75, 0.9, 1}},
                  {"baseline", baseline}};
  for (const std::string& name : numbers) request["numbers"].push_back({{"name", name}, {"transform", transform}});
  for (const std::string& name : categories) request["categories"].push_back({{"name", name}});
  return request.dump();
}

Sample OfValues(const std::vector<double>& values, const std::vector<double>& weights = {}) {
  Sample sample(1, 0);
  for (std::size_t i = 0; i < values.size(); ++i) sample.Add({values[i]}, {}, weights.empty() ? 1 : weights[i]);
  return sample;
}

json NumberOf(const std::vector<double>& values, const std::vector<double>& weights = {}, const char* transform = "none") {
  return OfValues(values, weights).Read(Request({"x"}, {}, nullptr, transform))["numbers"][0];
}

// ---- moments and quantiles -----------------------------------------------------------------------------------------

// Type 7 of R. J. Hyndman & Y. Fan, "Sample quantiles in statistical packages", 1996.
double Type7(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double position = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(position));
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (position - static_cast<double>(below)) * (values[above] - values[below]);
}

struct Moments {
  double mean = 0, stddev = 0, skewness = 0;
};

Moments MomentsOf(const std::vector<double>& values, const std::vector<double>& weights) {
  long double total = 0, mean = 0, second = 0, third = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    total += weights[i], mean += static_cast<long double>(weights[i]) * values[i];
  mean /= total;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const long double off = values[i] - mean;
    second += weights[i] * off * off / total, third += weights[i] * off * off * off / total;
  }
  const long double deviation = std::sqrt(second);
  return {static_cast<double>(mean), static_cast<double>(deviation), static_cast<double>(third / (second * deviation))};
}

TEST(SurveyJson, MomentsAreTheirDefinitions) {
  test::Random random(1);
  for (const char* transform : {"none", "log1p", "asinh"}) {
    for (std::size_t n : {2u, 7u, 400u}) {
      std::vector<double> values, weights, transformed;
      for (std::size_t i = 0; i < n; ++i) {
        values.push_back(std::exp(3 * random.Uniform()) - 1.5);
        weights.push_back(random.Uniform(0.1, 4));
        transformed.push_back(transform[0] == 'l'   ? std::log1p(values[i])
                              : transform[0] == 'a' ? std::asinh(values[i])
                                                    : values[i]);
      }
      const json number = NumberOf(values, weights, transform);
      const Moments expected = MomentsOf(values, weights), after = MomentsOf(transformed, weights);
      EXPECT_NEAR(number["mean"].get<double>(), expected.mean, 1e-13 * std::abs(expected.mean) + 1e-14);
      EXPECT_NEAR(number["stddev"].get<double>(), expected.stddev, 1e-12 * expected.stddev);
      EXPECT_NEAR(number["skewness"].get<double>(), expected.skewness, 1e-10);
      EXPECT_NEAR(number["transformed_mean"].get<double>(), after.mean, 1e-12 * std::abs(after.mean) + 1e-13);
      EXPECT_NEAR(number["transformed_stddev"].get<double>(), after.stddev, 1e-12 * after.stddev);
    }
  }
  // By hand: 0, 0, 0, 4 have mean 1, variance 3, and third moment (-1 - 1 - 1 + 27) / 4 = 6.
  const json number = NumberOf({0, 4, 0, 0});
  EXPECT_EQ(number["mean"], 1);
  EXPECT_NEAR(number["stddev"].get<double>(), std::sqrt(3.0), 1e-15);
  EXPECT_NEAR(number["skewness"].get<double>(), 6 / (3 * std::sqrt(3.0)), 1e-14);
}

TEST(SurveyJson, QuantilesAreType7) {
  const std::vector<double> asked = {0, 0.01, 0.25, 0.5, 0.75, 0.9, 1};
  for (std::size_t n : {1u, 2u, 3u, 4u, 10u, 101u, 1000u}) {
    const std::vector<double> values = test::Flatten(test::UniformRows(n, 1, n, -3, 9));
    const json quantiles = NumberOf(values)["quantiles"];
    ASSERT_EQ(quantiles.size(), asked.size());
    for (std::size_t i = 0; i < asked.size(); ++i)
      EXPECT_NEAR(quantiles[i].get<double>(), Type7(values, asked[i]), 1e-13) << n;
  }
  EXPECT_EQ(NumberOf({1, 2, 3, 10})["quantiles"][3], 2.5);
  EXPECT_EQ(NumberOf({1, 2, 3, 10})["quantiles"][2], 1.75);
}

TEST(SurveyJson, IntegerWeightsAreRepeatedRows) {
  const std::vector<double> values = test::Flatten(test::LatticeRows(300, 1, 40, 3)), weights = test::RandomWeights(300, 4);
  std::vector<double> repeated;
  for (std::size_t i = 0; i < values.size(); ++i)
    repeated.insert(repeated.end(), static_cast<std::size_t>(weights[i]), values[i]);
  const json weighted = NumberOf(values, weights), plain = NumberOf(repeated);
  for (const char* key : {"mean", "stddev", "skewness", "transformed_mean", "transformed_stddev", "low", "high"}) {
    EXPECT_NEAR(weighted[key].get<double>(), plain[key].get<double>(), 1e-11) << key;
  }
  for (std::size_t i = 0; i < 7; ++i)
    EXPECT_NEAR(weighted["quantiles"][i].get<double>(),
                Type7(repeated, std::vector<double>{0, .01, .25, .5, .75, .9, 1}[i]), 1e-12);
  // Rows are counted as rows, whatever they weigh.
  double counted = 0;
  for (const json& count : weighted["counts"]) counted += count.get<double>();
  EXPECT_EQ(counted, 300);
}

TEST(SurveyJson, WithoutValuesThereAreNoStatistics) {
  for (const Sample& sample : {OfValues({}), OfValues({kNaN, test::kInf, -test::kInf})}) {
    const json number = sample.Read(Request({"x"}))["numbers"][0];
    for (const char* key : {"low", "high", "mean", "stddev", "skewness", "transformed_mean", "transformed_stddev"})
      EXPECT_TRUE(number[key].is_null()) << key;
    for (const json& quantile : number["quantiles"]) EXPECT_TRUE(quantile.is_null());
    EXPECT_TRUE(number["spikes"].empty());
    EXPECT_TRUE(number["edges"].empty());
    EXPECT_EQ(number["distinct"], 0);
  }
  EXPECT_EQ(OfValues({kNaN, 5, test::kInf}).Read(Request({"x"}))["numbers"][0]["missing"], 2);
}

TEST(SurveyJson, ATransformThatIsNotDefinedGivesNull) {
  const json number = NumberOf({-5, 1, 2}, {}, "log1p");
  EXPECT_TRUE(number["transformed_mean"].is_null());
  EXPECT_TRUE(number["transformed_stddev"].is_null());
  EXPECT_NEAR(number["mean"].get<double>(), -2.0 / 3, 1e-15);
}

TEST(SurveyJson, CountsZerosNegativesAndDifferentValues) {
  const json number = NumberOf({0, -0.0, 3, 3, -1, -2, -2, 7, kNaN});
  EXPECT_EQ(number["zeros"], 2);
  EXPECT_EQ(number["negatives"], 3);
  EXPECT_EQ(number["distinct"], 5);
  EXPECT_EQ(number["missing"], 1);
  EXPECT_EQ(number["low"], -2);
  EXPECT_EQ(number["high"], 7);
}

TEST(SurveyJson, SaysWhatTheTotalsSay) {
  Sample sample = OfValues({1, 2, 3});
  sample.totals()->rows = 12345, sample.totals()->ignored = 67, sample.totals()->missing = {89};
  sample.totals()->low = {-100}, sample.totals()->high = {200};
  sample.totals()->fingerprint[0] = 0x0123456789abcdefu, sample.totals()->fingerprint[1] = 0xfu;
  const json survey = sample.Read(Request({"x"}));
  EXPECT_EQ(survey["rows"], 12345);
  EXPECT_EQ(survey["ignored"], 67);
  EXPECT_EQ(survey["sampled"], 3);
  EXPECT_EQ(survey["fingerprint"], "0123456789abcdef000000000000000f");
  EXPECT_EQ(survey["numbers"][0]["missing"], 89);
  EXPECT_EQ(survey["numbers"][0]["low"], -100);
  EXPECT_EQ(survey["numbers"][0]["high"], 200);
}

TEST(SurveyJson, NamesMayHoldAnything) {
  Sample sample(1, 1);
  sample.Add({1}, {"\"\\\n\xE2\x82\xAC"});
  const json survey = sample.Read(Request({"a\"b\\ \xC3\xA4"}, {""}));
  EXPECT_EQ(survey["numbers"][0]["name"], "a\"b\\ \xC3\xA4");
  EXPECT_EQ(survey["categories"][0]["name"], "");
  EXPECT_EQ(survey["categories"][0]["levels"][0], "\"\\\n\xE2\x82\xAC");
}

TEST(SurveyJson, TheOrderOfTheRowsDoesNotMatter) {
  test::Random random(5);
  Sample sample(2, 1);
  for (int i = 0; i < 2000; ++i) {
    sample.Add({random.Normal(), random.Below(3) == 0 ? kNaN : static_cast<double>(random.Below(4))},
               {std::string(1, static_cast<char>('a' + random.Below(9)))}, random.Uniform(0.5, 2));
  }
  const std::string request = Request({"x", "y"}, {"c"});
  const std::string before = sample.Survey(request);
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    sample.Shuffle(seed);
    EXPECT_EQ(sample.Survey(request), before);
  }
}

// ---- bins ----------------------------------------------------------------------------------------------------------

std::vector<double> Numbers(const json& list) {
  return list.get<std::vector<double>>();
}

// How many values are missing, spikes, at most the first edge, at most the second, ..., above the last.
std::vector<double> Recount(const json& number, const std::vector<double>& values) {
  const std::vector<double> spikes = Numbers(number["spikes"]), edges = Numbers(number["edges"]);
  std::vector<double> counts(2 + spikes.size() + edges.size());
  for (double value : values) {
    std::size_t at = 1 + spikes.size();
    for (double edge : edges) at += value > edge ? 1 : 0;
    for (std::size_t s = 0; s < spikes.size(); ++s) at = value == spikes[s] ? 1 + s : at;
    counts[std::isfinite(value) ? at : 0] += 1;
  }
  return counts;
}

TEST(SurveyBins, AddUpToTheSample) {
  test::Random random(6);
  for (std::size_t n : {1u, 2u, 5u, 30u, 1000u}) {
    for (std::size_t levels : {1u, 2u, 7u, 100u, 100'000u}) {
      std::vector<double> values;
      for (std::size_t i = 0; i < n; ++i)
        values.push_back(random.Below(10) == 0 ? kNaN : static_cast<double>(random.Below(levels)) - 3);
      const json number = NumberOf(values);
      const std::vector<double> counts = Numbers(number["counts"]), spikes = Numbers(number["spikes"]),
                                edges = Numbers(number["edges"]);
      EXPECT_EQ(counts, Recount(number, values)) << n << " " << levels;
      EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0.0), static_cast<double>(n));
      EXPECT_EQ(counts[0], number["missing"].get<double>());
      EXPECT_EQ(std::adjacent_find(spikes.begin(), spikes.end(), std::greater_equal<>()), spikes.end());
      EXPECT_EQ(std::adjacent_find(edges.begin(), edges.end(), std::greater_equal<>()), edges.end());
      EXPECT_LE(edges.size(), 9u);
    }
  }
}

TEST(SurveyBins, OfDifferentValuesAreTenths) {
  std::vector<double> values = test::Flatten(test::UniformRows(1000, 1, 7));
  const json number = NumberOf(values);
  EXPECT_TRUE(number["spikes"].empty());
  ASSERT_EQ(number["edges"].size(), 9u);
  const std::vector<double> counts = Numbers(number["counts"]);
  ASSERT_EQ(counts.size(), 11u);
  for (std::size_t i = 1; i < counts.size(); ++i) EXPECT_NEAR(counts[i], 100, 1);
  std::sort(values.begin(), values.end());
  for (std::size_t b = 1; b <= 9; ++b) {
    EXPECT_GE(number["edges"][b - 1].get<double>(), values[100 * b - 2]);
    EXPECT_LE(number["edges"][b - 1].get<double>(), values[100 * b + 1]);
  }
}

// A twentieth of 1,000 and two standard errors of that more, 2 sqrt(1000 * 0.05 * 0.95) = 13.8.
TEST(SurveyBins, SpikesAreSurelyATwentieth) {
  for (std::size_t often : {50u, 63u, 64u, 65u, 300u}) {
    std::vector<double> values = test::Flatten(test::UniformRows(1000 - often, 1, 8, 1, 2));
    values.insert(values.end(), often, 1.5);
    values.push_back(kNaN);  // which is not one of the values
    const json number = NumberOf(values);
    EXPECT_EQ(Numbers(number["spikes"]), often >= 64 ? std::vector<double>{1.5} : std::vector<double>{}) << often;
    if (often < 64) continue;
    EXPECT_EQ(number["counts"][1], often);
    for (std::size_t i = 2; i < number["counts"].size(); ++i) {
      EXPECT_NEAR(number["counts"][i].get<double>(), (1000.0 - static_cast<double>(often)) / 10, 1.5);
    }
  }
  // Of 10,000: 500 and 2 sqrt(10000 * 0.05 * 0.95) = 43.6.
  for (std::size_t often : {543u, 544u}) {
    std::vector<double> values = test::Flatten(test::UniformRows(10'000 - often, 1, 9, 1, 2));
    values.insert(values.end(), often, 1.5);
    EXPECT_EQ(NumberOf(values)["spikes"].size(), often == 544 ? 1u : 0u) << often;
  }
}

TEST(SurveyBins, OfOneValueAreASpike) {
  const json same = NumberOf(std::vector<double>(50, 4.0));
  EXPECT_EQ(Numbers(same["spikes"]), (std::vector<double>{4}));
  EXPECT_TRUE(same["edges"].empty());
  EXPECT_EQ(Numbers(same["counts"]), (std::vector<double>{0, 50, 0}));
  // A single row says nothing about how frequent it is.
  const json single = NumberOf({4});
  EXPECT_TRUE(single["spikes"].empty());
  EXPECT_EQ(Numbers(single["counts"]), (std::vector<double>{0, 1}));
}

// ---- categories ----------------------------------------------------------------------------------------------------

Sample OfTexts(const std::vector<std::pair<Text, int>>& texts) {
  Sample sample(0, 1);
  for (const auto& [text, times] : texts) {
    for (int i = 0; i < times; ++i) sample.Add({}, {text});
  }
  return sample;
}

TEST(SurveyJson, LevelsAreTheMostFrequentFirst) {
  const json category = OfTexts({{"web", 3}, {"shop", 7}, {std::nullopt, 2}, {"", 1}, {"\xC3\xA4", 3}, {"app", 3}})
                            .Read(Request({}, {"c"}))["categories"][0];
  EXPECT_EQ(category["levels"], (std::vector<std::string>{"shop", "app", "web", "\xC3\xA4", ""}));  // ties by bytes
  EXPECT_EQ(Numbers(category["counts"]), (std::vector<double>{2, 7, 3, 3, 3, 1, 0}));
  EXPECT_EQ(category["missing"], 2);
  EXPECT_EQ(category["distinct"], 5);
}

TEST(SurveyJson, TooLongTextsAreOthers) {
  const json category =
      OfTexts({{"web", 3}, {std::string(255, 'x'), 2}, {std::string(256, 'x'), 4}, {std::string(99'999, 'y'), 5}})
          .Read(Request({}, {"c"}))["categories"][0];
  EXPECT_EQ(category["levels"], (std::vector<std::string>{"web", std::string(255, 'x')}));
  EXPECT_EQ(Numbers(category["counts"]), (std::vector<double>{0, 3, 2, 9}));
}

TEST(SurveyJson, AtMostAHundredLevelsAreKept) {
  std::vector<std::pair<Text, int>> texts;
  for (int i = 0; i < 130; ++i) texts.emplace_back("level " + std::to_string(1000 + i), 1 + i);
  const json category = OfTexts(texts).Read(Request({}, {"c"}))["categories"][0];
  ASSERT_EQ(category["levels"].size(), 100u);
  EXPECT_EQ(category["levels"][0], "level 1129");
  EXPECT_EQ(category["levels"][99], "level 1030");
  EXPECT_EQ(category["distinct"], 130);
  EXPECT_EQ(category["counts"].back(), 30 * 31 / 2);  // 1 + 2 + ... + 30
}

// ---- drift ---------------------------------------------------------------------------------------------------------

std::vector<double> NormalValues(std::size_t n, double mean, double deviation, std::uint64_t seed) {
  test::Random random(seed);
  std::vector<double> values(n);
  for (double& value : values) value = mean + deviation * random.Normal();
  return values;
}

TEST(SurveyJson, WithoutABaselineThereIsNoDrift) {
  EXPECT_FALSE(NumberOf({1, 2, 3}).contains("drift"));
  EXPECT_FALSE(OfTexts({{"a", 2}}).Read(Request({}, {"c"}))["categories"][0].contains("drift"));
  // Nor for what the baseline does not have.
  const json baseline = OfValues({1, 2, 3}).Read(Request({"y"}));
  const json survey = OfValues({1, 2, 3}).Read(Request({"x"}, {}, baseline));
  EXPECT_FALSE(survey["numbers"][0].contains("drift"));
}

TEST(SurveyJson, DriftOfANumberIsInTheBinsOfTheBaseline) {
  for (double shift : {0.0, 0.3, 5.0}) {
    std::vector<double> before = NormalValues(800, 10, 1, 1), now = NormalValues(500, 10 + shift, 1, 2);
    before.insert(before.end(), 100, 10.0);
    now.insert(now.end(), 40, 10.0);
    now.insert(now.end(), 25, kNaN);
    const json baseline = OfValues(before).Read(Request({"x"}));
    const json drift = OfValues(now).Read(Request({"x"}, {}, baseline))["numbers"][0]["drift"];
    const std::vector<double> counts = Recount(baseline["numbers"][0], now);
    EXPECT_EQ(Numbers(drift["counts"]), counts);
    const DriftTest test = CompareCounts(Numbers(baseline["numbers"][0]["counts"]), counts);
    EXPECT_EQ(drift["psi"].get<double>(), test.psi);
    EXPECT_EQ(drift["chi_square"].get<double>(), test.chi_square);
    EXPECT_EQ(drift["degrees"].get<int>(), test.degrees);
    EXPECT_EQ(drift["p"].get<double>(), test.p);
    EXPECT_FALSE(drift.contains("resembles"));
    const double low = *std::min_element(before.begin(), before.end()),
                 high = *std::max_element(before.begin(), before.end());
    double outside = 0;
    for (double value : now) outside += value < low || value > high ? 1 : 0;  // a comparison with NaN is false
    EXPECT_NEAR(drift["outside"].get<double>(), outside / 540, 1e-15);
    EXPECT_EQ(shift == 5.0, test.psi > 1);
  }
}

TEST(SurveyJson, OutsideIsTheShareBeyondTheRange) {
  const json baseline = OfValues({0, 5, 10}).Read(Request({"x"}));
  const json drift =
      OfValues({-1, 0, 10, 11, 12, 5, kNaN, 3, 4, 10.5}).Read(Request({"x"}, {}, baseline))["numbers"][0]["drift"];
  EXPECT_NEAR(drift["outside"].get<double>(), 4.0 / 9, 1e-15);
}

TEST(SurveyJson, DriftOfACategoryIsInTheLevelsOfTheBaseline) {
  const json baseline =
      OfTexts({{"a", 50}, {"b", 30}, {std::nullopt, 20}, {std::string(300, 'z'), 10}}).Read(Request({}, {"c"}));
  const json drift = OfTexts({{"b", 40}, {"new", 25}, {"a", 20}, {std::nullopt, 5}})
                         .Read(Request({}, {"c"}, baseline))["categories"][0]["drift"];
  const std::vector<double> counts = {5, 20, 40, 25};  // missing, a, b, others
  EXPECT_EQ(Numbers(drift["counts"]), counts);
  const DriftTest test = CompareCounts({20, 50, 30, 10}, counts);
  EXPECT_EQ(drift["psi"].get<double>(), test.psi);
  EXPECT_EQ(drift["chi_square"].get<double>(), test.chi_square);
  EXPECT_EQ(drift["degrees"].get<int>(), test.degrees);
  EXPECT_EQ(drift["p"].get<double>(), test.p);
}

// Two columns exchanged, and a third as it was.
TEST(SurveyJson, ANumberThatLooksLikeAnotherOneResemblesIt) {
  const std::vector<double> age = NormalValues(1000, 40, 10, 3), income = NormalValues(1000, 3000, 500, 4),
                            visits = NormalValues(1000, 7, 2, 5);
  Sample before(3, 0), now(3, 0);
  for (std::size_t i = 0; i < 1000; ++i) {
    before.Add({age[i], income[i], visits[i]});
    now.Add({income[999 - i], age[(7 * i) % 1000], visits[i]});
  }
  const std::vector<std::string> names = {"age", "income", "visits"};
  const json baseline = before.Read(Request(names));
  const json survey = now.Read(Request(names, {}, baseline));
  EXPECT_EQ(survey["numbers"][0]["drift"]["resembles"], "income");
  EXPECT_EQ(survey["numbers"][1]["drift"]["resembles"], "age");
  EXPECT_FALSE(survey["numbers"][2]["drift"].contains("resembles"));
  EXPECT_EQ(survey["numbers"][2]["drift"]["psi"], 0);
}

// ---- what is not a request, or not a survey -----------------------------------------------------------------------

TEST(ParseSurveyRequest, ReadsWhatIsAskedFor) {
  const SurveyRequest request =
      ParseSurveyRequest(R"({"quantiles":[0.5,0,1],"categories":[{"name":"c"}],"baseline":{"rows":1},
      "numbers":[{"name":"a"},{"name":"b","transform":"log1p"},{"name":"\u00e9","transform":"asinh"},{"name":"d","transform":"none"}]})");
  EXPECT_EQ(request.numbers, (std::vector<std::string>{"a", "b", "\xC3\xA9", "d"}));
  EXPECT_EQ(request.categories, (std::vector<std::string>{"c"}));
  EXPECT_EQ(request.transforms,
            (std::vector<Transform>{Transform::kNone, Transform::kLog1p, Transform::kAsinh, Transform::kNone}));
  EXPECT_EQ(request.quantiles, (std::vector<double>{0.5, 0, 1}));
  EXPECT_NE(request.baseline.Object(), nullptr);
  EXPECT_TRUE(ParseSurveyRequest(R"({"numbers":[],"categories":[],"quantiles":[]})").baseline.IsNull());
}

TEST(ParseSurveyRequest, WhatIsNoRequestIsAnError) {
  for (const char* text : {
           "",
           "{",
           "null",
           "5",
           "[]",
           "{}",
           R"({"numbers":[],"categories":[]})",
           R"({"numbers":[],"quantiles":[]})",
           R"({"categories":[],"quantiles":[]})",
           R"({"numbers":{},"categories":[],"quantiles":[]})",
           R"({"numbers":[],"categories":null,"quantiles":[]})",
           R"({"numbers":[],"categories":[],"quantiles":0.5})",
           R"({"numbers":["a"],"categories":[],"quantiles":[]})",
           R"({"numbers":[{}],"categories":[],"quantiles":[]})",
           R"({"numbers":[{"name":1}],"categories":[],"quantiles":[]})",
           R"({"numbers":[],"categories":[{"name":null}],"quantiles":[]})",
           R"({"numbers":[],"categories":[[]],"quantiles":[]})",
           R"({"numbers":[],"categories":[],"quantiles":[1.5]})",
           R"({"numbers":[],"categories":[],"quantiles":[-0.1]})",
           R"({"numbers":[],"categories":[],"quantiles":["0.5"]})",
           R"({"numbers":[],"categories":[],"quantiles":[null]})",
           R"({"numbers":[],"numbers":[],"categories":[],"quantiles":[]})",
       }) {
    ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseSurveyRequest(text); }, text);
  }
}

TEST(SurveyJson, ABaselineWithoutDescriptionsIsNoBaseline) {
  for (const char* text : {"null", "5", "\"x\"", "[]", "{}", R"({"numbers":5,"categories":{}})",
                           R"({"numbers":[5,null,[],{}],"categories":[]})", R"({"numbers":[{"name":5}]})"}) {
    EXPECT_FALSE(OfValues({1, 2}).Read(Request({"x"}, {}, json::parse(text)))["numbers"][0].contains("drift")) << text;
  }
}

TEST(SurveyJson, HostileDescriptionsOfNumbersAreErrors) {
  const json good = OfValues(NormalValues(200, 0, 1, 9)).Read(Request({"x"}))["numbers"][0];
  const auto survey = [](const json& number) {
    return OfValues({1, 2, kNaN}).Read(Request({"x"}, {}, {{"numbers", {number}}}));
  };
  EXPECT_TRUE(survey(good)["numbers"][0].contains("drift"));
  for (const char* key : {"spikes", "edges", "counts"}) {
    json without = good;
    without.erase(key);
    ExpectError(
        ErrorCode::kInvalidParameter, [&] { survey(without); }, std::string("no ") + key);
    for (const char* value : {"null", "5", "{}", "\"1\"", "[null]", "[\"1\"]", "[[1]]", "[true]"}) {
      json bad = good;
      bad[key] = json::parse(value);
      ExpectError(
          ErrorCode::kInvalidParameter, [&] { survey(bad); }, std::string(key) + " " + value);
    }
  }
  json bad = good;
  bad["counts"].push_back(5);
  ExpectError(
      ErrorCode::kInvalidParameter, [&] { survey(bad); }, "too many counts");
  bad["counts"] = json::array();
  ExpectError(
      ErrorCode::kInvalidParameter, [&] { survey(bad); }, "no counts");
  bad = good;
  std::swap(bad["edges"][0], bad["edges"][3]);
  ExpectError(
      ErrorCode::kInvalidParameter, [&] { survey(bad); }, "unsorted edges");
  bad = good;
  bad["spikes"] = {2, 1};
  ExpectError(
      ErrorCode::kInvalidParameter, [&] { survey(bad); }, "unsorted spikes");
}

TEST(SurveyJson, HostileDescriptionsOfCategoriesAreErrors) {
  const json good = OfTexts({{"a", 5}, {"b", 6}}).Read(Request({}, {"c"}))["categories"][0];
  const auto survey = [](const json& category) {
    return OfTexts({{"a", 1}}).Read(Request({}, {"c"}, {{"categories", {category}}}));
  };
  EXPECT_TRUE(survey(good)["categories"][0].contains("drift"));
  for (const char* key : {"levels", "counts"}) {
    json without = good;
    without.erase(key);
    ExpectError(
        ErrorCode::kInvalidParameter, [&] { survey(without); }, std::string("no ") + key);
    for (const char* value : {"null", "5", "{}", "\"1\"", "[null]", "[[1]]", "[true]", "[{}]", "[]"}) {
      json bad = good;
      bad[key] = json::parse(value);
      ExpectError(
          ErrorCode::kInvalidParameter, [&] { survey(bad); }, std::string(key) + " " + value);
    }
  }
}

void CollectInside(json* value, std::vector<json*>* places) {
  if (!value->is_structured()) return;
  for (json& item : *value) {
    places->push_back(&item);
    CollectInside(&item, places);
  }
}

// Anything in anything's place: a survey that is JSON, or an error that says so.
TEST(SurveyJson, NoBaselineBreaksIt) {
  Sample before(2, 1), now(2, 1);
  test::Random random(11);
  for (int i = 0; i < 300; ++i) {
    before.Add({random.Normal(), 100 * random.Uniform()}, {std::string(1, static_cast<char>('a' + random.Below(3)))});
    now.Add({random.Normal() + 3, random.Below(3) == 0 ? 0 : random.Uniform()},
            {std::string(1, static_cast<char>('b' + random.Below(3)))});
  }
  const json good = before.Read(Request({"x", "y"}, {"c"}));
  const std::vector<json> kHostile = {nullptr,
                                      -1,
                                      0,
                                      1e308,
                                      -1e308,
                                      5e-324,
                                      "x",
                                      "y",
                                      "",
                                      json::array(),
                                      json::object(),
                                      true,
                                      {1, 1},
                                      {-5, 3},
                                      {"a", "a"},
                                      json::array({-1e308, 1e308}),
                                      18446744073709551615u};
  int errors = 0, surveys = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    json bad = good;
    for (std::size_t changes = 1 + random.Below(2); changes > 0; --changes) {
      std::vector<json*> places;
      CollectInside(&bad, &places);
      *places[random.Below(places.size())] = kHostile[random.Below(kHostile.size())];
    }
    try {
      const json survey = now.Read(Request({"x", "y"}, {"c"}, bad));
      ++surveys;
      for (const json& number : survey["numbers"]) {
        if (!number.contains("drift")) continue;
        const json& p = number["drift"]["p"];
        EXPECT_TRUE(p.is_null() || (p.get<double>() >= 0 && p.get<double>() <= 1)) << p;
      }
    } catch (const Error& error) {
      EXPECT_STREQ(SqlState(error.code()), "22023") << error.message();
      ++errors;
    }
  }
  EXPECT_GT(errors, 500);
  EXPECT_GT(surveys, 500);
}

}  // namespace
}  // namespace segmentation
