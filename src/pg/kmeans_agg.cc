// The aggregates that take rows in: kmeans, kmeans_sketch, kmeans_merge, and kmeans_fit, which trains from a sketch.
//
// Their state is a kmeans_sketch, appended to in place: a small one flat (flat_state.h), a larger one as an expanded object.
// Transition and combine functions refuse to be called outside an aggregate, look at nothing but their arguments, and never keep
// or change a second state that anybody else may see (shared_rows.h).
#include <cstring>

#include "core/k_trials.h"
#include "pg/fit_request.h"
#include "pg/flat_state.h"
#include "pg/model_type.h"
#include "pg/progress.h"
#include "pg/settings.h"
#include "pg/sketch_state.h"
#include "pg/train.h"

namespace segmentation {
namespace {

// A state that this aggregate is to fill.
void SetUse(FunctionCallInfo fcinfo, SketchState* state) {
  state->use = UseOfState(fcinfo);
  if (state->use == StateUse::kLeader) state->chunks.area = castNode(AggState, fcinfo->context)->ss.ps.state->es_query_dsa;
}

SketchState* NewState(FunctionCallInfo fcinfo, MemoryContext context) {
  SketchState* state = NewSketchState(context);
  state->compresses = true;
  SetUse(fcinfo, state);
  return state;
}

SketchState* StateArgument(FunctionCallInfo fcinfo, MemoryContext context) {
  if (PG_ARGISNULL(0)) return nullptr;
  const Datum value = PG_GETARG_DATUM(0);
  SketchState* state = StateOf(value, context);
  if (!IsSketchState(value)) SetUse(fcinfo, state);
  return state;
}

Datum StateResult(FunctionCallInfo fcinfo, SketchState* state) {
  if (state == nullptr) PG_RETURN_NULL();
  return EOHPGetRWDatum(&state->header);
}

// The state as it came.
Datum SameState(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  return PG_GETARG_DATUM(0);
}

// The arguments that make a row.
struct RowArguments {
  ArrayRoom room;
  FeatureArray features;
  double weight_value;
  const double* weight;  // nullptr where rows have none
  bool weight_is_null;
};

void ReadRow(FunctionCallInfo fcinfo, int weight_argument, RowArguments* row) {
  row->features = ReadFeatures(ReadArray(PG_GETARG_DATUM(1), &row->room));
  row->weight = nullptr;
  row->weight_is_null = false;
  if (PG_NARGS() <= weight_argument) return;
  row->weight = &row->weight_value;
  row->weight_is_null = PG_ARGISNULL(weight_argument);
  row->weight_value = row->weight_is_null ? 0 : PG_GETARG_FLOAT8(weight_argument);
}

// Appends to a flat state, where that can be done; `result` is what it becomes.
bool AppendFlat(FlatState* state, const RowRules& rules, const RowArguments& row, Datum* result) {
  const SketchHeader& header = state->view.header;
  const auto length = static_cast<std::uint32_t>(row.features.length);
  if (header.dimensions != length) {
    RaiseDimensionMismatch(row.features.length, static_cast<int>(header.dimensions), "earlier rows have");
  }
  if ((row.weight != nullptr && !header.weighted) || !ReserveFlat(state, header.RowBytes())) return false;
  AppendFlatRow(state, rules, row.features, row.weight, row.weight_is_null);
  *result = PointerGetDatum(state->value);
  return true;
}

// An empty flat state for the first row; false where its rows are too wide for one.
bool StartFlat(const RowArguments& row, std::uint64_t capacity, std::int32_t k, const char* options, std::size_t options_bytes,
               FlatState* state) {
  SketchHeader shape;
  shape.weighted = row.weight != nullptr;
  shape.has_fit = options != nullptr;
  shape.dimensions = static_cast<std::uint32_t>(row.features.length);
  shape.fit_bytes = options == nullptr ? 0 : static_cast<std::uint32_t>(sizeof k + options_bytes);
  shape.capacity = capacity;
  if (shape.fit_bytes + 4 * shape.RowBytes() > kMaxFlatBytes / 2) return false;
  *state = NewFlatState(shape, k, {options, options_bytes});
  return true;
}

std::uint64_t CapacityArgument(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(2)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("capacity must not be null")));
  const int32 capacity = PG_GETARG_INT32(2);
  if (capacity < 1) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("capacity must be positive"),
                    errdetail("The capacity is %d.", capacity), errhint("It is the number of rows that are kept exactly.")));
  }
  return static_cast<std::uint64_t>(capacity);
}

