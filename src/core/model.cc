#include "core/model.h"

#include <algorithm>
#include <cmath>

#include "core/elementary.h"
#include "core/error.h"
#include "core/matrix.h"

namespace segmentation {
namespace {

void Require(bool ok, ErrorCode code, const std::string& detail) {
  if (!ok) throw Error(code, "invalid input for kmeans_model", detail);
}

bool AllFinite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

void ValidateInput(const Input& input, ErrorCode code) {
  const std::string where = "Input \"" + Excerpt(input.name) + "\"";
  Require(!input.name.empty(), code, "An input has no name.");
  if (!input.categorical) {
    Require(!input.clip_low || !input.clip_high || *input.clip_low <= *input.clip_high, code,
            where + " is clipped to an empty range.");
    return;
  }
  Require(!input.levels.empty(), code, where + " has no levels.");
  Require(std::adjacent_find(input.levels.begin(), input.levels.end(), std::greater_equal<>()) == input.levels.end(), code,
          where + " has levels that are not in ascending order of their bytes.");
  Require(!input.impute_level || input.unseen == Unseen::kOther ||
              std::binary_search(input.levels.begin(), input.levels.end(), *input.impute_level),
          code, where + " is imputed by a level that it does not have.");
}

void ValidateInputs(const Model& model, ErrorCode code) {
  Require(!model.inputs.empty(), code, "It has no inputs.");
  Require(model.inputs.size() <= kMaxDimensions, code, "It has too many inputs.");
  std::size_t columns = 0;
  std::vector<std::string> names;
  for (const Input& input : model.inputs) {
    ValidateInput(input, code);
    columns += input.Columns();
    names.push_back(input.name);
  }
  std::sort(names.begin(), names.end());
  Require(std::adjacent_find(names.begin(), names.end()) == names.end(), code, "Two inputs have the same name.");
  Require(model.offset.size() == columns && model.scale.size() == columns, code,
          "The inputs make " + std::to_string(columns) + " columns, and \"offset\" or \"scale\" has another length.");
  Require(AllFinite(model.offset) && AllFinite(model.scale), code, "\"offset\" and \"scale\" must be finite.");
  Require(std::find(model.scale.begin(), model.scale.end(), 0.0) == model.scale.end(), code, "A \"scale\" is 0.");
}

void ValidateSegments(const Model& model, ErrorCode code) {
  Require(!model.segments.empty() && model.segments.size() <= static_cast<std::size_t>(kMaxClusters), code,
          "It has no segments, or too many.");
  Require(AllFinite(model.centroids), code, "A centroid is not finite.");
  std::vector<std::int32_t> ids;
  for (const Segment& segment : model.segments) {
    Require(segment.id >= 0, code, "A segment id is negative.");
    Require(std::isfinite(segment.weight) && segment.weight >= 0 && std::isfinite(segment.inertia) && segment.inertia >= 0,
            code, "The weight and inertia of a segment must be finite and not negative.");
    ids.push_back(segment.id);
  }
  std::sort(ids.begin(), ids.end());
  Require(std::adjacent_find(ids.begin(), ids.end()) == ids.end(), code, "Two segments have the same id.");
}

}  // namespace

double ApplyTransform(Transform transform, double value) {
  switch (transform) {
    case Transform::kNone: return value;
    case Transform::kLog1p: return Log1p(value);
    case Transform::kAsinh: return Asinh(value);
  }
  return value;
}

double Untransform(Transform transform, double value) {
  switch (transform) {
    case Transform::kNone: return value;
    case Transform::kLog1p: return Expm1(value);
    case Transform::kAsinh: return Sinh(value);
  }
  return value;
}

const char* Name(Transform value) {
  switch (value) {
    case Transform::kNone: return "none";
    case Transform::kLog1p: return "log1p";
    case Transform::kAsinh: return "asinh";
  }
  return "";
}

const char* Name(Unseen value) {
  switch (value) {
    case Unseen::kOther: return "other";
    case Unseen::kZero: return "zero";
    case Unseen::kNull: return "null";
  }
  return "";
}

bool Model::HasCategorical() const {
  return std::any_of(inputs.begin(), inputs.end(), [](const Input& input) { return input.categorical; });
}

void ValidateModel(const Model& model, ErrorCode code) {
  ValidateInputs(model, code);
  ValidateSegments(model, code);
  const std::size_t dimensions = model.Dimensions();
  Require(dimensions > 0 && model.centroids.size() == dimensions * model.segments.size(), code,
          "\"centroids\" does not have a row per segment.");
  Require(model.centroids.size() <= kMaxCentroidValues, code, "It has too many centroid values.");
  // A rotation could make few values stand for many.
  Require(model.Columns() <= kMaxCentroidValues / model.segments.size(), code, "It has too many columns for its segments.");
  if (!model.rotation) {
    Require(dimensions == model.Columns(), code,
            "A centroid has " + std::to_string(dimensions) + " values for " + std::to_string(model.Columns()) + " columns.");
    return;
  }
  Require(model.rotation->center.size() == model.Columns(), code, "The rotation's center does not have a value per column.");
  Require(model.rotation->axes.size() == dimensions * model.Columns(), code,
          "The rotation does not have an axis per dimension of the centroids.");
  Require(AllFinite(model.rotation->center) && AllFinite(model.rotation->axes), code, "The rotation must be finite.");
}

std::vector<std::string> ColumnNames(const Model& model) {
  std::vector<std::string> names;
  for (const Input& input : model.inputs) {
    if (!input.categorical) {
      names.push_back(input.name);
      continue;
    }
    for (const std::string& level : input.levels) names.push_back(input.name + "=" + level);
    if (input.unseen == Unseen::kOther) names.push_back(input.name + "=(other)");
  }
  return names;
}

std::vector<double> ScaledCentroids(const Model& model) {
  if (!model.rotation) return model.centroids;
  const std::size_t columns = model.Columns();
  const std::size_t dimensions = model.Dimensions();
  std::vector<double> out(model.segments.size() * columns);
  const auto centroids = MapMatrix(model.centroids.data(), model.segments.size(), dimensions);
  const auto axes = MapMatrix(model.rotation->axes.data(), dimensions, columns);
  MatrixMap scaled(out.data(), centroids.rows(), axes.cols());
  scaled.noalias() = centroids * axes;
  scaled.rowwise() += MapVector(model.rotation->center.data(), columns).transpose();
  return out;
}

std::vector<double> RawCentroids(const Model& model) {
  std::vector<double> values = ScaledCentroids(model);
  const std::size_t columns = model.Columns();
  std::vector<Transform> transforms;
  for (const Input& input : model.inputs) transforms.insert(transforms.end(), input.Columns(), input.transform);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t j = i % columns;
    values[i] = Untransform(transforms[j], model.offset[j] + values[i] * model.scale[j]);
  }
  return values;
}

}  // namespace segmentation
