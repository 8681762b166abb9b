#include "core/preparation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/scorer.h"
#include "core/survey.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::ExpectError;
using test::kNaN;
using Text = std::optional<std::string>;

// Two numbers and a category.
constexpr const char* kFeatures =
    R"("features":[{"name":"age","categorical":false},{"name":"income","categorical":false},{"name":"channel","categorical":true}])";

std::string PlanText(const std::string& age, const std::string& income,
                     const std::string& channel = R"({"encode":"onehot"})", const std::string& rest = "") {
  return std::string("{") + kFeatures + R"(,"prepare":{"age":)" + age + ",\"income\":" + income +
         ",\"channel\":" + channel + "}" + rest + "}";
}

TrainingPlan Plan(const std::string& age, const std::string& income, const std::string& channel = R"({"encode":"onehot"})",
                  const std::string& rest = "") {
  return ParseTrainingPlan(PlanText(age, income, channel, rest));
}

// A plan of one number.
TrainingPlan NumberPlan(const std::string& prepare, const std::string& rest = "") {
  return ParseTrainingPlan(R"({"features":[{"name":"x","categorical":false}],"prepare":{"x":)" + prepare + "}" + rest +
                           "}");
}

// A survey of rows for a plan: the numbers and the categories of each, in the order of the features.
struct Row {
  std::vector<double> numbers;
  std::vector<Text> texts;
  double weight = 1;
};

JsonValue SurveyOf(const TrainingPlan& plan, const std::vector<Row>& rows) {
  const SurveyRequest request = ParseSurveyRequest(SurveyRequestOf(plan));
  SurveyTotals totals;
  totals.missing.assign(request.numbers.size() + request.categories.size(), 0);
  totals.low.assign(request.numbers.size(), test::kInf);
  totals.high.assign(request.numbers.size(), -test::kInf);
  std::vector<std::string> bytes;
  const auto append = [&](const void* value, std::size_t size) {
    bytes.back().append(static_cast<const char*>(value), size);
  };
  for (const Row& row : rows) {
    bytes.emplace_back();
    append(&row.weight, sizeof row.weight);
    EXPECT_EQ(row.numbers.size(), request.numbers.size());
    EXPECT_EQ(row.texts.size(), request.categories.size());
    for (std::size_t j = 0; j < row.numbers.size(); ++j) {
      append(&row.numbers[j], sizeof(double));
      totals.missing[j] += std::isfinite(row.numbers[j]) ? 0u : 1u;
      if (!std::isfinite(row.numbers[j])) continue;
      totals.low[j] = std::min(totals.low[j], row.numbers[j]), totals.high[j] = std::max(totals.high[j], row.numbers[j]);
    }
    for (std::size_t j = 0; j < row.texts.size(); ++j) {
      const std::uint32_t length = row.texts[j] ? static_cast<std::uint32_t>(row.texts[j]->size()) : kMissingText;
      append(&length, sizeof length);
      if (row.texts[j]) append(row.texts[j]->data(), row.texts[j]->size());
      totals.missing[row.numbers.size() + j] += row.texts[j] ? 0u : 1u;
    }
    ++totals.rows;
  }
  std::vector<const char*> sample;
  for (const std::string& row : bytes) sample.push_back(row.data());
  return ParseJson(SurveyJson(totals, sample, request, test::kNoInterrupt), ErrorCode::kInternal, "survey");
}

std::vector<Row> RowsOf(const std::vector<double>& values, const std::vector<double>& weights = {}) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < values.size(); ++i) rows.push_back({{values[i]}, {}, weights.empty() ? 1 : weights[i]});
  return rows;
}

Preparation MakeOf(const TrainingPlan& plan, const std::vector<double>& values, const std::vector<double>& weights = {}) {
  return MakePreparation(plan, SurveyOf(plan, RowsOf(values, weights)));
}

double Type7(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double position = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(position));
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (position - static_cast<double>(below)) * (values[above] - values[below]);
}

// ---- parsing -------------------------------------------------------------------------------------------------------

