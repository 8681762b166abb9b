#include "core/preparation.h"

#include <algorithm>

#include "core/json_writer.h"
#include "core/survey_bins.h"

namespace segmentation {
namespace {

[[noreturn]] void Bad(const std::string& message, const std::string& detail, const std::string& hint) {
  throw Error(ErrorCode::kInvalidParameter, message, detail, hint);
}

// Outliers by bounds for each feature.
bool HasBounds(const OutlierRule& rule) { return rule.method == OutlierMethod::kIqr || rule.method == OutlierMethod::kZscore; }

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

bool NeedsSurvey(const TrainingPlan& plan) {
  return HasBounds(plan.outliers) || std::any_of(plan.features.begin(), plan.features.end(), SurveyDecides);
}

std::string SurveyRequestOf(const TrainingPlan& plan) {
  std::vector<const FeaturePlan*> numbers;
  std::vector<const FeaturePlan*> categories;
  for (const FeaturePlan& feature : plan.features) (feature.categorical ? categories : numbers).push_back(&feature);
  const auto write = [](std::string* to, const FeaturePlan* feature) {
    ObjectWriter item(to);
    item.Text("name", feature->name);
    if (!feature->categorical) item.Text("transform", Name(feature->transform));
    item.Close();
  };
  std::string out;
  ObjectWriter request(&out);
  AppendJsonArray(request.Key("numbers"), numbers, write);
  AppendJsonArray(request.Key("categories"), categories, write);
  request.Numbers("quantiles", QuantilesOf(plan));
  request.Close();
  return out;
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
    } else if (HasBounds(plan.outliers)) {
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
