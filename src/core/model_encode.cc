// A model to its canonical text.
#include "core/json_writer.h"
#include "core/model.h"

namespace segmentation {
namespace {

double OrNaN(const std::optional<double>& value) { return value.value_or(Metrics::kUndefined); }

void WriteInput(std::string* out, const Input& input) {
  ObjectWriter members(out);
  members.Text("name", input.name);
  members.Text("kind", input.categorical ? "categorical" : "numeric");
  if (input.categorical) {
    members.Texts("levels", input.levels);
    members.Text("unseen", Name(input.unseen));
    if (input.impute_level) {
      members.Text("impute", *input.impute_level);
    } else {
      members.Null("impute");
    }
  } else {
    members.Text("transform", Name(input.transform));
    members.NumberOrNull("clip_low", OrNaN(input.clip_low));
    members.NumberOrNull("clip_high", OrNaN(input.clip_high));
    members.NumberOrNull("impute", OrNaN(input.impute));
  }
  members.Close();
}

void WriteSegment(std::string* out, const Segment& segment) {
  ObjectWriter members(out);
  members.Number("id", static_cast<std::int64_t>(segment.id));
  members.Number("rows", segment.rows);
  members.Number("weight", segment.weight);
  members.Number("inertia", segment.inertia);
  members.Close();
}

void WriteMetrics(std::string* out, const Metrics& metrics) {
  ObjectWriter members(out);
  members.Number("inertia", metrics.inertia);
  members.Number("total_inertia", metrics.total_inertia);
  members.Number("mean_distance", metrics.mean_distance);
  members.NumberOrNull("silhouette", metrics.silhouette);
  members.NumberOrNull("calinski_harabasz", metrics.calinski_harabasz);
  members.NumberOrNull("davies_bouldin", metrics.davies_bouldin);
  members.Close();
}

void WriteFit(std::string* out, const FitRecord& fit) {
  ObjectWriter members(out);
  members.Number("k", fit.k);
  members.Text("init", fit.init);
  members.Number("n_init", fit.n_init);
  members.Number("max_iter", fit.max_iter);
  members.Number("tol", fit.tol);
  members.Text("quality", fit.quality);
  members.Text("on_null", fit.on_null);
  members.Number("min_size", fit.min_size);
  members.Number("trim", fit.trim);
  members.Number("seed", fit.seed);
  members.Number("iterations", fit.iterations);
  members.Number("rows", fit.rows);
  members.Number("skipped", fit.skipped);
  members.Number("left_out", fit.left_out);
  members.Number("weight", fit.weight);
  members.Bool("exact", fit.exact);
  members.Close();
}

void WriteWarning(std::string* out, const Warning& warning) {
  ObjectWriter members(out);
  members.Text("code", warning.code);
  members.Text("message", warning.message);
  members.Close();
}

}  // namespace

std::string EncodeModel(const Model& model) {
  std::string out;
  ObjectWriter members(&out);
  members.Number("format", std::int64_t{1});
  members.Text("distance", Name(model.distance));
  members.Text("scaling", model.scaling);
  AppendJsonArray(members.Key("inputs"), model.inputs, WriteInput);
  members.Numbers("offset", model.offset);
  members.Numbers("scale", model.scale);
  if (model.rotation) {
    ObjectWriter rotation(members.Key("rotation"));
    rotation.Numbers("center", model.rotation->center);
    rotation.Matrix("axes", model.rotation->axes, model.Columns());
    rotation.Close();
  } else {
    members.Null("rotation");
  }
  members.Matrix("centroids", model.centroids, model.Dimensions());
  AppendJsonArray(members.Key("segments"), model.segments, WriteSegment);
  WriteMetrics(members.Key("metrics"), model.metrics);
  WriteFit(members.Key("fit"), model.fit);
  AppendJsonArray(members.Key("warnings"), model.warnings, WriteWarning);
  members.Close();
  return out;
}

}  // namespace segmentation
