// The aggregates that take rows in: kmeans, kmeans_sketch, kmeans_merge, and kmeans_fit, which trains from a sketch.
//
// Their state is a kmeans_sketch, appended to in place. Transition and combine functions refuse to be called outside an
// aggregate, look at nothing but their arguments, and never keep or change a second state.
#include "pg/sketch_state.h"
#include "pg/train.h"

namespace segmentation {
namespace {

MemoryContext AggregateContext(FunctionCallInfo fcinfo) {
  MemoryContext context;
  if (AggCheckCallContext(fcinfo, &context) == 0) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("function %s is called outside an aggregate",
                    get_func_name(fcinfo->flinfo->fn_oid))));
  }
  return context;
}

SketchState* StateArgument(FunctionCallInfo fcinfo, MemoryContext context) {
  return PG_ARGISNULL(0) ? nullptr : StateOf(PG_GETARG_DATUM(0), context);
}

Datum StateResult(FunctionCallInfo fcinfo, SketchState* state) {
  if (state == nullptr) PG_RETURN_NULL();
  return EOHPGetRWDatum(&state->header);
}

// A weight argument as AppendRow wants it.
struct WeightArgument {
  double value;
  bool given;
  bool is_null;
};

WeightArgument ReadWeight(FunctionCallInfo fcinfo, int argument) {
  if (PG_NARGS() <= argument) return {0, false, false};
  if (PG_ARGISNULL(argument)) return {0, true, true};
  return {PG_GETARG_FLOAT8(argument), true, false};
}

void AppendArguments(FunctionCallInfo fcinfo, SketchState* state, const WeightArgument& weight) {
  AppendRow(state, PG_GETARG_ARRAYTYPE_P(1), weight.given ? &weight.value : nullptr, weight.is_null);
}

std::int64_t CapacityArgument(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(2)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("capacity must not be null")));
  const int32 capacity = PG_GETARG_INT32(2);
  if (capacity < 1) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("capacity must be positive"),
                    errdetail("The capacity is %d.", capacity), errhint("It is the number of rows that are kept exactly.")));
  }
  return capacity;
}

// Rows of a state that was asked for the same, or a copy of it where there was none.
SketchState* Combine(SketchState* state, const SketchState* other, MemoryContext context) {
  if (state == nullptr) {
    state = NewSketchState(context);
    state->shape.capacity = other->shape.capacity;
    state->shape.weighted = other->shape.weighted;
    if (other->shape.has_fit) {
      state->shape.has_fit = true;
      state->shape.fit_bytes = other->shape.fit_bytes;
      state->k = other->k;
      state->on_null = other->on_null;
      state->options_bytes = other->options_bytes;
      state->options = static_cast<char*>(MemoryContextAlloc(state->header.eoh_context, other->options_bytes + 1));
      memcpy(state->options, other->options, other->options_bytes + 1);
    }
  } else if (state->shape.has_fit != other->shape.has_fit || state->k != other->k ||
             std::string_view(state->options == nullptr ? "" : state->options) !=
                 std::string_view(other->options == nullptr ? "" : other->options)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("number of clusters and options must be the same for all rows")));
  }
  AppendState(state, other);
  return state;
}

}  // namespace

// (state, features, k [, options [, weight]])
SEGMENTATION_FUNCTION(kmeans_accum) {
  MemoryContext context = AggregateContext(fcinfo);
  SketchState* state = StateArgument(fcinfo, context);
  if (PG_ARGISNULL(1)) return StateResult(fcinfo, state);
  if (PG_ARGISNULL(2)) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("number of clusters must not be null")));
  }
  struct varlena* options = nullptr;
  if (PG_NARGS() > 3 && !PG_ARGISNULL(3)) options = reinterpret_cast<struct varlena*>(PG_GETARG_JSONB_P(3));
  if (state == nullptr) {
    state = NewSketchState(context);
    SetFit(state, PG_GETARG_INT32(2), options);
  } else {
    RequireSameFit(state, PG_GETARG_INT32(2), options);
  }
  AppendArguments(fcinfo, state, ReadWeight(fcinfo, 4));
  return StateResult(fcinfo, state);
}

