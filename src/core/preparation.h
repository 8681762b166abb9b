// How raw columns become the columns that are clustered: what a user asks for (`prepare` and the option `outliers` of
// segmentation.train), what must be known of the data for it, and the result, a model's inputs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/model.h"

namespace segmentation {

enum class Impute { kNone, kMedian, kMean, kMode, kValue };
enum class OutlierMethod { kNone, kIqr, kZscore };

struct FeaturePlan {
  std::string name;  // UTF-8
  bool categorical = false;
  Transform transform = Transform::kNone;
  std::optional<double> limit_low, limit_high;  // quantiles that values are clipped to
  Impute impute = Impute::kNone;
  double impute_number = 0;
  std::string impute_level;
  double min_share = 0.01;  // levels that fewer rows have become "other"
};

struct OutlierRule {
  OutlierMethod method = OutlierMethod::kNone;
  double factor = 0;         // iqr: of the interquartile range beyond the quartiles; zscore: of the standard deviation, after transforms
  double max_share = 0.1;    // of the rows; more is an error
};

struct TrainingPlan {
  std::vector<FeaturePlan> features;
  OutlierRule outliers;
  bool skips = false;  // rows with missing values are left out instead of an error
};

// Reads {"features": [{"name": "age", "categorical": false}, ...], "prepare": {"income": {"transform": "log1p", "impute": "median"},
// "channel": {"encode": "onehot"}}, "outliers": {"method": "iqr"}, "skips": false}. Throws kInvalidParameter, with the valid keys and values in the hint,
// and kNotSupported for the method lof.
TrainingPlan ParseTrainingPlan(std::string_view json);

// Whether the preparation depends on the data, so that they have to be read before the training.
bool NeedsSurvey(const TrainingPlan& plan);

// What a survey is asked for (ParseSurveyRequest), as JSON: numbers and categories in the order of the features.
std::string SurveyRequestOf(const TrainingPlan& plan);

struct Preparation {
  Model model;                                   // takes a row to its columns (model_edit.h)
  std::vector<std::optional<double>> low, high;  // per feature, raw units: rows outside are outliers
  std::vector<std::pair<std::size_t, std::size_t>> blocks;  // first and last column of each category
};

// survey: of the data (SurveyJson), or null where none is needed. Throws kInvalidParameter where the data do not allow what was asked
// for: nothing to take a median from, a category without levels.
Preparation MakePreparation(const TrainingPlan& plan, const JsonValue& survey);

// The features that have missing values which nothing imputes, with their counts, and those that log1p is not defined for: "" or
// sentences for an error's detail.
std::string MissingIn(const TrainingPlan& plan, const JsonValue& survey);
std::string UndefinedIn(const TrainingPlan& plan, const JsonValue& survey);

}  // namespace segmentation