void RequireSameCapacity(std::uint64_t state, std::uint64_t row) {
  if (likely(state == row)) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("capacity must be the same for all rows"),
                  errdetail("One row asks for " UINT64_FORMAT " rows and another for " UINT64_FORMAT ".", state, row)));
}

// A state that is only looked at, as it came.
struct OtherState {
  SketchState* object;  // where it is an expanded one; otherwise the view
  SketchView view;
  SharedList shared;  // more rows of the view

  std::int32_t k() const { return object != nullptr ? object->k : view.k; }
  std::string_view options() const {
    return object != nullptr ? std::string_view(object->options, object->options_bytes) : view.options;
  }
  const SketchHeader& shape() const { return object != nullptr ? object->shape : view.header; }
};

OtherState ReadOther(Datum value) {
  OtherState other{};
  if (IsSketchState(value)) {
    other.object = StateOf(value, CurrentMemoryContext);
  } else {
    const auto* flat = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(value));
    CallCore([&] { other.view = ReadTrustedSketch(SketchBytesOf(flat)); });
  }
  return other;
}

// The same for a partial state, which may only tell where its rows are.
OtherState ReadPartial(FunctionCallInfo fcinfo, Datum value) {
  if (IsSketchState(value) || !CombinesPartialStates(fcinfo)) return ReadOther(value);
  OtherState other{};
  std::string_view bytes = SketchBytesOf(reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(value)));
  other.object = static_cast<SketchState*>(ReadLocalState(bytes));
  if (other.object != nullptr) return other;
  other.shared = ReadSharedList(&bytes);
  CallCore([&] { other.view = ReadTrustedSketch(bytes); });
  return other;
}

void AppendOther(FunctionCallInfo fcinfo, SketchState* state, const OtherState& other) {
  if (other.object != nullptr) return AppendState(state, other.object);
  AppendView(state, other.view);
  if (other.shared.blocks == 0) return;
  const SharedQuery query = FindSharedQuery(fcinfo, other.shared);
  for (std::uint64_t i = 0; i < other.shared.blocks; ++i) {
    CHECK_FOR_INTERRUPTS();
    SharedRows rows;
    memcpy(&rows, other.shared.first + i * sizeof rows, sizeof rows);
    AppendShared(state, other.view.header, query, rows);
  }
}

void RequireSameRequest(const SketchHeader& shape, std::int32_t k, std::string_view options, const OtherState& other) {
  if (shape.has_fit != other.shape().has_fit || k != other.k() || options != other.options()) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("number of clusters and options must be the same for all rows")));
  }
  if (shape.capacity != other.shape().capacity) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("capacity must be the same for all rows")));
  }
}

// Merges small states without making objects of them; keep_fit: what the state was asked for goes along.
bool CombineFlat(FunctionCallInfo fcinfo, const OtherState& other, bool keep_fit, Datum* result) {
  if (other.object != nullptr || other.shared.blocks > 0) return false;
  if (other.view.header.cells > 0 || other.view.header.dimensions == 0) return false;
  FlatState state;
  if (PG_ARGISNULL(0)) {
    SketchHeader shape = other.view.header;
    shape.skipped = 0;
    if (!keep_fit) {
      shape.has_fit = false;
      shape.fit_bytes = 0;
    }
    if (other.view.bytes > kMaxFlatBytes / 2) return false;
    state = NewFlatState(shape, other.view.k, other.view.options);
  } else {
    if (!ReadFlatState(PG_GETARG_DATUM(0), &state)) return false;
    if (keep_fit) RequireSameRequest(state.view.header, state.view.k, state.view.options, other);
    if (state.view.header.capacity != other.view.header.capacity) return false;
  }
  if (!AppendFlatRows(&state, other.view)) return false;
  *result = PointerGetDatum(state.value);
  return true;
}

// A state to train from, which stays as it is; and its rows, from inside C++.
OtherState ReadSettled(Datum value) {
  const OtherState state = ReadOther(value);
  if (state.object != nullptr) SettledShape(state.object);
  return state;
}

RowSet RowsOfOther(const OtherState& state) { return state.object != nullptr ? SettledRows(state.object) : RowsOf(state.view); }

TrainedValue TrainState(Datum value) {
  const OtherState state = ReadSettled(value);
  TrainedValue trained{};
  CallCore([&] {
    const RowSet rows = RowsOfOther(state);
    if (rows.rows + rows.cell_rows > 0) trained = KeepModel(Train(rows, state.k(), state.options()));
  });
  return trained;
}

