#include "core/pca_model.h"

#include <algorithm>
#include <cmath>

#include "core/json_reader.h"
#include "core/json_writer.h"

namespace segmentation {
namespace {

constexpr const char* kWhat = "pca_model";
constexpr const char* kValidOptions = "Valid options are components, features, on_null, scale.";

void Require(bool ok, ErrorCode code, const std::string& detail) {
  if (!ok) throw Error(code, std::string("invalid input for ") + kWhat, detail);
}

bool AllFinite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

bool IsScaling(const std::string& word) { return word == Name(Scale::kNone) || word == Name(Scale::kZscore) || word == Name(Scale::kMinmax); }

void ValidateAxes(const PcaModel& model, ErrorCode code) {
  const std::size_t columns = model.columns();
  Require(model.axes.size() == model.components() * columns, code, "\"axes\" does not have a row per variance and a value per feature.");
  Require(AllFinite(model.axes), code, "\"axes\" must be finite.");
  // Of what Jacobi's method leaves, about 1e-15 per column; of axes cut to six digits, as people copy them, 1e-6.
  constexpr double kTolerance = 1e-4;
  for (std::size_t p = 0; p < model.components(); ++p) {
    double square = 0;
    for (std::size_t j = 0; j < columns; ++j) square += model.axes[p * columns + j] * model.axes[p * columns + j];
    Require(std::abs(square - 1) < kTolerance, code, "Axis " + std::to_string(p + 1) + " does not have length 1.");
  }
}

}  // namespace

void ValidatePcaModel(const PcaModel& model, ErrorCode code) {
  const std::size_t columns = model.columns();
  Require(columns > 0 && columns <= kMaxPcaColumns, code, "It has no features, or more than " + std::to_string(kMaxPcaColumns) + ".");
  std::vector<std::string> names = model.features;
  std::sort(names.begin(), names.end());
  Require(!names.front().empty(), code, "A feature has no name.");
  Require(std::adjacent_find(names.begin(), names.end()) == names.end(), code, "Two features have the same name.");
  Require(model.offset.size() == columns && model.scale.size() == columns && model.center.size() == columns, code,
          "There are " + std::to_string(columns) + " features, and \"offset\", \"scale\" or \"center\" has another length.");
  Require(AllFinite(model.offset) && AllFinite(model.scale) && AllFinite(model.center), code, "\"offset\", \"scale\" and \"center\" must be finite.");
  Require(std::find(model.scale.begin(), model.scale.end(), 0.0) == model.scale.end(), code, "A \"scale\" is 0.");
  Require(model.components() > 0 && model.components() <= columns, code, "It has no components, or more than features.");
  Require(AllFinite(model.variances) && std::is_sorted(model.variances.begin(), model.variances.end(), std::greater<>()) && model.variances.back() >= 0,
          code, "\"variances\" must be finite, not negative, and the largest first.");
  Require(std::isfinite(model.total_variance) && model.total_variance >= 0, code, "\"total_variance\" must be finite and not negative.");
  Require(std::isfinite(model.weight) && model.weight >= 0, code, "\"weight\" must be finite and not negative.");
  ValidateAxes(model, code);
}

std::string EncodePcaModel(const PcaModel& model) {
  std::string out;
  ObjectWriter members(&out);
  members.Number("format", std::int64_t{1});
  members.Texts("features", model.features);
  members.Text("scaling", model.scaling);
  members.Numbers("offset", model.offset);
  members.Numbers("scale", model.scale);
  members.Numbers("center", model.center);
  members.Matrix("axes", model.axes, model.columns());
  members.Numbers("variances", model.variances);
  members.Number("total_variance", model.total_variance);
  members.Number("rows", model.rows);
  members.Number("skipped", model.skipped);
  members.Number("weight", model.weight);
  members.Close();
  return out;
}

PcaModel DecodePcaModel(std::string_view json, ErrorCode code, const Interrupt& interrupt) {
  const JsonValue tree = ParseJson(json, code, kWhat, interrupt);
  MemberReader members(tree, "", code, kWhat);
  const std::int64_t format = members.Int("format", 1);
  if (format != 1) members.Fail("Its format is " + std::to_string(format) + ", and this version reads format 1.");
  PcaModel model;
  model.features = members.Texts("features");
  model.scaling = members.Text("scaling");
  Require(IsScaling(model.scaling), code, "\"scaling\" is " + Quoted(model.scaling) + ", which format 1 does not know.");
  model.offset = members.Numbers("offset");
  model.scale = members.Numbers("scale");
  model.center = members.Numbers("center");
  std::size_t width = 0;
  model.axes = members.Matrix("axes", &width);
  Require(width == model.columns(), code, "An axis has " + std::to_string(width) + " values for " + std::to_string(model.columns()) + " features.");
  model.variances = members.Numbers("variances");
  model.total_variance = members.Num("total_variance");
  model.rows = members.Count("rows");
  model.skipped = members.Count("skipped");
  model.weight = members.Num("weight");
  members.ExpectAllTaken();
  ValidatePcaModel(model, code);
  return model;
}

Options ParsePcaOptions(std::string_view json) {
  const JsonValue tree = ParseJson(json, ErrorCode::kInvalidParameter, "options");
  if (tree.Object() == nullptr) {
    throw Error(ErrorCode::kInvalidParameter, "options must be a JSON object", std::string("They are ") + tree.TypeName() + ".",
                "For example: '{\"scale\": \"zscore\", \"components\": 2}'.");
  }
  for (const auto& [key, value] : *tree.Object()) {
    if (key != "components" && key != "features" && key != "on_null" && key != "scale") {
      throw Error(ErrorCode::kInvalidParameter, "unknown option " + Quoted(key), {}, kValidOptions);
    }
    // Quartiles cannot be told from sums.
    if (key == "scale" && (value.String() == nullptr || !IsScaling(*value.String()))) {
      throw Error(ErrorCode::kInvalidParameter, "invalid value for option \"scale\"", "The value is " + Shown(value) + ".",
                  "Valid values are \"none\", \"zscore\", \"minmax\".");
    }
  }
  return ParseOptions(json);
}

void CheckPcaOptions(const Options& options, std::size_t columns) {
  if (columns > kMaxPcaColumns) {
    throw Error(ErrorCode::kLimit, "too many features", "A row has " + std::to_string(columns) + " features; the limit is " + std::to_string(kMaxPcaColumns) + ".");
  }
  CheckOptions(options, 1, columns);
  if (options.components > static_cast<double>(columns)) {
    throw Error(ErrorCode::kInvalidParameter, "there are not so many principal components",
                "Option \"components\" asks for " + std::to_string(static_cast<std::int64_t>(options.components)) + ", and a row has " +
                    std::to_string(columns) + " features.",
                "Give at most as many components as features, or a share of the variance below 1.");
  }
}

}  // namespace segmentation