TEST(ParseTrainingPlan, ReadsEveryKey) {
  const TrainingPlan plan =
      Plan(R"({"transform":"log1p","limits":[0.05,0.9],"impute":"median"})", R"({"transform":"winsor","impute":-2.5})",
           R"({"encode":"onehot","impute":"web","min_share":0.25})",
           R"(,"outliers":{"method":"zscore","factor":4,"max_share":0.02},"skips":true)");
  ASSERT_EQ(plan.features.size(), 3u);
  const FeaturePlan& age = plan.features[0];
  EXPECT_EQ(age.name, "age");
  EXPECT_FALSE(age.categorical);
  EXPECT_EQ(age.transform, Transform::kLog1p);
  EXPECT_EQ(age.limit_low, 0.05);
  EXPECT_EQ(age.limit_high, 0.9);
  EXPECT_EQ(age.impute, Impute::kMedian);
  const FeaturePlan& income = plan.features[1];
  EXPECT_EQ(income.transform, Transform::kNone);
  EXPECT_EQ(income.limit_low, 0.01);
  EXPECT_EQ(income.limit_high, 0.99);
  EXPECT_EQ(income.impute, Impute::kValue);
  EXPECT_EQ(income.impute_number, -2.5);
  const FeaturePlan& channel = plan.features[2];
  EXPECT_TRUE(channel.categorical);
  EXPECT_EQ(channel.impute, Impute::kValue);
  EXPECT_EQ(channel.impute_level, "web");
  EXPECT_EQ(channel.min_share, 0.25);
  EXPECT_EQ(plan.outliers.method, OutlierMethod::kZscore);
  EXPECT_EQ(plan.outliers.factor, 4);
  EXPECT_EQ(plan.outliers.max_share, 0.02);
  EXPECT_TRUE(plan.skips);
}

TEST(ParseTrainingPlan, DefaultsDoNothing) {
  for (const char* rest : {"", R"(,"prepare":{})", R"(,"prepare":null,"outliers":null,"skips":false)",
                           R"(,"prepare":{"x":{}})", R"(,"prepare":{"x":{"transform":"none"}})"}) {
    const TrainingPlan plan =
        ParseTrainingPlan(std::string(R"({"features":[{"name":"x","categorical":false}])") + rest + "}");
    ASSERT_EQ(plan.features.size(), 1u);
    EXPECT_EQ(plan.features[0].transform, Transform::kNone);
    EXPECT_FALSE(plan.features[0].limit_low);
    EXPECT_FALSE(plan.features[0].limit_high);
    EXPECT_EQ(plan.features[0].impute, Impute::kNone);
    EXPECT_EQ(plan.outliers.method, OutlierMethod::kNone);
    EXPECT_FALSE(plan.skips);
  }
}

TEST(ParseTrainingPlan, ReadsTheOtherWords) {
  EXPECT_EQ(NumberPlan(R"({"transform":"asinh"})").features[0].transform, Transform::kAsinh);
  EXPECT_EQ(NumberPlan(R"({"impute":"mean"})").features[0].impute, Impute::kMean);
  const TrainingPlan iqr = NumberPlan("{}", R"(,"outliers":{"method":"iqr"})");
  EXPECT_EQ(iqr.outliers.method, OutlierMethod::kIqr);
  EXPECT_EQ(iqr.outliers.factor, 1.5);
  EXPECT_EQ(iqr.outliers.max_share, 0.1);
  EXPECT_EQ(NumberPlan("{}", R"(,"outliers":{"method":"zscore"})").outliers.factor, 3);
  EXPECT_EQ(Plan("{}", "{}", R"({"encode":"onehot","impute":"mode"})").features[2].impute, Impute::kMode);
  EXPECT_EQ(Plan("{}", "{}").features[2].min_share, 0.01);
}

TEST(ParseTrainingPlan, LimitsSayWhereWinsorClips) {
  for (const char* text : {R"({"transform":"winsor","limits":[0,0.8]})", R"({"limits":[0,0.8],"transform":"winsor"})",
                           R"({"limits":[0,0.8]})"}) {
    EXPECT_EQ(NumberPlan(text).features[0].limit_low, 0.0) << text;
    EXPECT_EQ(NumberPlan(text).features[0].limit_high, 0.8) << text;
  }
}

TEST(ParseTrainingPlan, ANumberCanBeACategory) {
  const TrainingPlan plan = NumberPlan(R"({"encode":"onehot","impute":"mode","min_share":0.1})");
  EXPECT_TRUE(plan.features[0].categorical);
  EXPECT_EQ(plan.features[0].impute, Impute::kMode);
  EXPECT_EQ(plan.features[0].min_share, 0.1);
}

