// A model from its text.
#include "core/json.h"
#include "core/model.h"

namespace segmentation {
namespace {

constexpr const char* kWhat = "kmeans_model";

[[noreturn]] void Fail(ErrorCode code, std::string detail) {
  throw Error(code, std::string("invalid input for ") + kWhat, std::move(detail));
}

// Takes the members of one object by name; what was not taken at the end is an error.
class MemberReader {
 public:
  MemberReader(const JsonValue& value, std::string path, ErrorCode code) : path_(std::move(path)), code_(code) {
    object_ = value.Object();
    if (object_ == nullptr) Fail(code_, Where() + " is " + value.TypeName() + ", and an object is expected.");
  }
  void ExpectAllTaken() const {
    if (taken_ == object_->size()) return;
    // All that we ask for is there (Get fails otherwise), so the rest is what we do not know.
    Fail(code_, Where() + " has " + std::to_string(object_->size()) + " members, of which format 1 knows " +
                    std::to_string(taken_) + ".");
  }
  const JsonValue& Get(const char* name) {
    for (const auto& [key, value] : *object_) {
      if (key == name) {
        ++taken_;
        return value;
      }
    }
    Fail(code_, Where() + " has no member \"" + name + "\".");
  }
  std::string Path(const char* name) const { return path_.empty() ? name : path_ + "." + name; }
  ErrorCode code() const { return code_; }

  double Num(const char* name) {
    const JsonValue& value = Get(name);
    if (!value.IsNumber()) Wrong(name, value, "a number");
    return value.Number();
  }
  std::optional<double> NumOrNull(const char* name) {
    const JsonValue& value = Get(name);
    if (value.IsNull()) return std::nullopt;
    if (!value.IsNumber()) Wrong(name, value, "a number or null");
    return value.Number();
  }
  double NumOrUndefined(const char* name) { return NumOrNull(name).value_or(Metrics::kUndefined); }
  std::int64_t Int(const char* name, std::int64_t low, std::int64_t high = INT64_MAX) {
    const JsonValue& value = Get(name);
    std::int64_t number = 0;
    if (!value.IsNumber() || !value.Integer(&number) || number < low || number > high) {
      Wrong(name, value, "a whole number in its range");
    }
    return number;
  }
  std::uint64_t Count(const char* name) { return static_cast<std::uint64_t>(Int(name, 0)); }
  const std::string& Text(const char* name) {
    const JsonValue& value = Get(name);
    if (value.String() == nullptr) Wrong(name, value, "a string");
    return *value.String();
  }
  bool Bool(const char* name) {
    const JsonValue& value = Get(name);
    if (value.Bool() == nullptr) Wrong(name, value, "a boolean");
    return *value.Bool();
  }
  const JsonArray& Array(const char* name) {
    const JsonValue& value = Get(name);
    if (value.Array() == nullptr) Wrong(name, value, "an array");
    return *value.Array();
  }
  std::vector<double> Numbers(const char* name) {
    std::vector<double> numbers;
    AppendNumbers(name, Get(name), &numbers);
    return numbers;
  }
  // Rows of one length, which is returned through `columns`.
  std::vector<double> Matrix(const char* name, std::size_t* columns) {
    std::vector<double> numbers;
    const JsonArray& rows = Array(name);
    *columns = 0;
    for (const JsonValue& row : rows) {
      const std::size_t before = numbers.size();
      AppendNumbers(name, row, &numbers);
      if (&row == rows.data()) *columns = numbers.size();
      if (numbers.size() - before != *columns) Fail(code_, Path(name) + " has rows of different lengths.");
    }
    return numbers;
  }
  [[noreturn]] void Wrong(const char* name, const JsonValue& value, const char* expected) const {
    Fail(code_, "\"" + Path(name) + "\" is " + value.TypeName() + ", and " + expected + " is expected.");
  }

 private:
  std::string Where() const { return path_.empty() ? "The model" : "\"" + path_ + "\""; }
  void AppendNumbers(const char* name, const JsonValue& value, std::vector<double>* out) const {
    if (value.Array() == nullptr) Wrong(name, value, "an array of numbers");
    for (const JsonValue& item : *value.Array()) {
      if (!item.IsNumber()) Fail(code_, "\"" + Path(name) + "\" holds " + item.TypeName() + ", and numbers are expected.");
      out->push_back(item.Number());
    }
  }

  const JsonObject* object_;
  std::string path_;
  ErrorCode code_;
  std::size_t taken_ = 0;
};

template <typename Enum>
Enum ReadEnum(MemberReader* members, const char* name, std::initializer_list<Enum> values) {
  const std::string& text = members->Text(name);
  for (Enum value : values) {
    if (text == Name(value)) return value;
  }
  Fail(members->code(), "\"" + members->Path(name) + "\" is \"" + Excerpt(text) + "\", which format 1 does not know.");
}

Input ReadInput(const JsonValue& value, const std::string& path, ErrorCode code) {
  MemberReader members(value, path, code);
  Input input;
  input.name = members.Text("name");
  const std::string& kind = members.Text("kind");
  if (kind != "numeric" && kind != "categorical") Fail(code, "\"" + members.Path("kind") + "\" is neither numeric nor categorical.");
  input.categorical = kind == "categorical";
  if (input.categorical) {
    for (const JsonValue& level : members.Array("levels")) {
      if (level.String() == nullptr) members.Wrong("levels", level, "a string");
      input.levels.push_back(*level.String());
    }
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
  MemberReader members(value, path, code);
  Segment segment;
  segment.id = static_cast<std::int32_t>(members.Int("id", 0, INT32_MAX));
  segment.rows = members.Count("rows");
  segment.weight = members.Num("weight");
  segment.inertia = members.Num("inertia");
  members.ExpectAllTaken();
  return segment;
}

Warning ReadWarning(const JsonValue& value, const std::string& path, ErrorCode code) {
  MemberReader members(value, path, code);
  Warning warning{members.Text("code"), members.Text("message")};
  members.ExpectAllTaken();
  return warning;
}

Metrics ReadMetrics(const JsonValue& value, ErrorCode code) {
  MemberReader members(value, "metrics", code);
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
  MemberReader members(value, "fit", code);
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
  MemberReader members(value, "rotation", code);
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
  MemberReader members(tree, "", code);
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
