// The bins of a survey, and what it says of an earlier one in them.
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

// ---- bins ----------------------------------------------------------------------------------------------------------

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

// ---- what is no baseline -------------------------------------------------------------------------------------------

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
