// kmeans_evaluate(model, features [, weight]): how well a model fits any rows.
//
// The state is a float8[], so that it can be sent and stored like any value:
//   [0] layout (1)  [1] segments k  [2] dimensions d  [3] rows without a score  [4] 53 bits of the model's fingerprint
//   then per segment 5 sums (rows, weight, distance, inertia, silhouette; core/metrics.h) and d shifts,
//   then the k * d values of the centroids.
#include <cmath>
#include <cstring>
#include <vector>

#include "core/metrics.h"
#include "pg/result_rows.h"
#include "pg/row_arg.h"

namespace segmentation {
namespace {

constexpr double kLayout = 1;
constexpr std::size_t kHead = 5;
constexpr std::size_t kSums = 5;
constexpr double kMaxRows = 0x1p62;  // what a bigint holds

double* Numbers(ArrayType* state) { return reinterpret_cast<double*>(ARR_DATA_PTR(state)); }

// A view of the numbers of a state.
struct EvaluationState {
  double* at;
  std::size_t segments() const { return static_cast<std::size_t>(at[1]); }
  std::size_t dimensions() const { return static_cast<std::size_t>(at[2]); }
  std::size_t stride() const { return kSums + dimensions(); }
  double* Segment(std::size_t s) const { return at + kHead + s * stride(); }
  double* Centroids() const { return at + kHead + segments() * stride(); }
  std::size_t size() const { return kHead + segments() * (stride() + dimensions()); }
};

// As many bits as a double holds exactly.
double ModelMark(const CachedModel* model) { return static_cast<double>(model->fingerprint.words[0] >> 11); }

// In the current context: the executor copies it to where states live.
ArrayType* NewState(const CachedModel* model, const struct varlena* value) {
  const std::size_t segments = model->scorer().segments();
  const std::size_t dimensions = model->scorer().dimensions();
  const std::size_t size = kHead + segments * (kSums + 2 * dimensions);
  const std::size_t bytes = ARR_OVERHEAD_NONULLS(1) + size * sizeof(double);
  auto* array = static_cast<ArrayType*>(palloc0(bytes));
  SET_VARSIZE(array, bytes);
  array->ndim = 1;
  array->elemtype = FLOAT8OID;
  ARR_DIMS(array)[0] = static_cast<int>(size);
  ARR_LBOUND(array)[0] = 1;
  const EvaluationState state{Numbers(array)};
  state.at[0] = kLayout;
  state.at[1] = static_cast<double>(segments);
  state.at[2] = static_cast<double>(dimensions);
  state.at[4] = ModelMark(model);
  CallCore([&] {
    const Model parsed = ReadModelValue(value);
    if (parsed.centroids.size() != state.segments() * state.dimensions()) throw Error(ErrorCode::kInternal, "two models of one fingerprint");
    std::memcpy(state.Centroids(), parsed.centroids.data(), parsed.centroids.size() * sizeof(double));
  });
  return array;
}

EvaluationState StateOf(ArrayType* array) {
  const EvaluationState state{Numbers(array)};
  const auto size = ARR_NDIM(array) == 1 ? static_cast<std::size_t>(ARR_DIMS(array)[0]) : 0;
  if (size < kHead || ARR_HASNULL(array) || state.at[0] != kLayout || !(state.at[1] >= 1 && state.at[1] <= kMaxClusters) ||
      !(state.at[2] >= 1 && state.at[2] <= kMaxCentroidValues) || state.size() != size ||
      !(state.at[3] >= 0 && state.at[3] < kMaxRows)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid state of kmeans_evaluate")));
  }
  return state;
}

void RequireAggregate(FunctionCallInfo fcinfo) {
  if (AggCheckCallContext(fcinfo, nullptr) == 0) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("kmeans_evaluate is called outside an aggregate")));
  }
}

double ReadWeight(FunctionCallInfo fcinfo) {
  if (PG_NARGS() <= 3) return 1;
  if (PG_ARGISNULL(3)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("weight must not be null")));
  const double weight = PG_GETARG_FLOAT8(3);
  if (!std::isfinite(weight)) ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("weight must be finite")));
  if (weight < 0) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("weight must not be negative")));
  return weight;
}

void AddPoint(const EvaluationState& state, const Scorer& scorer, const double* point, double weight) {
  Neighbor own;
  Neighbor other;
  scorer.NearestTwo(point, &own, &other);
  if (!std::isfinite(own.square)) {
    state.at[3] += 1;
    return;
  }
  double* sums = state.Segment(own.index);
  sums[0] += 1;
  sums[1] += weight;
  sums[2] += weight * std::sqrt(own.square);
  sums[3] += weight * own.square;
  sums[4] += weight * CentroidSilhouette(own.square, other.square);
  const double* centroid = state.Centroids() + own.index * state.dimensions();
  for (std::size_t j = 0; j < state.dimensions(); ++j) sums[kSums + j] += weight * (point[j] - centroid[j]);
}

