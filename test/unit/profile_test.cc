#include "core/profile.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "survey_samples.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::json;
using test::kNaN;
using test::kNoInterrupt;
using test::Random;
using test::Text;

// A customer: numbers (an outcome last), texts.
struct Row {
  std::size_t segment = 0;
  std::vector<double> numbers;
  std::vector<Text> texts;
  double weight = 1;
};

ProfileRequest RequestOf(std::size_t segments, const std::vector<std::string>& numbers, const std::vector<std::string>& categories = {}, bool outcome = false) {
  ProfileRequest request;
  for (std::size_t s = 0; s < segments; ++s) request.segments.push_back(static_cast<std::int64_t>(s));
  for (const std::string& name : numbers) request.numbers.push_back({name, "feature"});
  if (outcome) request.numbers.back().role = "outcome";
  for (const std::string& name : categories) request.categories.push_back({name, "profile"});
  return request;
}

// Counted in `parts` states that are merged; of the sample every `every`-th row.
json Profile(const ProfileRequest& request, const std::vector<Row>& rows, std::size_t parts = 1, std::size_t every = 1) {
  const std::size_t k = request.segments.size();
  const std::size_t n = request.numbers.size();
  std::vector<std::vector<SegmentTotals>> segments(parts, std::vector<SegmentTotals>(k));
  std::vector<std::vector<NumberTotals>> numbers(parts, std::vector<NumberTotals>(k * n + 1));
  std::vector<std::string> bytes;
  for (const Row& row : rows) bytes.push_back(test::SampleRow(row.weight, row.numbers, row.texts));
  std::vector<std::vector<const char*>> samples(k);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t part = i % parts;
    CountProfileRow(bytes[i].data(), request.has_outcome(), &segments[part][rows[i].segment], &numbers[part][rows[i].segment * n], n);
    if (i % every == 0) samples[rows[i].segment].push_back(bytes[i].data());
  }
  for (std::size_t part = 1; part < parts; ++part) {
    for (std::size_t s = 0; s < k; ++s) MergeProfileTotals(segments[part][s], &segments[0][s]);
    for (std::size_t j = 0; j < k * n; ++j) MergeProfileTotals(numbers[part][j], &numbers[0][j]);
  }
  return json::parse(ProfileJson(request, {0, segments[0].data(), numbers[0].data()}, samples, kNoInterrupt));
}

std::vector<Row> Customers(std::size_t count, std::size_t segments, std::size_t numbers, std::uint64_t seed) {
  Random random(seed);
  std::vector<Row> rows(count);
  for (Row& row : rows) {
    row.segment = random.Below(segments);
    for (std::size_t j = 0; j < numbers; ++j) row.numbers.push_back(std::round(100 * (random.Normal() + static_cast<double>(row.segment * (j + 1)))) / 10);
  }
  return rows;
}

std::vector<double> ColumnOf(const std::vector<Row>& rows, std::size_t j, std::optional<std::size_t> segment) {
  std::vector<double> values;
  for (const Row& row : rows) {
    if ((!segment || row.segment == *segment) && std::isfinite(row.numbers[j])) values.push_back(row.numbers[j]);
  }
  return values;
}

double MeanOf(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); }
double DeviationOf(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += (value - MeanOf(values)) * (value - MeanOf(values));
  return std::sqrt(sum / static_cast<double>(values.size()));
}

