// What segmentation.stability asks of the core: a function of its arguments alone. The rows come from src/sql/87_stability.sql.
#include <cmath>
#include <string>
#include <vector>

#include "core/json_writer.h"
#include "core/stability.h"
#include "pg/array_arg.h"
#include "pg/model_type.h"
#include "pg/settings.h"

namespace segmentation {
namespace {

// Rows of equal length: a float8[][] in place.
struct PointArray {
  const double* values;
  std::size_t rows;
  std::size_t columns;
};

PointArray ReadPoints(ArrayType* array) {
  if (ARR_NDIM(array) != 2) {
    ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("array of points must have two dimensions"),
                    errdetail("It has %d.", ARR_NDIM(array))));
  }
  if (array_contains_nulls(array)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("array must not contain null values")));
  return {reinterpret_cast<const double*>(ARR_DATA_PTR(array)), static_cast<std::size_t>(ARR_DIMS(array)[0]), static_cast<std::size_t>(ARR_DIMS(array)[1])};
}

// One per row; nullptr for an empty array: none are given.
const double* ReadWeights(ArrayType* array, std::size_t rows) {
  if (ARR_NDIM(array) == 0) return nullptr;
  const FeatureArray weights = ReadFeatures(array);
  if (weights.nulls != nullptr) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("array must not contain null values")));
  if (static_cast<std::size_t>(weights.length) != rows) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("there must be one weight for each point"),
                    errdetail("There are %d weights and %zu points.", weights.length, rows)));
  }
  return weights.values;
}

// The rows as the core wants them: finite, no -0, each with its weight behind it.
std::vector<double> PackRows(const PointArray& points, const double* weights) {
  std::vector<double> packed;
  packed.reserve(points.rows * (points.columns + 1));
  for (std::size_t i = 0; i < points.rows; ++i) {
    for (std::size_t j = 0; j < points.columns; ++j) {
      const double value = points.values[i * points.columns + j];
      if (!std::isfinite(value)) throw Error(ErrorCode::kNotFinite, "points must be finite");
      packed.push_back(value + 0.0);
    }
    if (weights == nullptr) continue;
    if (!(weights[i] > 0) || !std::isfinite(weights[i])) throw Error(ErrorCode::kInvalidParameter, "weights must be positive and finite");
    packed.push_back(weights[i]);
  }
  return packed;
}

std::string StabilityJson(const Stability& stability) {
  std::string out;
  ObjectWriter to(&out);
  to.Number("rows", std::uint64_t{stability.rows});
  to.Number("adjusted_rand_index", stability.adjusted_rand_index);
  to.Bool("structured", stability.structured);
  AppendJsonArray(to.Key("segments"), stability.segments, [](std::string* json, const SegmentStability& segment) {
    ObjectWriter one(json);
    one.Number("segment", std::int64_t{segment.segment});
    one.Number("rows", std::uint64_t{segment.rows});
    one.NumberOrNull("jaccard", segment.jaccard);
    one.NumberOrNull("jaccard_low", segment.jaccard_low);
    one.NumberOrNull("dissolved", segment.dissolved);
    one.Close();
  });
  to.Close();
  return out;
}

}  // namespace

// (model, points, weights, samples, outliers)
SEGMENTATION_FUNCTION(stability_of) {
  const struct varlena* value = ModelArgument(fcinfo, 0);
  const PointArray points = ReadPoints(PG_GETARG_ARRAYTYPE_P(1));
  const double* weights = ReadWeights(PG_GETARG_ARRAYTYPE_P(2), points.rows);
  const std::int32_t samples = PG_GETARG_INT32(3);
  const double outliers = PG_GETARG_FLOAT8(4);
  char* answer = nullptr;
  CallCore([&] {
    const std::vector<double> packed = PackRows(points, weights);
    RowSet set;
    set.dimensions = points.columns;
    set.weighted = weights != nullptr;
    set.rows = points.rows;
    set.blocks.push_back({reinterpret_cast<const char*>(packed.data()), points.rows});
    ThreadTeam team(ServerInterrupt(), TrainingThreads());
    answer = AllocateString(StabilityJson(FindStability(set, ReadModelValue(value), samples, team, outliers)));
  });
  PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(answer)));
}

}  // namespace segmentation
