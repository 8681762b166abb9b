// Reading a model: kmeans_info (one row), kmeans_clusters (a row per segment), kmeans_centroids (a row per segment and
// feature).
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "pg/model_type.h"
#include "pg/registry_lookup.h"
#include "pg/result_rows.h"

namespace segmentation {
namespace {

// The model, by value or by name.
const struct varlena* ModelOf(FunctionCallInfo fcinfo) {
  if (!TakesName(fcinfo, 0)) return ModelArgument(fcinfo, 0);
  return reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PointerGetDatum(LookUpModel(text_to_cstring(PG_GETARG_TEXT_PP(0))))));
}

char** AllocateStrings(const std::vector<std::string>& texts) {
  auto** copies = static_cast<char**>(Allocate((texts.size() + 1) * sizeof(char*)));
  for (std::size_t i = 0; i < texts.size(); ++i) copies[i] = AllocateString(texts[i]);
  return copies;
}

double ExplainedShare(const Metrics& metrics) {
  if (!(metrics.total_inertia > 0)) return Metrics::kUndefined;
  return std::max(0.0, 1 - metrics.inertia / metrics.total_inertia);
}

}  // namespace

SEGMENTATION_FUNCTION(kmeans_info) {
  const struct varlena* value = ModelOf(fcinfo);
  // In the order of the function's columns in src/sql.
  constexpr int kColumns = 23;
  Datum values[kColumns];
  bool nulls[kColumns] = {};
  struct {  // the model's record as plain data
    std::int64_t k, rows, skipped, left_out, iterations, n_init, seed;
    double weight;
    bool exact;
    char *distance, *scale, *quality;
    char **features, **warnings;
    std::size_t segments, feature_count, warning_count;
    Metrics metrics;
    double explained;
  } info{};
  CallCore([&] {
    const Model model = ReadModelValue(value);
    info.k = model.fit.k;
    info.segments = model.segments.size();
    info.rows = static_cast<std::int64_t>(model.fit.rows);
    info.skipped = static_cast<std::int64_t>(model.fit.skipped);
    info.left_out = static_cast<std::int64_t>(model.fit.left_out);
    info.weight = model.fit.weight;
    info.iterations = static_cast<std::int64_t>(model.fit.iterations);
    info.n_init = model.fit.n_init;
    info.seed = model.fit.seed;
    info.exact = model.fit.exact;
    info.distance = AllocateString(Name(model.distance));
    info.scale = AllocateString(model.scaling);
    info.quality = AllocateString(model.fit.quality);
    info.metrics = model.metrics;
    info.explained = ExplainedShare(model.metrics);
    std::vector<std::string> names;
    for (const Input& input : model.inputs) names.push_back(input.name);
    std::vector<std::string> warnings;
    for (const Warning& warning : model.warnings) warnings.push_back(warning.message);
    info.features = AllocateStrings(names);
    info.feature_count = names.size();
    info.warnings = AllocateStrings(warnings);
    info.warning_count = warnings.size();
  });
  int at = 0;
  values[at++] = Int32GetDatum(static_cast<int32>(info.segments));
  values[at++] = Int32GetDatum(static_cast<int32>(info.k));
  values[at++] = TextArrayDatum(info.features, info.feature_count);
  values[at++] = TextDatum(info.distance);
  values[at++] = TextDatum(info.scale);
  values[at++] = Int64GetDatum(info.rows);
  values[at++] = Int64GetDatum(info.skipped);
  values[at++] = Int64GetDatum(info.left_out);
  values[at++] = Float8GetDatum(info.weight);
  values[at++] = Float8GetDatum(info.metrics.inertia);
  values[at++] = Float8GetDatum(info.metrics.total_inertia);
  values[at] = FloatOrNull(info.explained, &nulls[at]);
  ++at;
  values[at++] = Float8GetDatum(info.metrics.mean_distance);
  for (double metric : {info.metrics.silhouette, info.metrics.calinski_harabasz, info.metrics.davies_bouldin}) {
    values[at] = FloatOrNull(metric, &nulls[at]);
    ++at;
  }
  values[at++] = Int64GetDatum(info.iterations);
  values[at++] = Int32GetDatum(static_cast<int32>(info.n_init));
  values[at++] = Int64GetDatum(info.seed);
  values[at++] = TextDatum(info.quality);
  values[at++] = BoolGetDatum(info.exact);
  values[at++] = Int32GetDatum(1);
  values[at++] = TextArrayDatum(info.warnings, info.warning_count);
  Assert(at == kColumns);
  PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}

SEGMENTATION_FUNCTION(kmeans_clusters) {
  ResultRows rows(fcinfo);
  const struct varlena* value = ModelOf(fcinfo);
  Segment* segments = nullptr;
  double* centroids = nullptr;
  std::size_t count = 0;
  std::size_t columns = 0;
  CallCore([&] {
    const Model model = ReadModelValue(value);
    const std::vector<double> raw = RawCentroids(model);
    count = model.segments.size();
    columns = model.Columns();
    segments = static_cast<Segment*>(Allocate(count * sizeof(Segment)));
    std::copy(model.segments.begin(), model.segments.end(), segments);
    centroids = static_cast<double*>(Allocate(raw.size() * sizeof(double)));
    std::copy(raw.begin(), raw.end(), centroids);
  });
  double total = 0;
  for (std::size_t i = 0; i < count; ++i) total += segments[i].weight;
  for (std::size_t i = 0; i < count; ++i) {
    const Segment& segment = segments[i];
    bool nulls[7] = {};
    Datum values[7] = {Int32GetDatum(segment.id),
                       Int64GetDatum(static_cast<int64>(segment.rows)),
                       FloatOrNull(total > 0 ? segment.weight / total : Metrics::kUndefined, &nulls[2]),
                       Float8GetDatum(segment.weight),
                       Float8GetDatum(segment.inertia),
                       FloatOrNull(segment.weight > 0 ? std::sqrt(segment.inertia / segment.weight) : Metrics::kUndefined, &nulls[5]),
                       FloatArrayDatum(centroids + i * columns, columns)};
    rows.Add(values, nulls);
  }
  return static_cast<Datum>(0);
}

SEGMENTATION_FUNCTION(kmeans_centroids) {
  ResultRows rows(fcinfo);
  const struct varlena* value = ModelOf(fcinfo);
  std::int32_t* ids = nullptr;
  char** names = nullptr;
  double* raw = nullptr;
  double* scaled = nullptr;
  std::size_t count = 0;
  std::size_t columns = 0;
  CallCore([&] {
    const Model model = ReadModelValue(value);
    count = model.segments.size();
    columns = model.Columns();
    names = AllocateStrings(ColumnNames(model));
    ids = static_cast<std::int32_t*>(Allocate(count * sizeof(std::int32_t)));
    for (std::size_t i = 0; i < count; ++i) ids[i] = model.segments[i].id;
    const std::vector<double> in_raw = RawCentroids(model);
    const std::vector<double> in_scaled = ScaledCentroids(model);
    raw = static_cast<double*>(Allocate(2 * in_raw.size() * sizeof(double)));
    scaled = std::copy(in_raw.begin(), in_raw.end(), raw);
    std::copy(in_scaled.begin(), in_scaled.end(), scaled);
  });
  for (std::size_t i = 0; i < count * columns; ++i) {
    bool nulls[4] = {};
    Datum values[4] = {Int32GetDatum(ids[i / columns]), TextDatum(names[i % columns]), Float8GetDatum(raw[i]),
                       Float8GetDatum(scaled[i])};
    rows.Add(values, nulls);
  }
  return static_cast<Datum>(0);
}

}  // namespace segmentation