TEST(ProfileTest, StatisticsAreThoseOfTheDefinitions) {
  const std::vector<Row> rows = Customers(400, 3, 2, 1);
  const json profile = Profile(RequestOf(3, {"a", "b"}), rows);
  EXPECT_EQ(profile["rows"], 400);
  EXPECT_EQ(profile["exact"], true);
  for (std::size_t j = 0; j < 2; ++j) {
    const json& feature = profile["features"][j];
    const std::vector<double> all = ColumnOf(rows, j, {});
    EXPECT_NEAR(feature["population_mean"], MeanOf(all), 1e-12);
    EXPECT_NEAR(feature["population_stddev"], DeviationOf(all), 1e-12);
    std::vector<double> means;
    for (std::size_t s = 0; s < 3; ++s) means.push_back(MeanOf(ColumnOf(rows, j, s)));
    double between = 0;
    for (std::size_t s = 0; s < 3; ++s) {
      const std::vector<double> here = ColumnOf(rows, j, s);
      const json& segment = feature["segments"][s];
      EXPECT_EQ(segment["rows"], here.size());
      EXPECT_EQ(segment["missing"], 0);
      EXPECT_NEAR(segment["mean"], MeanOf(here), 1e-12);
      EXPECT_NEAR(segment["stddev"], DeviationOf(here), 1e-12);
      EXPECT_EQ(segment["min"], *std::min_element(here.begin(), here.end()));
      EXPECT_EQ(segment["max"], *std::max_element(here.begin(), here.end()));
      EXPECT_NEAR(segment["q1"], test::Type7(here, 0.25), 1e-12);
      EXPECT_NEAR(segment["median"], test::Type7(here, 0.5), 1e-12);
      EXPECT_NEAR(segment["q3"], test::Type7(here, 0.75), 1e-12);
      EXPECT_NEAR(segment["index_100"], 100 * MeanOf(here) / MeanOf(all), 1e-9);
      EXPECT_NEAR(segment["z_score"], (MeanOf(here) - MeanOf(all)) / DeviationOf(all), 1e-12);
      const auto [least, most] = std::minmax_element(means.begin(), means.end());
      EXPECT_NEAR(segment["relative"], (MeanOf(here) - *least) / (*most - *least), 1e-12);
      between += static_cast<double>(here.size()) * (MeanOf(here) - MeanOf(all)) * (MeanOf(here) - MeanOf(all));
    }
    EXPECT_NEAR(profile["importance"][j]["explained"], between / (400 * DeviationOf(all) * DeviationOf(all)), 1e-12);
  }
}

TEST(ProfileTest, NoOrderAndNoSplitOfTheRowsShows) {
  std::vector<Row> rows = Customers(3000, 4, 3, 2);
  for (Row& row : rows) row.numbers[0] = row.numbers[0] * 1e-3 + 1e4;  // a mean of a million deviations: plain sums would show it
  const ProfileRequest request = RequestOf(4, {"a", "b", "c"});
  const std::string expected = Profile(request, rows).dump();
  Random random(3);
  for (std::size_t parts : {1u, 2u, 3u, 4u, 5u, 8u, 13u, 40u}) {
    random.Shuffle(&rows);
    const json again = Profile(request, rows, parts);
    // Trends are sums over the sample, whose order the caller settles.
    json a = json::parse(expected);
    json b = again;
    a.erase("trend"), b.erase("trend");
    EXPECT_EQ(a.dump(), b.dump());
  }
}

TEST(ProfileTest, ConstantsHaveNoDeviation) {
  std::vector<Row> rows;
  for (int i = 0; i < 40; ++i) rows.push_back({static_cast<std::size_t>(i % 2), {0.1}, {}, 1});
  const json feature = Profile(RequestOf(2, {"a"}), rows)["features"][0];
  EXPECT_EQ(feature["population_stddev"], 0);
  EXPECT_TRUE(feature["segments"][0]["z_score"].is_null());
  EXPECT_TRUE(feature["segments"][0]["relative"].is_null());
  EXPECT_NEAR(feature["segments"][0]["index_100"], 100, 1e-12);
}

TEST(ProfileTest, MissingValuesAreCountedAndNotLost) {
  std::vector<Row> rows = Customers(100, 2, 2, 4);
  for (std::size_t i = 0; i < rows.size(); i += 4) rows[i].numbers[1] = kNaN;
  const json profile = Profile(RequestOf(2, {"a", "b"}), rows);
  for (std::size_t s = 0; s < 2; ++s) {
    const std::vector<double> here = ColumnOf(rows, 1, s);
    const json& segment = profile["features"][1]["segments"][s];
    EXPECT_EQ(segment["rows"], here.size());
    EXPECT_EQ(segment["rows"].get<int>() + segment["missing"].get<int>(), profile["segments"][s]["rows"]);
    EXPECT_NEAR(segment["mean"], MeanOf(here), 1e-12);
  }
}

