#include "core/training_plan.h"

#include <gtest/gtest.h>

#include "expect_error.h"
#include "training_plans.h"

namespace segmentation {
namespace {

using test::ExpectError;
using test::NumberPlan;
using test::Plan;
using test::PlanText;

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

TEST(ParseTrainingPlan, LocalOutlierFactorsHaveTheirOwnKeys) {
  const OutlierRule usual = NumberPlan("{}", R"(,"outliers":{"method":"lof"})").outliers;
  EXPECT_EQ(usual.method, OutlierMethod::kLof);
  EXPECT_EQ(usual.neighbors, 20);
  EXPECT_EQ(usual.contamination, 0.05);
  const OutlierRule given = NumberPlan("{}", R"(,"outliers":{"method":"lof","neighbors":5,"contamination":0.2,"max_share":0.3})").outliers;
  EXPECT_EQ(given.neighbors, 5);
  EXPECT_EQ(given.contamination, 0.2);
  EXPECT_EQ(given.max_share, 0.3);
  for (const char* bad : {R"("factor":2)", R"("neighbors":0)", R"("neighbors":2.5)", R"("neighbors":"5")", R"("contamination":0)", R"("contamination":0.6)",
                          R"("contamination":0.2)", R"("max_share":0.01)"}) {
    ExpectError(ErrorCode::kInvalidParameter, [&] { NumberPlan("{}", std::string(R"(,"outliers":{"method":"lof",)") + bad + "}"); }, bad);
  }
  ExpectError(ErrorCode::kInvalidParameter, [] { NumberPlan("{}", R"(,"outliers":{"method":"iqr","neighbors":5})"); });
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

}  // namespace
}  // namespace segmentation