// The models of a state for every k that it was asked for; their number in `count`.
Datum* TrainRange(Datum value, int* count) {
  const OtherState state = ReadSettled(value);
  Datum* models = nullptr;
  *count = 0;
  CallCore([&] {
    const RowSet rows = RowsOfOther(state);
    const Options options = ParseOptions(state.options(), OptionsOf::kRange);
    const std::vector<Model> trained = FitRange(rows, options.k_min, state.k(), options, ServerInterrupt(), TrainingThreads());
    models = static_cast<Datum*>(Allocate((trained.size() + 1) * sizeof(Datum)));
    for (const Model& model : trained) models[(*count)++] = PointerGetDatum(MakeModelValue(model));
  });
  return models;
}

// Which k is best for the rows of a state, as JSON with the model (core/k_trials.h); nullptr without rows.
char* ChooseForState(Datum value) {
  const OtherState state = ReadSettled(value);
  char* answer = nullptr;
  CallCore([&] {
    const RowSet rows = RowsOfOther(state);
    const Options options = ParseOptions(state.options(), OptionsOf::kRange);
    Training training(rows, options, ServerInterrupt(), TrainingThreads());
    if (training.empty()) return;
    answer = AllocateString(ChooseAndFit(&training, static_cast<std::size_t>(options.k_min), static_cast<std::size_t>(state.k()), options));
  });
  return answer;
}

Datum AccumulateFit(FunctionCallInfo fcinfo, const FitArguments& where) {
  MemoryContext context = AggregateContext(fcinfo);
  if (PG_ARGISNULL(1)) return SameState(fcinfo);
  FitRequest* request = ReadFitRequest(fcinfo, where);
  RowArguments row;
  Datum result;
  if (PG_ARGISNULL(0)) {
    ReadRow(fcinfo, where.weight, &row);
    CheckFitRequest(request, static_cast<std::uint32_t>(row.features.length));
    FlatState flat;
    if (StartFlat(row, 0, request->k, request->options, request->options_bytes, &flat) &&
        AppendFlat(&flat, {request->on_null, true}, row, &result)) {
      return result;
    }
    SketchState* state = NewState(fcinfo, context);
    SetFitText(state, request->k, request->text());
    AppendFeatures(state, row.features, row.weight, row.weight_is_null);
    return StateResult(fcinfo, state);
  }
  FlatState flat;
  if (!IsSketchState(PG_GETARG_DATUM(0)) && ReadFlatState(PG_GETARG_DATUM(0), &flat) && flat.view.header.has_fit) {
    RequireSameFit(flat.view.k, flat.view.options, request->k, request->text());
    ReadRow(fcinfo, where.weight, &row);
    CheckFitRequest(request, flat.view.header.dimensions);
    if (AppendFlat(&flat, {request->on_null, true}, row, &result)) return result;
  }
  SketchState* state = StateArgument(fcinfo, context);
  if (unlikely(!state->shape.has_fit)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("sketch is not the state of a training")));
  }
  if (state->matched == nullptr || state->matched != request) {
    RequireSameFit(state->k, {state->options, state->options_bytes}, request->k, request->text());
    state->matched = request->constant ? request : nullptr;
  }
  ReadRow(fcinfo, where.weight, &row);
  AppendFeatures(state, row.features, row.weight, row.weight_is_null);
  if (unlikely(state->all_rows() % kRowsPerReport == 0)) SayRowsRead("training", state->all_rows());
  return StateResult(fcinfo, state);
}

}  // namespace

// (state, features, k [, options [, weight]])
SEGMENTATION_FUNCTION(kmeans_accum) { return AccumulateFit(fcinfo, kOneK); }

// (state, features, k_min, k_max [, options [, weight]])
SEGMENTATION_FUNCTION(kmeans_range_accum) { return AccumulateFit(fcinfo, kRangeOfK); }

SEGMENTATION_FUNCTION(kmeans_combine) {
  MemoryContext context = AggregateContext(fcinfo);
  if (PG_ARGISNULL(1)) return SameState(fcinfo);
  const OtherState other = ReadPartial(fcinfo, PG_GETARG_DATUM(1));
  Datum result;
  if (CombineFlat(fcinfo, other, true, &result)) return result;
  SketchState* state = StateArgument(fcinfo, context);
  if (state == nullptr) {
    state = NewState(fcinfo, context);
    state->shape.capacity = other.shape().capacity;
    state->shape.weighted = other.shape().weighted;
    if (other.shape().has_fit) SetFitText(state, other.k(), other.options());
  } else {
    RequireSameRequest(state->shape, state->k, {state->options, state->options_bytes}, other);
  }
  AppendOther(fcinfo, state, other);
  return StateResult(fcinfo, state);
}

