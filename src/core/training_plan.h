// What a user asks of a training's data: `prepare` and the option `outliers` of segmentation.train.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model.h"

namespace segmentation {

enum class Impute { kNone, kMedian, kMean, kMode, kValue };
enum class OutlierMethod { kNone, kIqr, kZscore, kLof };

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
  double neighbors = 20;     // lof (outliers.h)
  double contamination = 0.05;  // lof: share of the rows that are outliers
};

struct TrainingPlan {
  std::vector<FeaturePlan> features;
  OutlierRule outliers;
  bool skips = false;  // rows with missing values are left out instead of an error
};

// Reads {"features": [{"name": "age", "categorical": false}, ...], "prepare": {"income": {"transform": "log1p", "impute": "median"},
// "channel": {"encode": "onehot"}}, "outliers": {"method": "iqr"}, "skips": false}. Throws kInvalidParameter, with the valid keys and values in the hint.
TrainingPlan ParseTrainingPlan(std::string_view json);

}  // namespace segmentation
