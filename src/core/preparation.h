// How raw columns become the columns that are clustered: what must be known of the data for a plan (training_plan.h), and the result, a
// model's inputs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/model.h"
#include "core/training_plan.h"

namespace segmentation {

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