TEST(ParseTrainingPlan, BadValuesAreErrorsWithAHint) {
  const struct {
    std::string text;
    const char* message;  // part of it
    const char* hint;     // part of it
  } kBad[] = {
      {PlanText(R"({"transform":"log"})", "{}"), "transform", "\"log1p\""},
      {PlanText(R"({"transform":1})", "{}"), "transform", "\"asinh\""},
      {PlanText(R"({"transform":null})", "{}"), "transform", "\"winsor\""},
      {PlanText(R"({"limits":[0.1]})", "{}"), "limits", "quantiles"},
      {PlanText(R"({"limits":[0.1,0.2,0.3]})", "{}"), "limits", "quantiles"},
      {PlanText(R"({"limits":[0.9,0.1]})", "{}"), "limits", "quantiles"},
      {PlanText(R"({"limits":[0.5,0.5]})", "{}"), "limits", "quantiles"},
      {PlanText(R"({"limits":[-0.1,0.5]})", "{}"), "limits", "quantiles"},
      {PlanText(R"({"limits":[0.1,1.1]})", "{}"), "limits", "quantiles"},
      {PlanText(R"({"limits":["0.1",0.9]})", "{}"), "limits", "quantiles"},
      {PlanText(R"({"limits":0.9})", "{}"), "limits", "quantiles"},
      {PlanText(R"({"impute":"mode"})", "{}"), "impute", "\"median\""},
      {PlanText(R"({"impute":true})", "{}"), "impute", "\"mean\""},
      {PlanText(R"({"impute":null})", "{}"), "impute", "\"mean\""},
      {PlanText(R"({"encode":"label"})", "{}"), "encode", "\"onehot\""},
      {PlanText(R"({"min_share":0.1})", "{}"), "min_share", "onehot"},
      {PlanText(R"({"scale":"zscore"})", "{}"), "scale", "encode, impute, limits, min_share, transform"},
      {PlanText("5", "{}"), "\"age\"", "encode, impute, limits, min_share, transform"},
      {PlanText("null", "{}"), "\"age\"", "encode, impute, limits, min_share, transform"},
      {PlanText("{}", "{}", "{}"), "\"channel\"", "onehot"},
      {PlanText("{}", "{}", R"({"impute":"mode"})"), "\"channel\"", "onehot"},
      {PlanText("{}", "{}", R"({"encode":"target"})"), "encode", "\"onehot\""},
      {PlanText("{}", "{}", R"({"encode":1})"), "encode", "\"onehot\""},
      {PlanText("{}", "{}", R"({"encode":"onehot","impute":5})"), "impute", "\"mode\""},
      {PlanText("{}", "{}", R"({"encode":"onehot","min_share":1})"), "min_share", "share"},
      {PlanText("{}", "{}", R"({"encode":"onehot","min_share":-0.1})"), "min_share", "share"},
      {PlanText("{}", "{}", R"({"encode":"onehot","min_share":"0.1"})"), "min_share", "share"},
      {R"({"features":[{"name":"x","categorical":false}],"prepare":5})", "prepare", "example"},
      {R"({"features":[{"name":"x","categorical":false}],"prepare":[]})", "prepare", "example"},
      {R"({"features":[{"name":"x","categorical":false},{"name":"y","categorical":false}],"prepare":{"z":{}}})", "\"z\"",
       "x, y"},
      {PlanText("{}", "{}", R"({"encode":"onehot"})", R"(,"outliers":"iqr")"), "outliers", "iqr"},
      {PlanText("{}", "{}", R"({"encode":"onehot"})", R"(,"outliers":{})"), "outliers", "\"zscore\""},
      {PlanText("{}", "{}", R"({"encode":"onehot"})", R"(,"outliers":{"method":"mad"})"), "outliers", "\"zscore\""},
      {PlanText("{}", "{}", R"({"encode":"onehot"})", R"(,"outliers":{"method":3})"), "outliers", "\"zscore\""},
      {PlanText("{}", "{}", R"({"encode":"onehot"})", R"(,"outliers":{"method":"iqr","k":1})"), "\"k\"",
       "factor, max_share, method"},
      {PlanText("{}", "{}", R"({"encode":"onehot"})", R"(,"outliers":{"method":"iqr","factor":0})"), "factor", "above 0"},
      {PlanText("{}", "{}", R"({"encode":"onehot"})", R"(,"outliers":{"method":"iqr","factor":"2"})"), "factor", "above 0"},
      {PlanText("{}", "{}", R"({"encode":"onehot"})", R"(,"outliers":{"method":"iqr","max_share":0})"), "max_share",
       "at most 1"},
      {PlanText("{}", "{}", R"({"encode":"onehot"})", R"(,"outliers":{"method":"iqr","max_share":1.5})"), "max_share",
       "at most 1"},
  };
  for (const auto& bad : kBad) {
    const Error error = ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseTrainingPlan(bad.text); }, bad.text);
    EXPECT_NE(error.message().find(bad.message), std::string::npos) << bad.text << ": " << error.message();
    EXPECT_NE(error.hint().find(bad.hint), std::string::npos) << bad.text << ": " << error.hint();
  }
}