TEST(ProfileTest, StatisticsOfFewCustomersAreNull) {
  for (int count : {9, 10}) {
    std::vector<Row> rows = Customers(100, 1, 1, 5);
    for (int i = 0; i < count; ++i) rows.push_back({1, {static_cast<double>(i)}, {"x"}, 1});
    for (std::size_t i = 0; i < 100; ++i) rows[i].texts = {"y"};
    const json profile = Profile(RequestOf(2, {"a"}, {"c"}), rows);
    for (const json& feature : profile["features"]) {
      for (const char* name : {"mean", "stddev", "index_100", "z_score", "relative"}) EXPECT_EQ(feature["segments"][1][name].is_null(), count < 10) << feature["feature"] << name;
    }
    for (const char* name : {"min", "q1", "median", "q3", "max"}) EXPECT_EQ(profile["features"][0]["segments"][1][name].is_null(), count < 10) << name;
    EXPECT_EQ(profile["features"][0]["segments"][1]["rows"], count);
    // A mean that is not shown does not show in the others' places either.
    if (count < 10) {
      EXPECT_TRUE(profile["features"][0]["segments"][0]["relative"].is_null());
    }
  }
}

TEST(ProfileTest, WeightsCountRows) {
  std::vector<Row> weighted = Customers(60, 2, 2, 6);
  for (std::size_t i = 0; i < weighted.size(); ++i) weighted[i].weight = static_cast<double>(1 + i % 3), weighted[i].texts = {std::string(1, static_cast<char>('a' + i % 4))};
  std::vector<Row> repeated;
  for (const Row& row : weighted) {
    for (int i = 0; i < static_cast<int>(row.weight); ++i) repeated.push_back(row), repeated.back().weight = 1;
  }
  const ProfileRequest request = RequestOf(2, {"a", "b"}, {"c"});
  const json a = Profile(request, weighted);
  const json b = Profile(request, repeated);
  EXPECT_NEAR(a["segments"][0]["share"], b["segments"][0]["share"].get<double>(), 1e-15);
  for (std::size_t f = 0; f < a["features"].size(); ++f) {
    for (std::size_t s = 0; s < 2; ++s) {
      for (const char* name : {"mean", "stddev", "min", "q1", "median", "q3", "max", "index_100", "z_score", "relative"}) {
        const json& one = a["features"][f]["segments"][s][name];
        const json& other = b["features"][f]["segments"][s][name];
        ASSERT_EQ(one.is_null(), other.is_null()) << name;
        if (!one.is_null()) {
          EXPECT_NEAR(one, other.get<double>(), 1e-9) << name;
        }
      }
    }
    EXPECT_NEAR(a["importance"][0]["explained"], b["importance"][0]["explained"].get<double>(), 1e-12);
  }
}

TEST(ProfileTest, OutcomesAreKnownOrNot) {
  std::vector<Row> rows;
  for (int i = 0; i < 60; ++i) rows.push_back({static_cast<std::size_t>(i % 2), {i % 3 == 0 ? kNaN : i % 6 == 1 ? 1.0 : 0.0}, {}, 2});
  const json profile = Profile(RequestOf(2, {"defaulted"}, {}, true), rows);
  // Of 60 rows 20 are not known; of 40, i = 1, 7, 13, .. have happened: 10, all odd.
  EXPECT_EQ(profile["segments"][0]["known"], 20);
  EXPECT_EQ(profile["segments"][0]["events"], 0);
  EXPECT_EQ(profile["segments"][1]["known"], 20);
  EXPECT_EQ(profile["segments"][1]["events"], 10);
  EXPECT_EQ(profile["features"][0]["role"], "outcome");
  EXPECT_EQ(profile["features"][0]["segments"][1]["mean"], 0.5);
  EXPECT_TRUE(Profile(RequestOf(2, {"a"}), rows)["segments"][0]["known"].is_null());
}

