#include "pg/evaluation_state.h"

#include <cmath>
#include <cstring>

#include "pg/array_arg.h"

namespace segmentation {
namespace {

constexpr double kMaxRows = 0x1p62;  // what a bigint holds
constexpr double kMaxText = 0x1p30;

[[noreturn]] void RaiseInvalidState(const EvaluationKind& kind) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid state of %s", kind.aggregate)));
  pg_unreachable();
}

// As many bits as a double holds exactly.
double ModelMark(const CachedModel* model) { return static_cast<double>(model->fingerprint.words[0] >> 11); }

// In the current context: the executor copies it to where states live.
ArrayType* NewState(const CachedModel* model, const struct varlena* value, const EvaluationKind& kind) {
  const std::string_view text = kind.keeps_model ? ModelText(value) : std::string_view();
  double head[EvaluationState::kHead] = {kind.layout, static_cast<double>(model->scorer().segments()),
                                         static_cast<double>(model->scorer().dimensions()), 0, ModelMark(model),
                                         static_cast<double>(text.size())};
  ArrayType* array = NewFloatArray(EvaluationState{head}.size());
  const EvaluationState state{FloatsOf(array)};
  memcpy(state.at, head, sizeof head);
  CallCore([&] {
    const Model parsed = ReadModelValue(value);
    if (parsed.centroids.size() != state.segments() * state.dimensions()) {
      throw Error(ErrorCode::kInternal, "two models of one fingerprint");
    }
    std::memcpy(state.Centroids(), parsed.centroids.data(), parsed.centroids.size() * sizeof(double));
  });
  PackText(text, state.Text());
  return array;
}

// The sizes are checked; the sums are when they are used.
EvaluationState StateOf(ArrayType* array, const EvaluationKind& kind) {
  const EvaluationState state{FloatsOf(array)};
  const auto size = ARR_NDIM(array) == 1 ? static_cast<std::size_t>(ARR_DIMS(array)[0]) : 0;
  if (size < EvaluationState::kHead || ARR_HASNULL(array) || state.at[0] != kind.layout ||
      !(state.at[1] >= 1 && state.at[1] <= kMaxClusters) || !(state.at[2] >= 1 && state.at[2] <= kMaxCentroidValues) ||
      !(state.at[3] >= 0 && state.at[3] < kMaxRows) || !(state.at[5] >= 0 && state.at[5] < kMaxText) ||
      kind.keeps_model != (state.at[5] > 0) || state.size() != size) {
    RaiseInvalidState(kind);
  }
  return state;
}

[[noreturn]] void RaiseOtherModel() {
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("model must be the same for all rows")));
  pg_unreachable();
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
  double* shift = sums + EvaluationState::kSums;
  for (std::size_t j = 0; j < state.dimensions(); ++j) shift[j] += weight * (point[j] - centroid[j]);
}

}  // namespace

Datum AccumulateEvaluation(FunctionCallInfo fcinfo, const EvaluationKind& kind, ArgumentKind features) {
  AggregateContext(fcinfo);
  ArrayType* array = PG_ARGISNULL(0) ? nullptr : PG_GETARG_ARRAYTYPE_P(0);
  if (PG_ARGISNULL(1) || PG_ARGISNULL(2)) {
    if (array == nullptr) PG_RETURN_NULL();
    PG_RETURN_POINTER(array);
  }
  CachedModel* model = CachedModelOf(fcinfo, 1);
  const double weight = ReadWeight(fcinfo);
  if (array == nullptr) {
    array = NewState(model, reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(1))), kind);
  }
  const EvaluationState state = StateOf(array, kind);
  if (state.at[4] != ModelMark(model) || state.segments() != model->scorer().segments() ||
      state.dimensions() != model->scorer().dimensions()) {
    RaiseOtherModel();
  }
  if (weight == 0) PG_RETURN_POINTER(array);
  const double* point = ReadPoint(fcinfo, model, features, 2);
  if (point == nullptr) {
    state.at[3] += 1;
  } else {
    AddPoint(state, model->scorer(), point, weight);
  }
  PG_RETURN_POINTER(array);
}

Datum CombineEvaluations(FunctionCallInfo fcinfo, const EvaluationKind& kind) {
  AggregateContext(fcinfo);
  ArrayType* first = PG_ARGISNULL(0) ? nullptr : PG_GETARG_ARRAYTYPE_P(0);
  if (PG_ARGISNULL(1)) {
    if (first == nullptr) PG_RETURN_NULL();
    PG_RETURN_POINTER(first);
  }
  ArrayType* second = PG_GETARG_ARRAYTYPE_P(1);
  const EvaluationState from = StateOf(second, kind);
  // A copy: the second state is not ours to keep.
  if (first == nullptr) PG_RETURN_DATUM(datumCopy(PointerGetDatum(second), false, -1));
  const EvaluationState to = StateOf(first, kind);
  if (to.size() != from.size() || to.segments() != from.segments() || to.dimensions() != from.dimensions() ||
      to.at[4] != from.at[4] || to.text_bytes() != from.text_bytes()) {
    RaiseOtherModel();
  }
  to.at[3] += from.at[3];
  for (double *a = to.Segment(0), *b = from.Segment(0); a < to.Centroids(); ++a, ++b) *a += *b;
  PG_RETURN_POINTER(first);
}

bool ReadEvaluation(FunctionCallInfo fcinfo, const EvaluationKind& kind, EvaluationState* state) {
  AggregateContext(fcinfo);
  if (PG_ARGISNULL(0)) return false;
  *state = StateOf(PG_GETARG_ARRAYTYPE_P(0), kind);
  double rows = 0;
  for (std::size_t s = 0; s < state->segments(); ++s) {
    const double* sums = state->Segment(s);
    rows += sums[0];
    if (!(sums[0] >= 0 && sums[1] >= 0 && sums[2] >= 0 && sums[3] >= 0)) RaiseInvalidState(kind);
  }
  if (!(rows < kMaxRows)) RaiseInvalidState(kind);
  return true;
}

std::vector<ClusterSums> ClustersOf(const EvaluationState& state) {
  std::vector<ClusterSums> clusters;
  for (std::size_t s = 0; s < state.segments(); ++s) {
    const double* sums = state.Segment(s);
    clusters.push_back({sums[0], sums[1], sums[2], sums[3], sums[4],
                        std::vector<double>(sums + EvaluationState::kSums, sums + state.stride())});
  }
  return clusters;
}

std::string TextOf(const EvaluationState& state) { return UnpackText(state.Text(), state.text_bytes(), "model"); }

}  // namespace segmentation