TEST(ParseTrainingPlan, KeysOfNumbersDoNotApplyToCategories) {
  for (const char* text : {R"({"encode":"onehot","transform":"log1p"})", R"({"encode":"onehot","limits":[0.1,0.9]})"}) {
    const Error error = ExpectError(
        ErrorCode::kInvalidParameter, [&] { Plan("{}", "{}", text); }, text);
    EXPECT_NE(error.message().find("channel"), std::string::npos);
  }
}

TEST(ParseTrainingPlan, LocalOutlierFactorIsNotSupported) {
  const Error error = ExpectError(ErrorCode::kNotSupported, [] { NumberPlan("{}", R"(,"outliers":{"method":"lof"})"); });
  EXPECT_NE(error.hint().find("iqr"), std::string::npos);
}

TEST(ParseTrainingPlan, WhatIsNoPlanIsAnError) {
  for (const char* text :
       {"", "null", "[]", "{}", R"({"features":5})", R"({"features":{}})", R"({"features":["x"]})",
        R"({"features":[{"name":"x"}]})", R"({"features":[{"categorical":true}]})",
        R"({"features":[{"name":1,"categorical":true}]})", R"({"features":[{"name":"x","categorical":"no"}]})"}) {
    ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseTrainingPlan(text); }, text);
  }
}

// ---- what has to be known ------------------------------------------------------------------------------------------

TEST(NeedsSurvey, WhereThePreparationDependsOnTheData) {
  for (const char* text : {"{}", R"({"transform":"log1p"})", R"({"transform":"asinh","impute":5})"})
    EXPECT_FALSE(NeedsSurvey(NumberPlan(text))) << text;
  for (const char* text : {R"({"transform":"winsor"})", R"({"limits":[0,0.9]})", R"({"impute":"median"})",
                           R"({"impute":"mean"})", R"({"encode":"onehot"})"}) {
    EXPECT_TRUE(NeedsSurvey(NumberPlan(text))) << text;
  }
  EXPECT_TRUE(NeedsSurvey(NumberPlan("{}", R"(,"outliers":{"method":"iqr"})")));
  EXPECT_TRUE(NeedsSurvey(Plan("{}", "{}")));
}

TEST(SurveyRequestOf, IsReadBackInTheOrderOfTheFeatures) {
  const TrainingPlan plan = ParseTrainingPlan(
      R"({"features":[{"name":"c\"\u00e9","categorical":true},{"name":"a","categorical":false},{"name":"d","categorical":false},
      {"name":"b","categorical":false}],"prepare":{"c\"\u00e9":{"encode":"onehot"},"a":{"transform":"log1p","limits":[0.02,0.9]},
      "d":{"encode":"onehot"},"b":{"transform":"asinh","limits":[0.5,0.95]}}})");
  const SurveyRequest request = ParseSurveyRequest(SurveyRequestOf(plan));
  EXPECT_EQ(request.numbers, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(request.categories, (std::vector<std::string>{"c\"\xC3\xA9", "d"}));
  EXPECT_EQ(request.transforms, (std::vector<Transform>{Transform::kLog1p, Transform::kAsinh}));
  for (double q : {0.02, 0.25, 0.5, 0.75, 0.9, 0.95})
    EXPECT_EQ(std::count(request.quantiles.begin(), request.quantiles.end(), q), 1) << q;
  EXPECT_TRUE(request.baseline.IsNull());
}

// ---- making a preparation -----------------------------------------------------------------------------------------

TEST(MakePreparation, WithoutASurveyTakesWhatWasSaid) {
  const Preparation made = MakePreparation(NumberPlan(R"({"transform":"asinh","impute":7})"), JsonValue());
  ASSERT_EQ(made.model.inputs.size(), 1u);
  EXPECT_EQ(made.model.inputs[0].name, "x");
  EXPECT_EQ(made.model.inputs[0].transform, Transform::kAsinh);
  EXPECT_EQ(made.model.inputs[0].impute, 7);
  EXPECT_FALSE(made.model.inputs[0].clip_low);
  EXPECT_TRUE(made.blocks.empty());
  EXPECT_FALSE(made.low[0]);
  EXPECT_FALSE(made.high[0]);
  EXPECT_EQ(made.model.segments.size(), 1u);
  EXPECT_EQ(made.model.offset, (std::vector<double>{0}));
  EXPECT_EQ(made.model.scale, (std::vector<double>{1}));
}