SEGMENTATION_FUNCTION(kmeans_final) {
  AggregateContext(fcinfo);
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  const TrainedValue trained = TrainState(PG_GETARG_DATUM(0));
  SayWarnings(fcinfo, trained);
  if (trained.value == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(trained.value);
}

SEGMENTATION_FUNCTION(kmeans_range_final) {
  AggregateContext(fcinfo);
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  int count;
  Datum* models = TrainRange(PG_GETARG_DATUM(0), &count);
  if (count == 0) PG_RETURN_NULL();
  const Oid type = get_element_type(get_fn_expr_rettype(fcinfo->flinfo));
  int16 length;
  bool by_value;
  char alignment;
  get_typlenbyvalalign(type, &length, &by_value, &alignment);
  PG_RETURN_ARRAYTYPE_P(construct_array(models, count, type, length, by_value, alignment));
}

SEGMENTATION_FUNCTION(choose_final) {
  AggregateContext(fcinfo);
  const char* answer = PG_ARGISNULL(0) ? nullptr : ChooseForState(PG_GETARG_DATUM(0));
  if (answer == nullptr) PG_RETURN_NULL();
  PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(answer)));
}

// (state, features, capacity [, weight])
SEGMENTATION_FUNCTION(kmeans_sketch_accum) {
  MemoryContext context = AggregateContext(fcinfo);
  if (PG_ARGISNULL(1)) return SameState(fcinfo);
  const std::uint64_t capacity = CapacityArgument(fcinfo);
  constexpr RowRules kRules = {OnNull::kError, false};
  RowArguments row;
  Datum result;
  FlatState flat;
  SketchState* state;
  if (PG_ARGISNULL(0)) {
    ReadRow(fcinfo, 3, &row);
    if (StartFlat(row, capacity, 0, nullptr, 0, &flat) && AppendFlat(&flat, kRules, row, &result)) return result;
    state = NewState(fcinfo, context);
    state->shape.capacity = capacity;
  } else {
    if (!IsSketchState(PG_GETARG_DATUM(0)) && ReadFlatState(PG_GETARG_DATUM(0), &flat) && !flat.view.header.has_fit) {
      RequireSameCapacity(flat.view.header.capacity, capacity);
      ReadRow(fcinfo, 3, &row);
      if (AppendFlat(&flat, kRules, row, &result)) return result;
    }
    state = StateArgument(fcinfo, context);
    RequireSameCapacity(state->shape.capacity, capacity);
    ReadRow(fcinfo, 3, &row);
  }
  AppendFeatures(state, row.features, row.weight, row.weight_is_null);
  return StateResult(fcinfo, state);
}

// (state, sketch): also the combine function of kmeans_merge. The larger capacity wins; a fit section stays behind.
SEGMENTATION_FUNCTION(kmeans_merge_accum) {
  MemoryContext context = AggregateContext(fcinfo);
  if (PG_ARGISNULL(1)) return SameState(fcinfo);
  const OtherState other = ReadOther(PG_GETARG_DATUM(1));
  Datum result;
  if (CombineFlat(fcinfo, other, false, &result)) return result;
  SketchState* state = StateArgument(fcinfo, context);
  if (state == nullptr) {
    state = NewState(fcinfo, context);
    state->shape.capacity = other.shape().capacity;
    state->shape.weighted = other.shape().weighted;
  }
  state->shape.capacity = Max(state->shape.capacity, other.shape().capacity);
  RefreshLimits(state);
  AppendOther(fcinfo, state, other);
  return StateResult(fcinfo, state);
}

SEGMENTATION_FUNCTION(kmeans_sketch_final) {
  AggregateContext(fcinfo);
  SketchState* state = StateArgument(fcinfo, CurrentMemoryContext);
  if (state == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(CanonicalValue(state));
}

// (sketch, k, options)
SEGMENTATION_FUNCTION(kmeans_fit) {
  const auto* sketch = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM(PG_GETARG_DATUM(0)));
  const std::int32_t k = PG_GETARG_INT32(1);
  const std::string_view options = OptionsText(reinterpret_cast<struct varlena*>(PG_GETARG_JSONB_P(2)));
  TrainedValue trained{};
  CallCore([&] { trained = KeepModel(Train(RowsOf(ReadTrustedSketch(SketchBytesOf(sketch))), k, options, OptionsOf::kAggregate)); });
  SayWarnings(fcinfo, trained);
  if (trained.value == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(trained.value);
}

}  // namespace segmentation