TEST(ProfileTest, LevelsOfACategoryAreShares) {
  Random random(8);
  std::vector<Row> rows;
  std::map<std::pair<std::string, std::size_t>, double> counts;
  std::vector<double> sizes(2);
  for (int i = 0; i < 300; ++i) {
    Row row{random.Below(2), {1}, {Text()}, 1};
    if (i % 10 != 0) {
      row.texts[0] = random.Below(row.segment + 2) == 0 ? "gold" : "basic";
      ++counts[{*row.texts[0], row.segment}];
      ++sizes[row.segment];
    }
    rows.push_back(row);
  }
  const json profile = Profile(RequestOf(2, {"a"}, {"card"}), rows);
  ASSERT_EQ(profile["features"].size(), 3u);
  double between = 0;
  double total = 0;
  for (std::size_t f = 1; f < 3; ++f) {
    const json& level = profile["features"][f];
    const std::string name = level["feature"].get<std::string>().substr(5);
    EXPECT_EQ(level["feature"], "card=" + name);
    EXPECT_EQ(level["kind"], "level");
    const double share = (counts[{name, 0}] + counts[{name, 1}]) / (sizes[0] + sizes[1]);
    EXPECT_NEAR(level["population_mean"], share, 1e-12);
    total += share * (1 - share);
    for (std::size_t s = 0; s < 2; ++s) {
      const double here = counts[{name, s}] / sizes[s];
      EXPECT_EQ(level["segments"][s]["rows"], sizes[s]);
      EXPECT_NEAR(level["segments"][s]["mean"], here, 1e-12);
      EXPECT_NEAR(level["segments"][s]["z_score"], (here - share) / std::sqrt(share * (1 - share)), 1e-9);
      EXPECT_TRUE(level["segments"][s]["median"].is_null());
      between += sizes[s] / (sizes[0] + sizes[1]) * (here - share) * (here - share);
    }
  }
  EXPECT_NEAR(profile["importance"][1]["explained"], between / total, 1e-12);  // Goodman & Kruskal 1954: tau
}

TEST(ProfileTest, ManyLevelsAndThoseOfFewCustomersAreCut) {
  std::vector<Row> rows;
  for (int i = 0; i < 3000; ++i) rows.push_back({0, {1}, {i < 1500 ? "first" : "level " + std::to_string(i % 99)}, 1});
  for (int i = 0; i < 9; ++i) rows[static_cast<std::size_t>(i)].texts = {"nine of them"};
  const json profile = Profile(RequestOf(1, {"a"}, {"c"}), rows);
  ASSERT_EQ(profile["features"].size(), 1 + kMostProfiledLevels);
  EXPECT_EQ(profile["features"][1]["feature"], "c=first");
  EXPECT_EQ(profile["features"].back()["feature"], "c=(other)");
  double sum = 0;
  for (std::size_t f = 1; f < profile["features"].size(); ++f) {
    EXPECT_NE(profile["features"][f]["feature"], "c=nine of them");
    sum += profile["features"][f]["segments"][0]["mean"].get<double>();
  }
  EXPECT_NEAR(sum, 1, 1e-9);
  // Views have a bounded number of rows: 5,000 segments leave room for four entries of each.
  EXPECT_EQ(Profile(RequestOf(5000, {"a"}, {"c"}), rows)["features"].size(), 1u + 3);
}