TEST(MakePreparation, ImputesMediansAndMeansOfTheRawValues) {
  for (const char* transform : {"none", "log1p", "asinh"}) {
    const std::string words = std::string(R"({"transform":")") + transform + "\",\"impute\":";
    EXPECT_EQ(MakeOf(NumberPlan(words + "\"median\"}"), {5, 1, kNaN, 2, 100}).model.inputs[0].impute,
              3.5);  // of 1, 2, 5, 100
    EXPECT_DOUBLE_EQ(*MakeOf(NumberPlan(words + "\"mean\"}"), {5, 1, kNaN, 2, 100}).model.inputs[0].impute, 27);
    EXPECT_EQ(MakeOf(NumberPlan(words + "\"median\"}"), {1, 2, 9}, {1, 1, 5}).model.inputs[0].impute, 9);  // weighted
    EXPECT_DOUBLE_EQ(*MakeOf(NumberPlan(words + "\"mean\"}"), {1, 2, 9}, {1, 1, 6}).model.inputs[0].impute, 57.0 / 8);
  }
}

TEST(MakePreparation, ClipsAtQuantiles) {
  const std::vector<double> values = test::Flatten(test::UniformRows(777, 1, 1, -20, 50));
  const Preparation winsor = MakeOf(NumberPlan(R"({"transform":"winsor"})"), values);
  EXPECT_NEAR(*winsor.model.inputs[0].clip_low, Type7(values, 0.01), 1e-12);
  EXPECT_NEAR(*winsor.model.inputs[0].clip_high, Type7(values, 0.99), 1e-12);
  EXPECT_FALSE(winsor.model.inputs[0].impute);
  const Preparation limits = MakeOf(NumberPlan(R"({"transform":"asinh","limits":[0.2,1],"impute":"median"})"), values);
  EXPECT_NEAR(*limits.model.inputs[0].clip_low, Type7(values, 0.2), 1e-12);
  EXPECT_EQ(limits.model.inputs[0].clip_high, *std::max_element(values.begin(), values.end()));
  EXPECT_NEAR(*limits.model.inputs[0].impute, Type7(values, 0.5), 1e-12);
}

std::vector<Row> ChannelRows(const std::vector<std::pair<Text, int>>& texts) {
  std::vector<Row> rows;
  for (const auto& [text, times] : texts) rows.insert(rows.end(), static_cast<std::size_t>(times), Row{{1, 2}, {text}, 1});
  return rows;
}

TEST(MakePreparation, LevelsAreThoseOfEnoughRows) {
  const std::vector<Row> rows = ChannelRows({{"web", 150}, {"app", 46}, {"shop", 3}, {"fax", 1}, {std::nullopt, 100}});
  const auto levels = [&](const std::string& channel) {
    const TrainingPlan plan = Plan("{}", "{}", channel);
    const Input input = MakePreparation(plan, SurveyOf(plan, rows)).model.inputs[2];
    EXPECT_TRUE(input.categorical);
    EXPECT_EQ(input.unseen, Unseen::kOther);
    return input.levels;
  };
  // Of 200 rows that have one: 0.5 % fax, 1.5 % shop, 23 % app.
  EXPECT_EQ(levels(R"({"encode":"onehot"})"), (std::vector<std::string>{"app", "shop", "web"}));
  EXPECT_EQ(levels(R"({"encode":"onehot","min_share":0})"), (std::vector<std::string>{"app", "fax", "shop", "web"}));
  EXPECT_EQ(levels(R"({"encode":"onehot","min_share":0.005})"), (std::vector<std::string>{"app", "fax", "shop", "web"}));
  EXPECT_EQ(levels(R"({"encode":"onehot","min_share":0.2})"), (std::vector<std::string>{"app", "web"}));
  EXPECT_EQ(levels(R"({"encode":"onehot","min_share":0.5})"), (std::vector<std::string>{"web"}));
}

TEST(MakePreparation, CategoriesImputeTheModeOrALevel) {
  const std::vector<Row> rows = ChannelRows({{"web", 5}, {"app", 7}, {"zoo", 7}, {std::nullopt, 9}});
  const auto impute = [&](const char* channel) {
    const TrainingPlan plan = Plan("{}", "{}", channel);
    return MakePreparation(plan, SurveyOf(plan, rows)).model.inputs[2].impute_level;
  };
  EXPECT_EQ(impute(R"({"encode":"onehot","impute":"mode"})"), "app");  // a tie, by bytes
  EXPECT_EQ(impute(R"({"encode":"onehot","impute":"web"})"), "web");
  EXPECT_EQ(impute(R"({"encode":"onehot","impute":"other"})"), "other");  // no level: the column of the others
  EXPECT_FALSE(impute(R"({"encode":"onehot"})"));
}

