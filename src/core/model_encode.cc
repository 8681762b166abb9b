// A model to its canonical text.
#include <cmath>

#include "core/json.h"
#include "core/model.h"

namespace segmentation {
namespace {

// Writes one object member after another, and the commas between them.
class MemberWriter {
 public:
  explicit MemberWriter(std::string* out) : out_(out) { *out_ += '{'; }
  void Close() { *out_ += '}'; }

  std::string* Key(const char* name) {
    if (!first_) *out_ += ',';
    first_ = false;
    *out_ += '"';
    *out_ += name;
    *out_ += "\":";
    return out_;
  }
  template <typename Number>
  void Num(const char* name, Number value) {
    AppendJsonNumber(Key(name), value);
  }
  void Text(const char* name, std::string_view value) { AppendJsonString(Key(name), value); }
  void Bool(const char* name, bool value) { *Key(name) += value ? "true" : "false"; }
  void NumOrNull(const char* name, std::optional<double> value) {
    if (value) {
      Num(name, *value);
    } else {
      *Key(name) += "null";
    }
  }
  void Numbers(const char* name, const std::vector<double>& values) {
    AppendJsonNumbers(Key(name), values.data(), values.size());
  }
  void Matrix(const char* name, const std::vector<double>& values, std::size_t columns) {
    Key(name);
    *out_ += '[';
    for (std::size_t at = 0; at < values.size(); at += columns) {
      if (at > 0) *out_ += ',';
      AppendJsonNumbers(out_, values.data() + at, columns);
    }
    *out_ += ']';
  }

 private:
  std::string* out_;
  bool first_ = true;
};

template <typename Item, typename Write>
void WriteArray(std::string* out, const std::vector<Item>& items, Write write) {
  *out += '[';
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) *out += ',';
    write(out, items[i]);
  }
  *out += ']';
}

std::optional<double> Defined(double value) {
  return std::isnan(value) ? std::nullopt : std::optional<double>(value);
}

void WriteInput(std::string* out, const Input& input) {
  MemberWriter members(out);
  members.Text("name", input.name);
  members.Text("kind", input.categorical ? "categorical" : "numeric");
  if (input.categorical) {
    WriteArray(members.Key("levels"), input.levels, [](std::string* to, const std::string& level) { AppendJsonString(to, level); });
    members.Text("unseen", Name(input.unseen));
    if (input.impute_level) {
      members.Text("impute", *input.impute_level);
    } else {
      members.NumOrNull("impute", std::nullopt);
    }
  } else {
    members.Text("transform", Name(input.transform));
    members.NumOrNull("clip_low", input.clip_low);
    members.NumOrNull("clip_high", input.clip_high);
    members.NumOrNull("impute", input.impute);
  }
  members.Close();
}

void WriteSegment(std::string* out, const Segment& segment) {
  MemberWriter members(out);
  members.Num("id", static_cast<std::int64_t>(segment.id));
  members.Num("rows", segment.rows);
  members.Num("weight", segment.weight);
  members.Num("inertia", segment.inertia);
  members.Close();
}

void WriteMetrics(std::string* out, const Metrics& metrics) {
  MemberWriter members(out);
  members.Num("inertia", metrics.inertia);
  members.Num("total_inertia", metrics.total_inertia);
  members.Num("mean_distance", metrics.mean_distance);
  members.NumOrNull("silhouette", Defined(metrics.silhouette));
  members.NumOrNull("calinski_harabasz", Defined(metrics.calinski_harabasz));
  members.NumOrNull("davies_bouldin", Defined(metrics.davies_bouldin));
  members.Close();
}

void WriteFit(std::string* out, const FitRecord& fit) {
  MemberWriter members(out);
  members.Num("k", fit.k);
  members.Text("init", fit.init);
  members.Num("n_init", fit.n_init);
  members.Num("max_iter", fit.max_iter);
  members.Num("tol", fit.tol);
  members.Text("quality", fit.quality);
  members.Text("on_null", fit.on_null);
  members.Num("min_size", fit.min_size);
  members.Num("trim", fit.trim);
  members.Num("seed", fit.seed);
  members.Num("iterations", fit.iterations);
  members.Num("rows", fit.rows);
  members.Num("skipped", fit.skipped);
  members.Num("left_out", fit.left_out);
  members.Num("weight", fit.weight);
  members.Bool("exact", fit.exact);
  members.Close();
}

void WriteWarning(std::string* out, const Warning& warning) {
  MemberWriter members(out);
  members.Text("code", warning.code);
  members.Text("message", warning.message);
  members.Close();
}

}  // namespace

std::string EncodeModel(const Model& model) {
  std::string out;
  MemberWriter members(&out);
  members.Num("format", std::int64_t{1});
  members.Text("distance", Name(model.distance));
  members.Text("scaling", model.scaling);
  WriteArray(members.Key("inputs"), model.inputs, WriteInput);
  members.Numbers("offset", model.offset);
  members.Numbers("scale", model.scale);
  if (model.rotation) {
    MemberWriter rotation(members.Key("rotation"));
    rotation.Numbers("center", model.rotation->center);
    rotation.Matrix("axes", model.rotation->axes, model.Columns());
    rotation.Close();
  } else {
    members.NumOrNull("rotation", std::nullopt);
  }
  members.Matrix("centroids", model.centroids, model.Dimensions());
  WriteArray(members.Key("segments"), model.segments, WriteSegment);
  WriteMetrics(members.Key("metrics"), model.metrics);
  WriteFit(members.Key("fit"), model.fit);
  WriteArray(members.Key("warnings"), model.warnings, WriteWarning);
  members.Close();
  return out;
}

}  // namespace segmentation
