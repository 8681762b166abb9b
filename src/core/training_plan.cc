#include "core/training_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/json.h"

namespace segmentation {
namespace {

constexpr const char* kPrepareKeys = "encode, impute, limits, min_share, transform";
constexpr const char* kOutlierKeys = "factor, max_share, method";
constexpr const char* kLofKeys = "contamination, max_share, method, neighbors";
constexpr double kWinsorLow = 0.01;
constexpr double kWinsorHigh = 0.99;

[[noreturn]] void Bad(const std::string& message, const std::string& detail, const std::string& hint) {
  throw Error(ErrorCode::kInvalidParameter, message, detail, hint);
}

[[noreturn]] void BadPrepare(const std::string& feature, const std::string& key, const JsonValue& value, const std::string& hint) {
  Bad("invalid value for \"" + key + "\" of feature " + Quoted(feature), "The value is " + Shown(value) + ".", hint);
}

const std::string* TextOf(const JsonValue& value) { return value.String(); }

void ReadTransform(const JsonValue& value, FeaturePlan* plan) {
  const std::string* word = TextOf(value);
  if (word != nullptr && *word == "none") return;
  if (word != nullptr && *word == "log1p") {
    plan->transform = Transform::kLog1p;
  } else if (word != nullptr && *word == "asinh") {
    plan->transform = Transform::kAsinh;
  } else if (word != nullptr && *word == "winsor") {
    if (!plan->limit_low) plan->limit_low = kWinsorLow;
    if (!plan->limit_high) plan->limit_high = kWinsorHigh;
  } else {
    BadPrepare(plan->name, "transform", value, "Valid values are \"none\", \"log1p\", \"asinh\", \"winsor\".");
  }
}

void ReadLimits(const JsonValue& value, FeaturePlan* plan) {
  const JsonArray* pair = value.Array();
  if (pair == nullptr || pair->size() != 2 || !(*pair)[0].IsNumber() || !(*pair)[1].IsNumber() || !((*pair)[0].Number() >= 0) ||
      !((*pair)[1].Number() <= 1) || !((*pair)[0].Number() < (*pair)[1].Number())) {
    BadPrepare(plan->name, "limits", value, "Give two quantiles that values are clipped to, for example [0.01, 0.99].");
  }
  plan->limit_low = (*pair)[0].Number();
  plan->limit_high = (*pair)[1].Number();
}

void ReadImpute(const JsonValue& value, FeaturePlan* plan) {
  const std::string* word = TextOf(value);
  if (plan->categorical) {
    if (word == nullptr) BadPrepare(plan->name, "impute", value, "Valid values for a category are \"mode\" and any of its levels, or \"other\".");
    plan->impute = *word == "mode" ? Impute::kMode : Impute::kValue;
    plan->impute_level = *word;
  } else if (value.IsNumber() && std::isfinite(value.Number())) {
    plan->impute = Impute::kValue;
    plan->impute_number = value.Number();
  } else if (word != nullptr && *word == "median") {
    plan->impute = Impute::kMedian;
  } else if (word != nullptr && *word == "mean") {
    plan->impute = Impute::kMean;
  } else {
    BadPrepare(plan->name, "impute", value, "Valid values for a number are \"median\", \"mean\" and a number; a boolean is one, 0 or 1.");
  }
}

void ReadFeature(const JsonValue& value, FeaturePlan* plan) {
  if (value.Object() == nullptr) {
    Bad("preparation of feature " + Quoted(plan->name) + " must be a JSON object", std::string("It is ") + value.TypeName() + ".",
        std::string("Valid keys are ") + kPrepareKeys + ".");
  }
  bool encoded = false;
  for (const auto& [key, item] : *value.Object()) {
    const bool of_number = key == "transform" || key == "limits";
    const bool of_category = key == "encode" || key == "min_share";
    if ((of_number && plan->categorical) || (of_category && !plan->categorical)) {
      if (key == "encode") {
        plan->categorical = true;  // a number that names a category, such as a code
      } else {
        Bad("\"" + key + "\" does not apply to feature " + Quoted(plan->name),
            plan->categorical ? "It is a category." : "It is a number.",
            of_category ? "A number becomes a category by {\"encode\": \"onehot\"}." : "Valid keys of a category are encode, impute, min_share.");
      }
    }
    if (key == "transform") {
      ReadTransform(item, plan);
    } else if (key == "limits") {
      ReadLimits(item, plan);
    } else if (key == "impute") {
      ReadImpute(item, plan);
    } else if (key == "encode") {
      if (TextOf(item) == nullptr || *TextOf(item) != "onehot") BadPrepare(plan->name, key, item, "The valid value is \"onehot\".");
      encoded = true;
    } else if (key == "min_share") {
      if (!item.IsNumber() || !(item.Number() >= 0 && item.Number() < 1)) {
        BadPrepare(plan->name, key, item, "Give the share of rows below which a level counts as \"other\", for example 0.01.");
      }
      plan->min_share = item.Number();
    } else {
      Bad("unknown key " + Quoted(key) + " in the preparation of feature " + Quoted(plan->name), "",
          std::string("Valid keys are ") + kPrepareKeys + ".");
    }
  }
  if (plan->transform == Transform::kLog1p && plan->impute == Impute::kValue && plan->impute_number <= -1) {
    Bad("transform \"log1p\" is not defined for what feature " + Quoted(plan->name) + " is imputed by", "It is -1 or below.", "");
  }
  if (plan->categorical && !encoded) {
    Bad("feature " + Quoted(plan->name) + " is a category and not encoded", "",
        "Set {" + Quoted(plan->name) + ": {\"encode\": \"onehot\"}} in \"prepare\".");
  }
}

// A number above 0, up to `most`.
double ReadRuleNumber(const std::string& key, const JsonValue& value, double most, const char* hint) {
  if (value.IsNumber() && value.Number() > 0 && value.Number() <= most) return value.Number();
  Bad("invalid value for \"" + key + "\" in option \"outliers\"", "The value is " + Shown(value) + ".", hint);
}

OutlierMethod ReadMethod(const JsonValue* value) {
  const std::string* word = value == nullptr ? nullptr : value->String();
  if (word != nullptr && *word == "iqr") return OutlierMethod::kIqr;
  if (word != nullptr && *word == "zscore") return OutlierMethod::kZscore;
  if (word != nullptr && *word == "lof") return OutlierMethod::kLof;
  Bad("option \"outliers\" has no valid method", value == nullptr ? "It has none." : "It is " + Shown(*value) + ".",
      "Valid methods are \"iqr\", \"lof\" and \"zscore\".");
}

OutlierRule ReadOutliers(const JsonValue& value) {
  OutlierRule rule;
  if (value.IsNull()) return rule;
  constexpr const char* kHint = "For example {\"method\": \"iqr\", \"factor\": 1.5, \"max_share\": 0.1}.";
  if (value.Object() == nullptr) Bad("option \"outliers\" must be a JSON object", std::string("It is ") + value.TypeName() + ".", kHint);
  rule.method = ReadMethod(Member(*value.Object(), "method"));
  const bool by_lof = rule.method == OutlierMethod::kLof;
  rule.factor = rule.method == OutlierMethod::kIqr ? 1.5 : 3;
  for (const auto& [key, item] : *value.Object()) {
    if (key == "method") continue;
    if (key == "max_share") {
      rule.max_share = ReadRuleNumber(key, item, 1, "Give the largest share of rows that may be left out, above 0 and at most 1.");
    } else if (key == "factor" && !by_lof) {
      rule.factor = ReadRuleNumber(key, item, std::numeric_limits<double>::max(), "Give a number above 0.");
    } else if (key == "contamination" && by_lof) {
      rule.contamination = ReadRuleNumber(key, item, 0.5, "Give the share of rows that are outliers, above 0 and at most 0.5.");
    } else if (key == "neighbors" && by_lof) {
      rule.neighbors = ReadRuleNumber(key, item, 1e6, "Give a whole number of neighbours, for example 20.");
      if (rule.neighbors != std::floor(rule.neighbors)) ReadRuleNumber(key, item, 0, "Give a whole number of neighbours, for example 20.");
    } else {
      Bad("unknown key " + Quoted(key) + " in option \"outliers\"", "", std::string("Valid keys are ") + (by_lof ? kLofKeys : kOutlierKeys) + ".");
    }
  }
  if (by_lof && rule.contamination > rule.max_share) {
    Bad("option \"outliers\" leaves out more rows than it allows", "\"contamination\" is above \"max_share\".", "Set both.");
  }
  return rule;
}

}  // namespace

TrainingPlan ParseTrainingPlan(std::string_view json) {
  const JsonValue tree = ParseJson(json, ErrorCode::kInvalidParameter, "plan of a training");
  const JsonValue* features = tree.Object() == nullptr ? nullptr : Member(*tree.Object(), "features");
  if (features == nullptr || features->Array() == nullptr) throw Error(ErrorCode::kInvalidParameter, "invalid plan of a training");
  TrainingPlan plan;
  for (const JsonValue& item : *features->Array()) {
    const JsonValue* name = item.Object() == nullptr ? nullptr : Member(*item.Object(), "name");
    const JsonValue* categorical = item.Object() == nullptr ? nullptr : Member(*item.Object(), "categorical");
    if (name == nullptr || name->String() == nullptr || categorical == nullptr || categorical->Bool() == nullptr) {
      throw Error(ErrorCode::kInvalidParameter, "invalid plan of a training");
    }
    FeaturePlan& feature = plan.features.emplace_back();
    feature.name = *name->String();
    feature.categorical = *categorical->Bool();
  }
  const JsonValue* prepare = Member(*tree.Object(), "prepare");
  static const JsonValue kNothing{JsonValue::Variant(JsonObject{})};
  if (prepare == nullptr || prepare->IsNull()) prepare = &kNothing;
  if (prepare->Object() == nullptr) {
    Bad("prepare must be a JSON object", std::string("It is ") + prepare->TypeName() + ".",
        "For example '{\"income\": {\"transform\": \"log1p\", \"impute\": \"median\"}}'.");
  }
  for (const auto& [key, value] : *prepare->Object()) {
    const auto found = std::find_if(plan.features.begin(), plan.features.end(), [&](const FeaturePlan& f) { return f.name == key; });
    if (found == plan.features.end()) {
      std::string names;
      for (const FeaturePlan& feature : plan.features) names += (names.empty() ? "" : ", ") + feature.name;
      Bad("prepare names " + Quoted(key) + ", which is not a feature", "", "The features are " + names + ".");
    }
  }
  for (FeaturePlan& feature : plan.features) {
    const JsonValue* value = Member(*prepare->Object(), feature.name);
    ReadFeature(value == nullptr ? kNothing : *value, &feature);
  }
  if (const JsonValue* outliers = Member(*tree.Object(), "outliers")) plan.outliers = ReadOutliers(*outliers);
  const JsonValue* skips = Member(*tree.Object(), "skips");
  plan.skips = skips != nullptr && skips->Bool() != nullptr && *skips->Bool();
  return plan;
}

}  // namespace segmentation