template <ArgumentKind kKind>
Datum Accumulate(FunctionCallInfo fcinfo) {
  RequireAggregate(fcinfo);
  ArrayType* array = PG_ARGISNULL(0) ? nullptr : PG_GETARG_ARRAYTYPE_P(0);
  if (PG_ARGISNULL(1) || PG_ARGISNULL(2)) {
    if (array == nullptr) PG_RETURN_NULL();
    PG_RETURN_POINTER(array);
  }
  CachedModel* model = CachedModelOf(fcinfo, 1);
  const double weight = ReadWeight(fcinfo);
  if (array == nullptr) {
    const auto* value = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(1)));
    array = NewState(model, value);
  }
  // Anybody may build an aggregate on this function, so a state is checked here too.
  const EvaluationState state = StateOf(array);
  if (state.at[4] != ModelMark(model) || state.segments() != model->scorer().segments() ||
      state.dimensions() != model->scorer().dimensions()) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("model must be the same for all rows")));
  }
  if (weight == 0) PG_RETURN_POINTER(array);
  const double* point = ReadPoint(fcinfo, model, kKind, 2);
  if (point == nullptr) {
    state.at[3] += 1;
  } else {
    AddPoint(state, model->scorer(), point, weight);
  }
  PG_RETURN_POINTER(array);
}

}  // namespace

// (state, model, features [, weight])
SEGMENTATION_FUNCTION(kmeans_evaluate_accum_array) { return Accumulate<ArgumentKind::kArray>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_evaluate_accum_jsonb) { return Accumulate<ArgumentKind::kJsonb>(fcinfo); }

SEGMENTATION_FUNCTION(kmeans_evaluate_combine) {
  RequireAggregate(fcinfo);
  ArrayType* first = PG_ARGISNULL(0) ? nullptr : PG_GETARG_ARRAYTYPE_P(0);
  if (PG_ARGISNULL(1)) {
    if (first == nullptr) PG_RETURN_NULL();
    PG_RETURN_POINTER(first);
  }
  ArrayType* second = PG_GETARG_ARRAYTYPE_P(1);
  const EvaluationState from = StateOf(second);
  // A copy: the second state is not ours to keep.
  if (first == nullptr) PG_RETURN_DATUM(datumCopy(PointerGetDatum(second), false, -1));
  const EvaluationState to = StateOf(first);
  if (to.size() != from.size() || to.segments() != from.segments() || to.at[4] != from.at[4]) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("model must be the same for all rows")));
  }
  to.at[3] += from.at[3];
  for (double *a = to.Segment(0), *b = from.Segment(0); a < to.Centroids(); ++a, ++b) *a += *b;
  PG_RETURN_POINTER(first);
}

SEGMENTATION_FUNCTION(kmeans_evaluate_final) {
  RequireAggregate(fcinfo);
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  const EvaluationState state = StateOf(PG_GETARG_ARRAYTYPE_P(0));
  Evaluation result;
  CallCore([&] {
    std::vector<ClusterSums> clusters;
    for (std::size_t s = 0; s < state.segments(); ++s) {
      const double* sums = state.Segment(s);
      clusters.push_back({sums[0], sums[1], sums[2], sums[3], sums[4],
                          std::vector<double>(sums + kSums, sums + state.stride())});
    }
    const std::vector<double> centroids(state.Centroids(), state.Centroids() + state.segments() * state.dimensions());
    result = Evaluate(clusters, centroids, state.dimensions(), ServerInterrupt());
  });
  if (!(result.rows >= 0 && result.rows < kMaxRows)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid state of kmeans_evaluate")));
  }
  const bool empty = !(result.weight > 0);
  bool nulls[8] = {false, false, false, empty, empty, false, false, false};
  Datum values[8] = {Int64GetDatum(static_cast<int64>(result.rows)), Int64GetDatum(static_cast<int64>(state.at[3])),
                     Float8GetDatum(result.weight), Float8GetDatum(result.metrics.inertia),
                     Float8GetDatum(result.metrics.mean_distance), FloatOrNull(result.metrics.silhouette, &nulls[5]),
                     FloatOrNull(result.metrics.calinski_harabasz, &nulls[6]), FloatOrNull(result.metrics.davies_bouldin, &nulls[7])};
  PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}

}  // namespace segmentation
