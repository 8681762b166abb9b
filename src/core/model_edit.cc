#include "core/model_edit.h"

#include <algorithm>
#include <string>

#include "core/pca.h"

namespace segmentation {
namespace {

// Where the columns of an input begin.
struct Place {
  const Input* input = nullptr;
  std::size_t first = 0;
};

Place FindInput(const Model& model, const std::string& name) {
  std::size_t first = 0;
  for (const Input& input : model.inputs) {
    if (input.name == name) return {&input, first};
    first += input.Columns();
  }
  return {};
}

[[noreturn]] void RaiseDifferent(const Input& input, const char* how) {
  throw Error(ErrorCode::kInvalidParameter, "models do not have the same inputs",
              "Input \"" + Excerpt(input.name) + "\" " + how + ".");
}

// For each column of one input of `onto`, in `from` columns of the model: to[i] gets the sum of those that point to it.
void MapColumns(const Place& from, const Input& to, std::size_t to_first, std::vector<std::size_t>* target) {
  if (!to.categorical) {
    (*target)[from.first] = to_first;
    return;
  }
  const std::size_t other = to.unseen == Unseen::kOther ? to_first + to.levels.size() : kMaxCentroidValues;
  for (std::size_t i = 0; i < from.input->Columns(); ++i) {
    std::size_t at = other;
    if (i < from.input->levels.size()) {
      const auto found = std::lower_bound(to.levels.begin(), to.levels.end(), from.input->levels[i]);
      if (found != to.levels.end() && *found == from.input->levels[i]) at = to_first + static_cast<std::size_t>(found - to.levels.begin());
    }
    (*target)[from.first + i] = at;
  }
}

}  // namespace

Model AssembleModel(const Model& preparation, Model trained, std::uint64_t left_out, std::uint64_t skipped) {
  if (preparation.Columns() != trained.Columns()) {
    throw Error(ErrorCode::kDimensionMismatch, "training does not have the columns of the preparation",
                "It has " + std::to_string(trained.Columns()) + ", and the preparation " + std::to_string(preparation.Columns()) + ".");
  }
  trained.inputs = preparation.inputs;
  trained.fit.left_out += left_out;
  trained.fit.skipped += skipped;
  ValidateModel(trained, ErrorCode::kInvalidParameter);
  return trained;
}

Model Renumber(Model model, const std::vector<std::int32_t>& ids) {
  if (ids.size() != model.segments.size()) {
    throw Error(ErrorCode::kDimensionMismatch, "number of segment ids does not match the model",
                "There are " + std::to_string(ids.size()) + " ids for " + std::to_string(model.segments.size()) + " segments.");
  }
  for (std::size_t i = 0; i < ids.size(); ++i) model.segments[i].id = ids[i];
  ValidateModel(model, ErrorCode::kInvalidParameter);
  return model;
}

std::vector<double> CentroidsOnto(const Model& model, const Model& onto) {
  std::vector<std::size_t> target(model.Columns(), kMaxCentroidValues);
  std::size_t to_first = 0;
  for (const Input& to : onto.inputs) {
    const Place from = FindInput(model, to.name);
    if (from.input == nullptr) RaiseDifferent(to, "is missing in one of them");
    if (from.input->categorical != to.categorical) RaiseDifferent(to, "is a category in one of them");
    if (from.input->transform != to.transform) RaiseDifferent(to, "has another transform");
    MapColumns(from, to, to_first, &target);
    to_first += to.Columns();
  }
  const std::vector<double> scaled = ScaledCentroids(model);
  std::vector<double> mapped(model.segments.size() * onto.Columns());
  for (std::size_t s = 0; s < model.segments.size(); ++s) {
    for (std::size_t j = 0; j < model.Columns(); ++j) {
      if (target[j] == kMaxCentroidValues) continue;
      mapped[s * onto.Columns() + target[j]] += scaled[s * model.Columns() + j] * model.scale[j] + model.offset[j];
    }
  }
  return mapped;
}

Model SeenBy(const Model& model, const Model& onto) {
  if (model.distance != Distance::kEuclidean || onto.distance != Distance::kEuclidean) {
    throw Error(ErrorCode::kNotSupported, "only models of Euclidean distance can be compared in one space");
  }
  const std::vector<double> columns = CentroidsOnto(model, onto);
  Model seen = onto;
  seen.segments = model.segments;
  seen.centroids.clear();
  std::vector<double> z(onto.Columns());
  for (std::size_t s = 0; s < model.segments.size(); ++s) {
    for (std::size_t j = 0; j < z.size(); ++j) z[j] = (columns[s * z.size() + j] - onto.offset[j]) / onto.scale[j];
    if (!onto.rotation) {
      seen.centroids.insert(seen.centroids.end(), z.begin(), z.end());
      continue;
    }
    seen.centroids.resize((s + 1) * onto.Dimensions());
    Rotate(z.data(), onto.rotation->center, onto.rotation->axes, seen.centroids.data() + s * onto.Dimensions());
  }
  ValidateModel(seen, ErrorCode::kInvalidParameter);
  return seen;
}

}  // namespace segmentation