TEST(ProfileTest, LevelsHaveNamesOfTheirOwn) {
  std::vector<Row> rows;
  const std::vector<std::string> texts = {"", "(empty)", "\"(empty)\"", "(other)", "(long)", std::string(300, 'x'), std::string(301, 'y'), "plain"};
  for (std::size_t i = 0; i < 8 * 12; ++i) rows.push_back({0, {1}, {texts[i % 8]}, 1});
  rows.push_back({0, {1}, {"rare"}, 1});
  std::vector<std::string> names;
  const json profile = Profile(RequestOf(1, {"a"}, {"c"}), rows);
  for (const json& feature : profile["features"]) names.push_back(feature["feature"]);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"a", "c=\"\"(empty)\"\"", "c=\"(empty)\"", "c=\"(long)\"", "c=\"(other)\"", "c=(empty)", "c=(long)", "c=(other)", "c=plain"}));
}

TEST(ProfileTest, WhatIsHiddenDoesNotComeOutBySubtraction) {
  std::vector<Row> rows = Customers(200, 2, 2, 16);
  for (Row& row : rows) row.numbers[1] = row.numbers[0] > 0 ? 1 : 0, row.texts = {"x"};
  const std::vector<Row> without = rows;
  for (int i = 0; i < 9; ++i) rows.push_back({2, {1e6, 1}, {"x"}, 1});
  const ProfileRequest request = RequestOf(3, {"a", "bad"}, {"c"}, true);
  const json hidden = Profile(request, rows);
  const json alone = Profile(request, without);
  for (std::size_t f = 0; f < 3; ++f) {
    EXPECT_EQ(hidden["features"][f]["population_mean"], alone["features"][f]["population_mean"]);
    EXPECT_EQ(hidden["features"][f]["population_stddev"], alone["features"][f]["population_stddev"]);
    EXPECT_EQ(hidden["features"][f]["segments"][0], alone["features"][f]["segments"][0]);
    EXPECT_EQ(hidden["importance"][f], alone["importance"][f]);
  }
  EXPECT_EQ(hidden["segments"][2]["known"], 9);
  EXPECT_TRUE(hidden["segments"][2]["events"].is_null());
  EXPECT_EQ(hidden["trend"]["along"][0]["bins"], alone["trend"]["along"][0]["bins"]);
}

TEST(ProfileTest, ConstantFactorsOfWeightsDoNotMatter) {
  std::vector<Row> rows = Customers(500, 2, 1, 17);
  const json one = Profile(RequestOf(2, {"a"}), rows);
  for (Row& row : rows) row.weight = 0.0001;
  const json small = Profile(RequestOf(2, {"a"}), rows);
  for (std::size_t s = 0; s < 2; ++s) {
    for (const char* name : {"mean", "stddev", "q1", "median", "q3"}) {
      EXPECT_NEAR(small["features"][0]["segments"][s][name], one["features"][0]["segments"][s][name].get<double>(), 1e-9) << name;
    }
  }
}

TEST(ProfileTest, SamplesStandForTheirSegments) {
  // Every third row sampled: counts and means are exact, quantiles and levels are of the sample.
  std::vector<Row> rows = Customers(3000, 3, 2, 9);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].texts = {i % 5 == 0 ? "a" : "b"};
  const ProfileRequest request = RequestOf(3, {"a", "b"}, {"c"});
  const json whole = Profile(request, rows);
  const json part = Profile(request, rows, 1, 3);
  EXPECT_EQ(part["exact"], false);
  EXPECT_EQ(part["sampled"], 1000);
  for (std::size_t s = 0; s < 3; ++s) {
    const json& a = whole["features"][0]["segments"][s];
    const json& b = part["features"][0]["segments"][s];
    for (const char* name : {"rows", "mean", "stddev", "min", "max", "z_score", "relative"}) EXPECT_EQ(a[name], b[name]) << name;
    EXPECT_NEAR(a["median"], b["median"].get<double>(), 2);  // a fifth of a standard deviation
    EXPECT_NEAR(part["features"][2]["segments"][s]["mean"], whole["features"][2]["segments"][s]["mean"].get<double>(), 0.06);
    EXPECT_EQ(part["features"][2]["segments"][s]["rows"], whole["features"][2]["segments"][s]["rows"]);
  }
}

