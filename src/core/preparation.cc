#include "core/preparation.h"

#include <algorithm>
#include <cmath>

#include "core/survey_bins.h"

namespace segmentation {
namespace {

constexpr const char* kPrepareKeys = "encode, impute, limits, min_share, transform";
constexpr const char* kOutlierKeys = "factor, max_share, method";
constexpr double kWinsorLow = 0.01;
constexpr double kWinsorHigh = 0.99;

[[noreturn]] void Bad(const std::string& message, const std::string& detail, const std::string& hint) {
  throw Error(ErrorCode::kInvalidParameter, message, detail, hint);
}

std::string Quoted(const std::string& text) { return "\"" + Excerpt(text) + "\""; }

std::string Shown(const JsonValue& value) {
  if (value.String() != nullptr) return Quoted(*value.String());
  if (!value.IsNumber()) return value.TypeName();
  std::string text;
  AppendJsonNumber(&text, value.Number());
  return text;
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
    BadPrepare(plan->name, "impute", value, "Valid values for a number are \"median\", \"mean\" and a number.");
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

OutlierRule ReadOutliers(const JsonValue& value) {
  OutlierRule rule;
  if (value.IsNull()) return rule;
  constexpr const char* kHint = "For example {\"method\": \"iqr\", \"factor\": 1.5, \"max_share\": 0.1}.";
  if (value.Object() == nullptr) Bad("option \"outliers\" must be a JSON object", std::string("It is ") + value.TypeName() + ".", kHint);
  const JsonValue* method = Member(*value.Object(), "method");
  const std::string* word = method == nullptr ? nullptr : method->String();
  if (word != nullptr && *word == "iqr") {
    rule.method = OutlierMethod::kIqr;
    rule.factor = 1.5;
  } else if (word != nullptr && *word == "zscore") {
    rule.method = OutlierMethod::kZscore;
    rule.factor = 3;
  } else if (word != nullptr && *word == "lof") {
    throw Error(ErrorCode::kNotSupported, "outliers by local outlier factor are not supported by this version", {},
                "Valid methods are \"iqr\" and \"zscore\".");
  } else {
    Bad("option \"outliers\" has no valid method", method == nullptr ? "It has none." : "It is " + Shown(*method) + ".",
        "Valid methods are \"iqr\" and \"zscore\".");
  }
  for (const auto& [key, item] : *value.Object()) {
    if (key == "method") continue;
    if (key != "factor" && key != "max_share") {
      Bad("unknown key " + Quoted(key) + " in option \"outliers\"", "", std::string("Valid keys are ") + kOutlierKeys + ".");
    }
    const bool is_share = key == "max_share";
    if (!item.IsNumber() || !(item.Number() > 0) || (is_share && !(item.Number() <= 1))) {
      Bad("invalid value for \"" + key + "\" in option \"outliers\"", "The value is " + Shown(item) + ".",
          is_share ? "Give the largest share of rows that may be left out, above 0 and at most 1." : "Give a number above 0.");
    }
    (is_share ? rule.max_share : rule.factor) = item.Number();
  }
  return rule;
}

bool SurveyDecides(const FeaturePlan& feature) {
  return feature.categorical || feature.limit_low || feature.limit_high || feature.impute == Impute::kMedian || feature.impute == Impute::kMean;
}

// The quantiles that the plan needs, ascending.
std::vector<double> QuantilesOf(const TrainingPlan& plan) {
  std::vector<double> quantiles = {0.25, 0.5, 0.75};
  for (const FeaturePlan& feature : plan.features) {
    if (feature.limit_low) quantiles.push_back(*feature.limit_low);
    if (feature.limit_high) quantiles.push_back(*feature.limit_high);
  }
  std::sort(quantiles.begin(), quantiles.end());
  quantiles.erase(std::unique(quantiles.begin(), quantiles.end()), quantiles.end());
  return quantiles;
}

[[noreturn]] void BadSurvey() { throw Error(ErrorCode::kInvalidParameter, "survey does not belong to the plan of the training"); }

// The survey's descriptions of the features, in their order; null without a survey.
std::vector<const JsonObject*> Descriptions(const TrainingPlan& plan, const JsonValue& survey) {
  std::vector<const JsonObject*> found(plan.features.size(), nullptr);
  if (survey.IsNull()) return found;
  if (survey.Object() == nullptr) BadSurvey();
  const JsonValue* lists[2] = {Member(*survey.Object(), "numbers"), Member(*survey.Object(), "categories")};
  if (lists[0] == nullptr || lists[0]->Array() == nullptr || lists[1] == nullptr || lists[1]->Array() == nullptr) BadSurvey();
  std::size_t used[2] = {0, 0};
  for (std::size_t i = 0; i < plan.features.size(); ++i) {
    const int kind = plan.features[i].categorical ? 1 : 0;
    const JsonArray& list = *lists[kind]->Array();
    if (used[kind] >= list.size() || list[used[kind]].Object() == nullptr) BadSurvey();
    found[i] = list[used[kind]++].Object();
  }
  return found;
}

// A member that is a number, or null where it is not.
std::optional<double> NumberIn(const JsonObject& object, const char* key) {
  const JsonValue* member = Member(object, key);
  if (member == nullptr || !member->IsNumber()) return std::nullopt;
  return member->Number();
}

class Statistics {
 public:
  Statistics(const FeaturePlan& feature, const JsonObject* object, std::vector<double> quantiles)
      : feature_(feature), object_(object), quantiles_(std::move(quantiles)) {
    if (object_ == nullptr) BadSurvey();
  }
  double Quantile(double q) const {
    const auto at = static_cast<std::size_t>(std::lower_bound(quantiles_.begin(), quantiles_.end(), q) - quantiles_.begin());
    const JsonValue* list = Member(*object_, "quantiles");
    if (list == nullptr || list->Array() == nullptr || at >= list->Array()->size()) BadSurvey();
    const JsonValue& value = (*list->Array())[at];
    if (!value.IsNumber()) RaiseEmpty();
    return value.Number();
  }
  double Value(const char* key) const {
    const std::optional<double> value = NumberIn(*object_, key);
    if (!value) RaiseEmpty();
    return *value;
  }

 private:
  [[noreturn]] void RaiseEmpty() const {
    Bad("feature " + Quoted(feature_.name) + " has no values", "All of its values are missing, and the preparation is made from them.", "");
  }
  const FeaturePlan& feature_;
  const JsonObject* object_;
  std::vector<double> quantiles_;
};

Input CategoryInput(const FeaturePlan& feature, const JsonObject* description) {
  if (description == nullptr) BadSurvey();
  Input input;
  input.name = feature.name;
  input.categorical = true;
  const std::vector<std::string> levels = ReadLevels(*description);
  const std::vector<double> counts = ReadNumbers(*description, "counts");
  if (counts.size() != levels.size() + 2) BadSurvey();
  double rows = 0;
  for (std::size_t i = 1; i < counts.size(); ++i) rows += counts[i];
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (counts[i + 1] >= feature.min_share * rows) input.levels.push_back(levels[i]);
  }
  if (input.levels.empty()) {
    Bad("category " + Quoted(feature.name) + " has no frequent level", "Each of its levels is in fewer than the share \"min_share\" of the rows.",
        "Leave it out: a column with as many values as rows says nothing about segments.");
  }
  if (feature.impute == Impute::kMode) input.impute_level = input.levels.front();  // the most frequent
  if (feature.impute == Impute::kValue) input.impute_level = feature.impute_level;
  std::sort(input.levels.begin(), input.levels.end());
  return input;
}

Input NumberInput(const FeaturePlan& feature, const JsonObject* description, const std::vector<double>& quantiles) {
  Input input;
  input.name = feature.name;
  input.transform = feature.transform;
  if (feature.impute == Impute::kValue) input.impute = feature.impute_number;
  if (!SurveyDecides(feature)) return input;
  const Statistics statistics(feature, description, quantiles);
  if (feature.limit_low) input.clip_low = statistics.Quantile(*feature.limit_low);
  if (feature.limit_high) input.clip_high = statistics.Quantile(*feature.limit_high);
  if (feature.impute == Impute::kMedian) input.impute = statistics.Quantile(0.5);
  if (feature.impute == Impute::kMean) input.impute = statistics.Value("mean");
  return input;
}

void SetBounds(const TrainingPlan& plan, std::size_t i, const JsonObject* description, const std::vector<double>& quantiles, Preparation* out) {
  const FeaturePlan& feature = plan.features[i];
  const Statistics statistics(feature, description, quantiles);
  if (plan.outliers.method == OutlierMethod::kIqr) {
    // Quantiles go with a monotone transform, up to interpolation between two values.
    const double low = ApplyTransform(feature.transform, statistics.Quantile(0.25));
    const double high = ApplyTransform(feature.transform, statistics.Quantile(0.75));
    out->low[i] = Untransform(feature.transform, low - plan.outliers.factor * (high - low));
    out->high[i] = Untransform(feature.transform, high + plan.outliers.factor * (high - low));
  } else {
    const double mean = statistics.Value("transformed_mean");
    const double deviation = statistics.Value("transformed_stddev");
    out->low[i] = Untransform(feature.transform, mean - plan.outliers.factor * deviation);
    out->high[i] = Untransform(feature.transform, mean + plan.outliers.factor * deviation);
  }
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

bool NeedsSurvey(const TrainingPlan& plan) {
  return plan.outliers.method != OutlierMethod::kNone || std::any_of(plan.features.begin(), plan.features.end(), SurveyDecides);
}

std::string SurveyRequestOf(const TrainingPlan& plan) {
  std::string numbers;
  std::string categories;
  for (const FeaturePlan& feature : plan.features) {
    std::string& list = feature.categorical ? categories : numbers;
    list += list.empty() ? "{\"name\":" : ",{\"name\":";
    AppendJsonString(&list, feature.name);
    if (!feature.categorical) list += std::string(",\"transform\":\"") + Name(feature.transform) + "\"";
    list += '}';
  }
  std::string out = "{\"numbers\":[" + numbers + "],\"categories\":[" + categories + "],\"quantiles\":";
  const std::vector<double> quantiles = QuantilesOf(plan);
  AppendJsonNumbers(&out, quantiles.data(), quantiles.size());
  return out + "}";
}

Preparation MakePreparation(const TrainingPlan& plan, const JsonValue& survey) {
  const std::vector<const JsonObject*> descriptions = Descriptions(plan, survey);
  const std::vector<double> quantiles = QuantilesOf(plan);
  Preparation out;
  out.low.resize(plan.features.size());
  out.high.resize(plan.features.size());
  std::size_t column = 0;
  for (std::size_t i = 0; i < plan.features.size(); ++i) {
    const FeaturePlan& feature = plan.features[i];
    out.model.inputs.push_back(feature.categorical ? CategoryInput(feature, descriptions[i]) : NumberInput(feature, descriptions[i], quantiles));
    const std::size_t width = out.model.inputs.back().Columns();
    if (feature.categorical) {
      out.blocks.emplace_back(column, column + width - 1);
    } else if (plan.outliers.method != OutlierMethod::kNone) {
      SetBounds(plan, i, descriptions[i], quantiles, &out);
    }
    column += width;
  }
  out.model.offset.assign(column, 0.0);
  out.model.scale.assign(column, 1.0);
  out.model.centroids.assign(column, 0.0);
  out.model.segments.emplace_back();
  out.model.fit.k = 1;
  out.model.fit.n_init = 1;
  out.model.fit.max_iter = 1;
  out.model.fit.init = Name(Init::kExplicit);
  out.model.fit.quality = Name(Quality::kFast);
  out.model.fit.on_null = Name(OnNull::kSkip);
  ValidateModel(out.model, ErrorCode::kInvalidParameter);
  return out;
}

std::string MissingIn(const TrainingPlan& plan, const JsonValue& survey) {
  const std::vector<const JsonObject*> descriptions = Descriptions(plan, survey);
  std::string text;
  if (plan.skips) return text;
  for (std::size_t i = 0; i < plan.features.size(); ++i) {
    if (plan.features[i].impute != Impute::kNone || descriptions[i] == nullptr) continue;
    const double missing = NumberIn(*descriptions[i], "missing").value_or(0);
    if (!(missing > 0)) continue;
    text += (text.empty() ? "" : ", ") + Quoted(plan.features[i].name) + " (" + std::to_string(static_cast<std::uint64_t>(missing)) + ")";
  }
  return text;
}

std::string UndefinedIn(const TrainingPlan& plan, const JsonValue& survey) {
  const std::vector<const JsonObject*> descriptions = Descriptions(plan, survey);
  const std::vector<double> quantiles = QuantilesOf(plan);
  std::string text;
  for (std::size_t i = 0; i < plan.features.size(); ++i) {
    const FeaturePlan& feature = plan.features[i];
    if (feature.transform != Transform::kLog1p || descriptions[i] == nullptr) continue;
    const std::optional<double> lowest = NumberIn(*descriptions[i], "low");
    if (!lowest || *lowest > -1) continue;
    // Clipping can help.
    const Input input = NumberInput(feature, descriptions[i], quantiles);
    if (input.clip_low.value_or(*lowest) > -1) continue;
    text += (text.empty() ? "" : ", ") + Quoted(plan.features[i].name);
  }
  return text;
}

}  // namespace segmentation
