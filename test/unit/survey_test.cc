#include "core/survey.h"

#include <gtest/gtest.h>

#include "core/survey_bins.h"
#include "expect_error.h"
#include "survey_samples.h"

namespace segmentation {
namespace {

using nlohmann::json;
using test::ExpectError;
using test::kNaN;
using test::NumberOf;
using test::Numbers;
using test::OfTexts;
using test::OfValues;
using test::Request;
using test::Sample;
using test::Text;
using test::Type7;

// ---- moments and quantiles -----------------------------------------------------------------------------------------

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

// ---- categories ----------------------------------------------------------------------------------------------------

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

}  // namespace
}  // namespace segmentation
