// A model from its text.
#include "core/json_reader.h"
#include "core/model.h"

namespace segmentation {
namespace {

constexpr const char* kWhat = "kmeans_model";

[[noreturn]] void Fail(ErrorCode code, std::string detail) {
  throw Error(code, std::string("invalid input for ") + kWhat, std::move(detail));
}

MemberReader Members(const JsonValue& value, std::string path, ErrorCode code) { return {value, std::move(path), code, kWhat}; }

template <typename Enum>
Enum ReadEnum(MemberReader* members, const char* name, std::initializer_list<Enum> values) {
  const std::string& text = members->Text(name);
  for (Enum value : values) {
    if (text == Name(value)) return value;
  }
  Fail(members->code(), "\"" + members->Path(name) + "\" is \"" + Excerpt(text) + "\", which format 1 does not know.");
}

Input ReadInput(const JsonValue& value, const std::string& path, ErrorCode code) {
  MemberReader members = Members(value, path, code);
  Input input;
  input.name = members.Text("name");
  const std::string& kind = members.Text("kind");
  if (kind != "numeric" && kind != "categorical") Fail(code, "\"" + members.Path("kind") + "\" is neither numeric nor categorical.");
  input.categorical = kind == "categorical";
  if (input.categorical) {
    input.levels = members.Texts("levels");
    input.unseen = ReadEnum(&members, "unseen", {Unseen::kOther, Unseen::kZero, Unseen::kNull});
    const JsonValue& impute = members.Get("impute");
    if (impute.String() != nullptr) {
      input.impute_level = *impute.String();
    } else if (!impute.IsNull()) {
      members.Wrong("impute", impute, "a string or null");
    }
  } else {
    input.transform = ReadEnum(&members, "transform", {Transform::kNone, Transform::kLog1p, Transform::kAsinh});
    input.clip_low = members.NumOrNull("clip_low");
    input.clip_high = members.NumOrNull("clip_high");
    input.impute = members.NumOrNull("impute");
  }
  members.ExpectAllTaken();
  return input;
}

Segment ReadSegment(const JsonValue& value, const std::string& path, ErrorCode code) {
  MemberReader members = Members(value, path, code);
  Segment segment;
  segment.id = static_cast<std::int32_t>(members.Int("id", 0, INT32_MAX));
  segment.rows = members.Count("rows");
  segment.weight = members.Num("weight");
  segment.inertia = members.Num("inertia");
  members.ExpectAllTaken();
  return segment;
}

Warning ReadWarning(const JsonValue& value, const std::string& path, ErrorCode code) {
  MemberReader members = Members(value, path, code);
  Warning warning{members.Text("code"), members.Text("message")};
  members.ExpectAllTaken();
  return warning;
}

Metrics ReadMetrics(const JsonValue& value, ErrorCode code) {
  MemberReader members = Members(value, "metrics", code);
  Metrics metrics;
  metrics.inertia = members.Num("inertia");
  metrics.total_inertia = members.Num("total_inertia");
  metrics.mean_distance = members.Num("mean_distance");
  metrics.silhouette = members.NumOrUndefined("silhouette");
  metrics.calinski_harabasz = members.NumOrUndefined("calinski_harabasz");
  metrics.davies_bouldin = members.NumOrUndefined("davies_bouldin");
  members.ExpectAllTaken();
  return metrics;
}

FitRecord ReadFit(const JsonValue& value, ErrorCode code) {
  MemberReader members = Members(value, "fit", code);
  FitRecord fit;
  fit.k = members.Int("k", 1, kMaxClusters);
  fit.init = members.Text("init");
  fit.n_init = members.Int("n_init", 1, 1000);
  fit.max_iter = members.Int("max_iter", 0);
  fit.tol = members.Num("tol");
  fit.quality = members.Text("quality");
  fit.on_null = members.Text("on_null");
  fit.min_size = members.Int("min_size", 0);
  fit.trim = members.Num("trim");
  fit.seed = members.Int("seed", INT64_MIN);
  fit.iterations = members.Count("iterations");
  fit.rows = members.Count("rows");
  fit.skipped = members.Count("skipped");
  fit.left_out = members.Count("left_out");
  fit.weight = members.Num("weight");
  fit.exact = members.Bool("exact");
  members.ExpectAllTaken();
  return fit;
}

Rotation ReadRotation(const JsonValue& value, std::size_t columns, ErrorCode code) {
  MemberReader members = Members(value, "rotation", code);
  Rotation rotation;
  rotation.center = members.Numbers("center");
  std::size_t width = 0;
  rotation.axes = members.Matrix("axes", &width);
  if (width != columns) Fail(code, "An axis of the rotation has " + std::to_string(width) + " values for " +
                                       std::to_string(columns) + " columns.");
  members.ExpectAllTaken();
  return rotation;
}

template <typename Item, typename Read>
std::vector<Item> ReadArray(MemberReader* members, const char* name, Read read) {
  std::vector<Item> items;
  for (const JsonValue& value : members->Array(name)) {
    items.push_back(read(value, members->Path(name) + "[" + std::to_string(items.size()) + "]", members->code()));
  }
  return items;
}

}  // namespace

Model DecodeModel(std::string_view json, ErrorCode code, const Interrupt& interrupt) {
  const JsonValue tree = ParseJson(json, code, kWhat, interrupt);
  MemberReader members = Members(tree, "", code);
  const std::int64_t format = members.Int("format", 1);
  if (format != 1) Fail(code, "Its format is " + std::to_string(format) + ", and this version reads format 1.");
  Model model;
  model.distance = ReadEnum(&members, "distance", {Distance::kEuclidean, Distance::kCosine});
  model.scaling = members.Text("scaling");
  model.inputs = ReadArray<Input>(&members, "inputs", ReadInput);
  model.offset = members.Numbers("offset");
  model.scale = members.Numbers("scale");
  const JsonValue& rotation = members.Get("rotation");
  if (!rotation.IsNull()) model.rotation = ReadRotation(rotation, model.offset.size(), code);
  std::size_t dimensions = 0;
  model.centroids = members.Matrix("centroids", &dimensions);
  model.segments = ReadArray<Segment>(&members, "segments", ReadSegment);
  model.metrics = ReadMetrics(members.Get("metrics"), code);
  model.fit = ReadFit(members.Get("fit"), code);
  model.warnings = ReadArray<Warning>(&members, "warnings", ReadWarning);
  members.ExpectAllTaken();
  if (dimensions == 0 || model.centroids.size() != dimensions * model.segments.size()) {
    Fail(code, "\"centroids\" and \"segments\" do not have the same number of rows.");
  }
  ValidateModel(model, code);
  return model;
}

}  // namespace segmentation
