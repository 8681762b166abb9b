#include "core/preparation.h"

#include <gtest/gtest.h>

#include "core/scorer.h"
#include "expect_error.h"
#include "survey_samples.h"
#include "training_plans.h"

namespace segmentation {
namespace {

using test::ExpectError;
using test::kNaN;
using test::NumberPlan;
using test::Plan;
using test::Text;
using test::Type7;

// A survey of rows for a plan: the numbers and the categories of each, in the order of the features.
struct Row {
  std::vector<double> numbers;
  std::vector<Text> texts;
  double weight = 1;
};

JsonValue SurveyOf(const TrainingPlan& plan, const std::vector<Row>& rows) {
  const std::string request = SurveyRequestOf(plan);
  const SurveyRequest asked = ParseSurveyRequest(request);
  test::Sample sample(asked.numbers.size(), asked.categories.size());
  for (const Row& row : rows) sample.Add(row.numbers, row.texts, row.weight);
  return ParseJson(sample.Survey(request), ErrorCode::kInternal, "survey");
}

std::vector<Row> RowsOf(const std::vector<double>& values, const std::vector<double>& weights = {}) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < values.size(); ++i) rows.push_back({{values[i]}, {}, weights.empty() ? 1 : weights[i]});
  return rows;
}

Preparation MakeOf(const TrainingPlan& plan, const std::vector<double>& values, const std::vector<double>& weights = {}) {
  return MakePreparation(plan, SurveyOf(plan, RowsOf(values, weights)));
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