TEST(ProfileTest, ValuesNearTheRangeOfADoubleAreNoError) {
  std::vector<Row> rows;
  for (int i = 0; i < 20; ++i) rows.push_back({0, {i % 2 == 0 ? 1e300 : -1e300}, {}, 1});
  const json segment = Profile(RequestOf(1, {"a"}), rows)["features"][0]["segments"][0];
  EXPECT_EQ(segment["min"], -1e300);
  EXPECT_EQ(segment["rows"], 20);
  EXPECT_TRUE(segment["stddev"].is_null());  // and not 0
  for (Row& row : rows) row.numbers[0] = row.numbers[0] > 0 ? 1e-200 : 3e-200;
  EXPECT_TRUE(Profile(RequestOf(1, {"a"}), rows)["features"][0]["segments"][0]["stddev"].is_null());
}

TEST(ProfileTest, EmptySegmentsAndNoRows) {
  std::vector<Row> rows = Customers(50, 1, 1, 10);
  const json profile = Profile(RequestOf(2, {"a"}, {"c"}), [&] {
    for (Row& row : rows) row.texts = {Text()};
    return rows;
  }());
  EXPECT_EQ(profile["segments"][1]["rows"], 0);
  EXPECT_EQ(profile["features"].size(), 1u);  // no level at all
  EXPECT_TRUE(profile["importance"][1]["explained"].is_null());
  EXPECT_EQ(Profile(RequestOf(2, {"a"}), {})["rows"], 0);
}

TEST(ProfileTest, RequestsAreChecked) {
  EXPECT_EQ(ParseProfileRequest(R"({"segments": [3], "numbers": [{"name": "a", "role": "outcome"}], "categories": []})").has_outcome(), true);
  for (const char* bad : {"[]", "{}", R"({"segments": ["a"], "numbers": [], "categories": []})", R"({"segments": [1], "numbers": [{"name": "a"}], "categories": []})",
                          R"({"segments": [1], "numbers": []})"}) {
    EXPECT_THROW(ParseProfileRequest(bad), Error) << bad;
  }
}

// ---- trends --------------------------------------------------------------------------------------------------------

TEST(ProfileTrendTest, MeansByValueAreThoseOfTheDefinition) {
  Random random(12);
  std::vector<Row> rows;
  for (int i = 0; i < 2000; ++i) {
    const auto grade = static_cast<double>(random.Below(5));
    rows.push_back({random.Below(2), {grade, random.Normal() + grade}, {}, 1 + static_cast<double>(random.Below(2))});
    if (i % 50 == 0) rows.back().numbers[0] = kNaN;
    if (i % 70 == 0) rows.back().numbers[1] = kNaN;
  }
  const json trend = Profile(RequestOf(2, {"grade", "x"}), rows)["trend"];
  EXPECT_EQ(trend["measures"], json({"grade", "x"}));
  const json& along = trend["along"][0];
  EXPECT_EQ(along["name"], "grade");
  ASSERT_EQ(along["bins"].size(), 6u);
  EXPECT_EQ(along["bins"][3]["label"], "3");
  EXPECT_EQ(along["bins"][5]["label"], "(missing)");
  EXPECT_TRUE(along["bins"][5]["low"].is_null());
  for (std::size_t s = 0; s < 2; ++s) {
    for (std::size_t b = 0; b < 6; ++b) {
      double customers = 0, weight = 0, sum = 0;
      for (const Row& row : rows) {
        const bool here = row.segment == s && (b == 5 ? std::isnan(row.numbers[0]) : row.numbers[0] == static_cast<double>(b));
        customers += here ? 1 : 0;
        if (here && std::isfinite(row.numbers[1])) weight += row.weight, sum += row.weight * row.numbers[1];
      }
      EXPECT_EQ(along["segments"][s][b]["customers"], customers);
      EXPECT_NEAR(along["segments"][s][b]["means"][1], sum / weight, 1e-9);
    }
  }
}