TEST(MakePreparation, BlocksAreTheColumnsOfCategories) {
  const TrainingPlan plan = ParseTrainingPlan(
      R"({"features":[{"name":"c","categorical":true},{"name":"a","categorical":false},{"name":"d","categorical":true}],
      "prepare":{"c":{"encode":"onehot"},"d":{"encode":"onehot"}}})");
  std::vector<Row> rows;
  for (int i = 0; i < 6; ++i)
    rows.push_back({{1.0 * i}, {i % 2 == 0 ? "x" : "y", i % 3 == 0 ? "p" : i % 3 == 1 ? "q" : "r"}, 1});
  const Preparation made = MakePreparation(plan, SurveyOf(plan, rows));
  // x, y, other; a; p, q, r, other
  EXPECT_EQ(made.blocks, (std::vector<std::pair<std::size_t, std::size_t>>{{0, 2}, {4, 7}}));
  EXPECT_EQ(ColumnNames(made.model),
            (std::vector<std::string>{"c=x", "c=y", "c=(other)", "a", "d=p", "d=q", "d=r", "d=(other)"}));
  EXPECT_EQ(made.low.size(), 3u);
}

// What a preparation does with rows, by the scorer.
TEST(MakePreparation, TakesRowsToTheirColumns) {
  const TrainingPlan plan = Plan(R"({"transform":"log1p","limits":[0.25,0.75],"impute":"median"})", "{}",
                                 R"({"encode":"onehot","impute":"mode","min_share":0.3})");
  std::vector<Row> rows;
  for (int i = 0; i <= 8; ++i) rows.push_back({{static_cast<double>(i), 3}, {i < 4 ? "web" : i < 8 ? "app" : "fax"}, 1});
  const std::vector<double> block = CompileScorer(MakePreparation(plan, SurveyOf(plan, rows)).model);
  const Scorer scorer(block.data());
  const auto columns = [&](std::optional<double> age, Text channel) {
    RawValue row[3];
    row[0].missing = !age, row[0].number = age.value_or(0);
    row[1].missing = false, row[1].number = 17;
    row[2].missing = !channel;
    if (channel) row[2].text = *channel;
    std::vector<double> scratch(scorer.scratch());
    const double* point = scorer.ToModelSpace(row, scratch.data());
    return point == nullptr ? std::vector<double>{} : std::vector<double>(point, point + scorer.dimensions());
  };
  const auto expect = [](const std::vector<double>& got, double age, const std::vector<double>& levels) {
    ASSERT_EQ(got.size(), 5u);
    EXPECT_NEAR(got[0], age, 1e-15);
    EXPECT_EQ(got[1], 17);
    EXPECT_EQ(std::vector<double>(got.begin() + 2, got.end()), levels);
  };
  // Quartiles 2 and 6, median 4; 4 of 9 rows each have "app" and "web".
  expect(columns(5.0, "web"), std::log1p(5.0), {0, 1, 0});
  expect(columns(0.0, "app"), std::log1p(2.0), {1, 0, 0});
  expect(columns(1e9, "fax"), std::log1p(6.0), {0, 0, 1});
  expect(columns(std::nullopt, std::nullopt), std::log1p(4.0), {1, 0, 0});
}

TEST(MakePreparation, BoundsByInterquartileRangeAreAfterTheTransform) {
  const std::vector<double> values = test::Flatten(test::UniformRows(501, 1, 3, 0.5, 40));
  const double q1 = Type7(values, 0.25), q3 = Type7(values, 0.75);
  const Preparation raw = MakeOf(NumberPlan("{}", R"(,"outliers":{"method":"iqr"})"), values);
  EXPECT_NEAR(*raw.low[0], q1 - 1.5 * (q3 - q1), 1e-12);
  EXPECT_NEAR(*raw.high[0], q3 + 1.5 * (q3 - q1), 1e-12);
  const Preparation log =
      MakeOf(NumberPlan(R"({"transform":"log1p"})", R"(,"outliers":{"method":"iqr","factor":0.7})"), values);
  const double l1 = std::log1p(q1), l3 = std::log1p(q3);
  EXPECT_NEAR(*log.low[0], std::expm1(l1 - 0.7 * (l3 - l1)), 1e-11);
  EXPECT_NEAR(*log.high[0], std::expm1(l3 + 0.7 * (l3 - l1)), 1e-11 * *log.high[0]);
  const Preparation asinh =
      MakeOf(NumberPlan(R"({"transform":"asinh"})", R"(,"outliers":{"method":"iqr","factor":2})"), values);
  const double a1 = std::asinh(q1), a3 = std::asinh(q3);
  EXPECT_NEAR(*asinh.low[0], std::sinh(a1 - 2 * (a3 - a1)), 1e-10);
  EXPECT_NEAR(*asinh.high[0], std::sinh(a3 + 2 * (a3 - a1)), 1e-10 * *asinh.high[0]);
}