SEGMENTATION_FUNCTION(kmeans_combine) {
  MemoryContext context = AggregateContext(fcinfo);
  SketchState* state = StateArgument(fcinfo, context);
  if (PG_ARGISNULL(1)) return StateResult(fcinfo, state);
  SketchState* other = StateOf(PG_GETARG_DATUM(1), CurrentMemoryContext);
  if (state != nullptr && state->shape.capacity != other->shape.capacity) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("capacity must be the same for all rows")));
  }
  return StateResult(fcinfo, Combine(state, other, context));
}

SEGMENTATION_FUNCTION(kmeans_final) {
  MemoryContext context = AggregateContext(fcinfo);
  const SketchState* state = StateArgument(fcinfo, context);
  if (state == nullptr || state->shape.rows == 0) PG_RETURN_NULL();
  TrainedValue trained{};
  CallCore([&] { trained = KeepModel(Train(RowsOf(state), state->k, {state->options, state->options_bytes})); });
  SayWarnings(fcinfo, trained);
  if (trained.value == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(trained.value);
}

// (state, features, capacity [, weight])
SEGMENTATION_FUNCTION(kmeans_sketch_accum) {
  MemoryContext context = AggregateContext(fcinfo);
  SketchState* state = StateArgument(fcinfo, context);
  if (PG_ARGISNULL(1)) return StateResult(fcinfo, state);
  const auto capacity = static_cast<std::uint64_t>(CapacityArgument(fcinfo));
  if (state == nullptr) {
    state = NewSketchState(context);
    state->shape.capacity = capacity;
  } else if (state->shape.capacity != capacity) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("capacity must be the same for all rows"),
                    errdetail("One row asks for " UINT64_FORMAT " rows and another for " UINT64_FORMAT ".", state->shape.capacity,
                              capacity)));
  }
  AppendArguments(fcinfo, state, ReadWeight(fcinfo, 3));
  return StateResult(fcinfo, state);
}

// (state, sketch): also the combine function of kmeans_merge. The larger capacity wins; a fit section stays behind.
SEGMENTATION_FUNCTION(kmeans_merge_accum) {
  MemoryContext context = AggregateContext(fcinfo);
  SketchState* state = StateArgument(fcinfo, context);
  if (PG_ARGISNULL(1)) return StateResult(fcinfo, state);
  const SketchState* other = StateOf(PG_GETARG_DATUM(1), CurrentMemoryContext);
  if (state == nullptr) {
    state = NewSketchState(context);
    state->shape.weighted = other->shape.weighted;
  }
  state->shape.capacity = Max(state->shape.capacity, other->shape.capacity);
  if (state->shape.dimensions > 0) RefreshLimits(state);
  AppendState(state, other);
  return StateResult(fcinfo, state);
}

SEGMENTATION_FUNCTION(kmeans_sketch_final) {
  MemoryContext context = AggregateContext(fcinfo);
  const SketchState* state = StateArgument(fcinfo, context);
  if (state == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(CanonicalValue(state));
}

// (sketch, k, options)
SEGMENTATION_FUNCTION(kmeans_fit) {
  const auto* sketch = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM(PG_GETARG_DATUM(0)));
  const std::int32_t k = PG_GETARG_INT32(1);
  Jsonb* json = PG_GETARG_JSONB_P(2);
  const std::string_view options = ToUtf8(JsonbToCString(nullptr, &json->root, static_cast<int>(VARSIZE(json))));
  TrainedValue trained{};
  CallCore([&] { trained = KeepModel(Train(RowsOf(ReadTrustedSketch(SketchBytesOf(sketch))), k, options)); });
  SayWarnings(fcinfo, trained);
  if (trained.value == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(trained.value);
}

}  // namespace segmentation