TEST(ProfileTrendTest, RangesHoldTenthsOfTheCustomers) {
  const std::vector<Row> rows = Customers(5000, 2, 2, 13);
  const json along = Profile(RequestOf(2, {"a", "b"}), rows)["trend"]["along"][0];
  ASSERT_EQ(along["bins"].size(), 10u);
  for (std::size_t b = 0; b < 10; ++b) {
    const double low = along["bins"][b]["low"];
    const double high = along["bins"][b]["high"];
    double both = 0;
    for (std::size_t s = 0; s < 2; ++s) {
      double count = 0;
      for (const Row& row : rows) count += row.segment == s && row.numbers[0] >= low && (b == 9 ? row.numbers[0] <= high : row.numbers[0] < high) ? 1 : 0;
      EXPECT_EQ(along["segments"][s][b]["customers"], count);
      both += count;
    }
    EXPECT_NEAR(both, 500, 60);  // values are rounded, so equal ones stay together
  }
}

TEST(ProfileTrendTest, MeansOfFewCustomersAreNull) {
  std::vector<Row> rows;
  for (int i = 0; i < 29; ++i) rows.push_back({0, {static_cast<double>(i % 3), 7}, {}, 1});
  const json segment = Profile(RequestOf(1, {"a", "b"}), rows)["trend"]["along"][0]["segments"][0];
  EXPECT_EQ(segment[0]["means"][1], 7);
  EXPECT_EQ(segment[1]["means"][1], 7);
  EXPECT_TRUE(segment[2]["customers"].is_null());
  EXPECT_TRUE(segment[2]["means"][1].is_null());
}

TEST(ProfileTrendTest, AValueOfManyIsARangeByItself) {
  Random random(18);
  std::vector<Row> rows;
  for (int i = 0; i < 2000; ++i) rows.push_back({0, {i % 20 == 0 ? 1 + std::round(1000 * random.Uniform()) : 0}, {}, 1});
  const json bins = Profile(RequestOf(1, {"a"}), rows)["trend"]["along"][0]["bins"];
  ASSERT_EQ(bins.size(), 2u);
  EXPECT_EQ(bins[0]["low"], 0);
  const json segment = Profile(RequestOf(1, {"a"}), rows)["trend"]["along"][0]["segments"][0];
  EXPECT_EQ(segment[0]["customers"], 1900);
  EXPECT_EQ(segment[1]["customers"], 100);
  // In the middle, too.
  rows.clear();
  for (int i = 0; i < 3000; ++i) rows.push_back({0, {i % 2 == 0 ? 50 : std::round(1000 * random.Uniform()) / 10}, {}, 1});
  bool alone = false;
  const json middle = Profile(RequestOf(1, {"a"}), rows)["trend"]["along"][0]["bins"];
  for (const json& bin : middle) alone = alone || (bin["low"] == 50 && bin["high"].get<double>() < 50.2);
  EXPECT_TRUE(alone) << middle;
}

TEST(ProfileTrendTest, AnOutcomeIsAMeasureOnly) {
  std::vector<Row> rows = Customers(100, 1, 2, 14);
  for (Row& row : rows) row.numbers[1] = row.numbers[0] > 0 ? 1 : 0;
  const json trend = Profile(RequestOf(1, {"a", "defaulted"}, {}, true), rows)["trend"];
  EXPECT_EQ(trend["along"].size(), 1u);
  EXPECT_EQ(trend["measures"], json({"a", "defaulted"}));
}

TEST(ProfileTrendTest, WideProfilesHaveFewerTrends) {
  std::vector<std::string> names;
  for (int j = 0; j < 30; ++j) names.push_back("x" + std::to_string(j));
  const json trend = Profile(RequestOf(2, names), Customers(50, 2, 30, 15))["trend"];
  EXPECT_EQ(trend["along"].size(), 12u);
  EXPECT_EQ(trend["measures"].size(), 12u);
  EXPECT_EQ(Profile(RequestOf(1000, names), Customers(50, 2, 30, 15))["trend"]["along"].size(), 0u);
}

}  // namespace
}  // namespace segmentation