TEST(MakePreparation, BoundsByZscoreAreAfterTheTransform) {
  const std::vector<double> values = test::Flatten(test::UniformRows(501, 1, 4, 0.5, 40));
  for (const char* transform : {"none", "log1p", "asinh"}) {
    const char kind = transform[0];
    double mean = 0, second = 0;
    const auto forth = [&](double x) { return kind == 'l' ? std::log1p(x) : kind == 'a' ? std::asinh(x) : x; };
    const auto back = [&](double x) { return kind == 'l' ? std::expm1(x) : kind == 'a' ? std::sinh(x) : x; };
    for (double value : values) mean += forth(value) / 501;
    for (double value : values) second += (forth(value) - mean) * (forth(value) - mean) / 501;
    const Preparation made = MakeOf(
        NumberPlan(std::string(R"({"transform":")") + transform + "\"}", R"(,"outliers":{"method":"zscore","factor":2.5})"),
        values);
    EXPECT_NEAR(*made.low[0], back(mean - 2.5 * std::sqrt(second)), 1e-10 * std::abs(*made.low[0]) + 1e-11) << transform;
    EXPECT_NEAR(*made.high[0], back(mean + 2.5 * std::sqrt(second)), 1e-10 * *made.high[0]) << transform;
  }
}

TEST(MakePreparation, CategoriesHaveNoBounds) {
  const TrainingPlan plan = Plan("{}", "{}", R"({"encode":"onehot"})", R"(,"outliers":{"method":"iqr"})");
  std::vector<Row> rows;
  for (int i = 0; i < 9; ++i) rows.push_back({{1.0 * i, 2.0 * i}, {"web"}, 1});
  const Preparation made = MakePreparation(plan, SurveyOf(plan, rows));
  EXPECT_EQ(made.low[0], 2 - 1.5 * 4);
  EXPECT_EQ(made.high[1], 12 + 1.5 * 8);
  EXPECT_FALSE(made.low[2]);
  EXPECT_FALSE(made.high[2]);
}

TEST(MakePreparation, NothingToTakeItFromIsAnError) {
  for (const char* text : {R"({"impute":"median"})", R"({"impute":"mean"})", R"({"transform":"winsor"})"}) {
    const Error error = ExpectError(
        ErrorCode::kInvalidParameter,
        [&] {
          MakeOf(NumberPlan(text), {kNaN, test::kInf});
        },
        text);
    EXPECT_NE(error.message().find("\"x\""), std::string::npos) << error.message();
  }
  for (const char* method : {"iqr", "zscore"}) {
    const TrainingPlan plan = NumberPlan("{}", std::string(R"(,"outliers":{"method":")") + method + "\"}");
    ExpectError(
        ErrorCode::kInvalidParameter, [&] { MakeOf(plan, {kNaN}); }, method);
  }
  const TrainingPlan plan = Plan("{}", "{}");
  ExpectError(ErrorCode::kInvalidParameter, [&] {
    MakePreparation(plan, SurveyOf(plan, ChannelRows({{std::nullopt, 5}})));
  });
  // As many levels as rows: none in half of them.
  const TrainingPlan half = Plan("{}", "{}", R"({"encode":"onehot","min_share":0.5})");
  const Error error = ExpectError(ErrorCode::kInvalidParameter, [&] {
    MakePreparation(half, SurveyOf(half, ChannelRows({{"a", 1}, {"b", 1}, {"c", 1}})));
  });
  EXPECT_NE(error.message().find("channel"), std::string::npos);
}

TEST(MakePreparation, SurveysThatAreNotOfThePlanAreErrors) {
  const TrainingPlan plan = Plan(R"({"impute":"median"})", "{}");
  const auto read = [](const char* text) { return ParseJson(text, ErrorCode::kInternal, "survey"); };
  for (const char* text :
       {"null", "5", "[]", "{}", R"({"numbers":[]})", R"({"numbers":[],"categories":[]})",
        R"({"numbers":{},"categories":{}})", R"({"numbers":[5,5],"categories":[5]})",
        R"({"numbers":[{},{}],"categories":[{}]})", R"({"numbers":[{"quantiles":[1,2,3]},{}],"categories":[{}]})",
        R"({"numbers":[{"quantiles":[1,2,3]},{}],"categories":[{"levels":["a"],"counts":[0,1]}]})",
        R"({"numbers":[{"quantiles":[1,2,3]},{}],"categories":[{"levels":[1],"counts":[0,1,0]}]})",
        R"({"numbers":[{"quantiles":[1]},{}],"categories":[{"levels":["a"],"counts":[0,1,0]}]})",
        R"({"numbers":[{"quantiles":{}},{}],"categories":[{"levels":["a"],"counts":[0,1,0]}]})",
        R"({"numbers":[{"quantiles":[1,null,3]},{}],"categories":[{"levels":["a"],"counts":[0,1,0]}]})",
        R"({"numbers":[{"quantiles":[1,2,3]},{}],"categories":[{"levels":["a","a"],"counts":[0,1,1,0]}]})",
        R"({"numbers":[{"quantiles":[1,2,3]}],"categories":[{"levels":["a"],"counts":[0,1,0]}]})"}) {
    ExpectError(
        ErrorCode::kInvalidParameter, [&] { MakePreparation(plan, read(text)); }, text);
  }
  const Preparation made = MakePreparation(
      plan, read(R"({"numbers":[{"quantiles":[1,2,3]},{}],"categories":[{"levels":["a"],"counts":[0,1,0]}]})"));
  EXPECT_EQ(made.model.inputs[0].impute, 2);
}

// ---- what the data do not allow ------------------------------------------------------------------------------------

TEST(MissingIn, NamesWhatNothingImputes) {
  const std::vector<Row> rows = {{{1, kNaN}, {"a"}, 1}, {{kNaN, kNaN}, {std::nullopt}, 1}, {{2, 3}, {"a"}, 1}};
  const auto missing = [&](const TrainingPlan& plan) { return MissingIn(plan, SurveyOf(plan, rows)); };
  EXPECT_EQ(missing(Plan("{}", "{}")), "\"age\" (1), \"income\" (2), \"channel\" (1)");
  EXPECT_EQ(missing(Plan(R"({"impute":"mean"})", "{}", R"({"encode":"onehot","impute":"mode"})")), "\"income\" (2)");
  EXPECT_EQ(missing(Plan(R"({"impute":"mean"})", R"({"impute":0})", R"({"encode":"onehot","impute":"x"})")), "");
  EXPECT_EQ(missing(Plan("{}", "{}", R"({"encode":"onehot"})", R"(,"skips":true)")), "");
  EXPECT_EQ(MissingIn(Plan("{}", "{}"), JsonValue()), "");  // nothing is known
}

TEST(UndefinedIn, NamesWhatTheLogarithmIsNotDefinedFor) {
  const auto undefined = [](const char* text, const std::vector<double>& values) {
    const TrainingPlan plan = NumberPlan(text);
    return UndefinedIn(plan, SurveyOf(plan, RowsOf(values)));
  };
  EXPECT_EQ(undefined(R"({"transform":"log1p"})", {3, -1, 5}), "\"x\"");
  EXPECT_EQ(undefined(R"({"transform":"log1p"})", {3, -0.999, 5}), "");
  EXPECT_EQ(undefined(R"({"transform":"asinh"})", {3, -100, 5}), "");
  EXPECT_EQ(undefined("{}", {3, -100, 5}), "");
  EXPECT_EQ(undefined(R"({"transform":"log1p"})", {kNaN}), "");
  EXPECT_EQ(UndefinedIn(NumberPlan(R"({"transform":"log1p"})"), JsonValue()), "");
}

// Values are clipped before the transform: where the lower limit is above -1, it is defined for all of them.
TEST(UndefinedIn, LooksAtWhatIsLeftAfterClipping) {
  const TrainingPlan plan = NumberPlan(R"({"transform":"log1p","limits":[0.25,1]})");
  EXPECT_EQ(UndefinedIn(plan, SurveyOf(plan, RowsOf({-5, 0, 1, 2, 3}))), "");
  EXPECT_EQ(UndefinedIn(plan, SurveyOf(plan, RowsOf({-5, -4, -3, 2, 3}))), "\"x\"");
}

}  // namespace
}  // namespace segmentation
