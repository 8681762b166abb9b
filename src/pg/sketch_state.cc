#include "pg/sketch_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "pg/array_arg.h"
#include "pg/settings.h"

namespace segmentation {
namespace {

constexpr std::size_t kFirstChunkBytes = 2048;
constexpr std::size_t kLargestChunkBytes = std::size_t{4} << 20;

Size FlatSize(ExpandedObjectHeader* header) {
  auto* state = reinterpret_cast<SketchState*>(header);
  std::size_t bytes = 0;
  CallCore([&] { bytes = SketchBytes(state->shape); });
  return VARHDRSZ + bytes;
}

void FlattenInto(ExpandedObjectHeader* header, void* result, Size allocated) {
  auto* state = reinterpret_cast<SketchState*>(header);
  SET_VARSIZE(result, allocated);
  char* to = WriteSketchPrefix(state->shape, state->k, {state->options, state->options_bytes}, VARDATA(result));
  for (RowChunk* chunk = state->first; chunk != nullptr; chunk = chunk->next) {
    CHECK_FOR_INTERRUPTS();
    const std::size_t bytes = chunk->rows * state->shape.RowBytes();
    memcpy(to, chunk->Data(), bytes);
    to += bytes;
  }
}

const ExpandedObjectMethods kMethods = {FlatSize, FlattenInto};

std::size_t RowWidth(const SketchState* state) { return state->shape.dimensions + (state->shape.weighted ? 1u : 0u); }

// Fixes what follows from the width of a row.
void SetDimensions(SketchState* state, std::size_t dimensions) {
  if (dimensions > kMaxDimensions) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many features"),
                    errdetail("A row has %zu features; the limit is %zu.", dimensions, kMaxDimensions)));
  }
  state->shape.dimensions = static_cast<std::uint32_t>(dimensions);
  RefreshLimits(state);
}

void AddChunk(SketchState* state, std::uint64_t rows) {
  const std::size_t bytes = sizeof(RowChunk) + rows * state->shape.RowBytes();
  auto* chunk = static_cast<RowChunk*>(MemoryContextAllocHuge(state->header.eoh_context, bytes));
  chunk->next = nullptr;
  chunk->rows = 0;
  chunk->room = rows;
  (state->last == nullptr ? state->first : state->last->next) = chunk;
  state->last = chunk;
}

[[noreturn]] void RaiseTooManyRows(const SketchState* state) {
  if (state->shape.capacity > 0 && state->max_rows == state->shape.capacity) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows for the sketch"),
                    errdetail("Its capacity is " UINT64_FORMAT " rows.", state->shape.capacity),
                    errhint("Make the sketch with a larger capacity.")));
  }
  ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows for segmentation.train_memory"),
                  errdetail("More than " UINT64_FORMAT " rows of %zu bytes do not fit into " UINT64_FORMAT " MB.", state->max_rows,
                            state->shape.RowBytes(), TrainMemoryBytes() >> 20),
                  errhint("Raise segmentation.train_memory, or train on a sample of the rows.")));
  pg_unreachable();
}

void RequireRoom(const SketchState* state, std::uint64_t rows) {
  if (rows > state->max_rows - std::min(state->max_rows, state->shape.rows)) RaiseTooManyRows(state);
}

// Where the next row goes.
inline double* RoomForRow(SketchState* state) {
  if (unlikely(state->last == nullptr || state->last->rows == state->last->room)) {
    RequireRoom(state, 1);
    const std::size_t bytes = state->last == nullptr
                                  ? kFirstChunkBytes
                                  : std::min(kLargestChunkBytes, 2 * state->last->room * state->shape.RowBytes());
    AddChunk(state, std::min(std::max<std::uint64_t>(bytes / state->shape.RowBytes(), 4), state->max_rows - state->shape.rows));
  }
  double* to = state->last->Data() + state->last->rows * RowWidth(state);
  ++state->last->rows;
  ++state->shape.rows;
  return to;
}

void TakeBackRow(SketchState* state) {
  --state->last->rows;
  --state->shape.rows;
}

// A sketch that is not the state of a training has no options.
int HintToLeaveOut(const SketchState* state) {
  return state->shape.has_fit ? errhint("Leave such rows out with FILTER (WHERE ...), or set option \"on_null\" to \"skip\".")
                              : errhint("Leave such rows out with FILTER (WHERE ...).");
}

[[noreturn]] void RaiseNull(const SketchState* state, int element) {
  ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("features must not contain null values"),
                  errdetail("Feature %d is NULL.", element + 1),
                  HintToLeaveOut(state)));
  pg_unreachable();
}

[[noreturn]] void RaiseNotFinite(const SketchState* state, int element, double value) {
  ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("features must be finite"),
                  errdetail("Feature %d is %s.", element + 1, std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"),
                  HintToLeaveOut(state)));
  pg_unreachable();
}

// Copies the features, -0 as 0; false when one is missing and such rows are skipped.
bool CopyFinite(const SketchState* state, const FeatureArray& features, double* to) {
  if (likely(features.nulls == nullptr)) {
    double check = 0;  // NaN as soon as one value is not finite
    for (int i = 0; i < features.length; ++i) {
      to[i] = features.values[i] + 0.0;
      check += features.values[i] * 0;
    }
    if (likely(check == 0)) return true;
  }
  const double* value = features.values;
  for (int i = 0; i < features.length; ++i) {
    if (features.IsNull(i)) {
      if (state->on_null == OnNull::kError) RaiseNull(state, i);
      return false;
    }
    to[i] = *value + 0.0;
    if (!std::isfinite(*value)) {
      if (state->on_null == OnNull::kError) RaiseNotFinite(state, i, *value);
      return false;
    }
    ++value;
  }
  return true;
}

// False when the row does not count.
bool UsableWeight(SketchState* state, double weight, bool is_null) {
  if (likely(!is_null && std::isfinite(weight) && weight > 0)) return true;
  if (!is_null && weight == 0) return false;
  if (state->on_null == OnNull::kError || (!is_null && weight < 0)) {
    ereport(ERROR, (errcode(is_null ? ERRCODE_NULL_VALUE_NOT_ALLOWED
                            : weight < 0 ? ERRCODE_INVALID_PARAMETER_VALUE : ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                    errmsg(is_null ? "weight must not be null" : weight < 0 ? "weight must not be negative" : "weight must be finite"),
                    errhint("Leave such rows out with FILTER (WHERE ...).")));
  }
  ++state->shape.skipped;
  return false;
}

// Gives every row so far the weight 1.
void MakeWeighted(SketchState* state) {
  RowChunk* chunk = state->first;
  const std::size_t dimensions = state->shape.dimensions;
  state->shape.weighted = true;
  state->first = state->last = nullptr;
  if (dimensions > 0) SetDimensions(state, dimensions);
  if (state->shape.rows > state->max_rows) RaiseTooManyRows(state);
  while (chunk != nullptr) {
    AddChunk(state, std::max<std::uint64_t>(chunk->rows, 1));
    for (std::uint64_t i = 0; i < chunk->rows; ++i) {
      CHECK_FOR_INTERRUPTS();
      double* to = state->last->Data() + i * (dimensions + 1);
      memcpy(to, chunk->Data() + i * dimensions, dimensions * sizeof(double));
      to[dimensions] = 1;
    }
    state->last->rows = chunk->rows;
    RowChunk* done = chunk;
    chunk = chunk->next;
    pfree(done);
  }
}

// Makes the two summaries agree in what a row is.
void AdoptShape(SketchState* state, const SketchHeader& other) {
  if (other.weighted && !state->shape.weighted) MakeWeighted(state);
  if (other.dimensions == 0) return;
  if (state->shape.dimensions == 0) {
    SetDimensions(state, other.dimensions);
  } else if (state->shape.dimensions != other.dimensions) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("number of features does not match"),
                    errdetail("Rows of %u and of %u features cannot be clustered together.", state->shape.dimensions,
                              other.dimensions)));
  }
}

// `rows` rows of the given shape, after AdoptShape and RequireRoom.
void AppendBlock(SketchState* state, const SketchHeader& shape, const char* from, std::uint64_t rows) {
  if (rows == 0) return;
  AddChunk(state, rows);
  char* to = reinterpret_cast<char*>(state->last->Data());
  if (shape.weighted == state->shape.weighted) {
    memcpy(to, from, rows * shape.RowBytes());
  } else {
    const double one = 1;
    for (std::uint64_t i = 0; i < rows; ++i, from += shape.RowBytes()) {
      CHECK_FOR_INTERRUPTS();
      memcpy(to, from, shape.RowBytes());
      memcpy(to + shape.RowBytes(), &one, sizeof one);
      to += state->shape.RowBytes();
    }
  }
  state->last->rows = rows;
  state->shape.rows += rows;
}

constexpr std::string_view kNoOptions = "{}";

[[noreturn]] void RaiseOtherOptions() {
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("options must be the same for all rows")));
  pg_unreachable();
}

// The options of `value` (a jsonb) as UTF-8 text.
std::string_view OptionsText(struct varlena* value) {
  auto* json = reinterpret_cast<Jsonb*>(value);
  return ToUtf8(JsonbToCString(nullptr, &json->root, static_cast<int>(VARSIZE(json))));
}

void SetFitText(SketchState* state, std::int32_t k, std::string_view text) {
  OnNull on_null = OnNull::kError;
  CallCore([&] {
    const Options options = ParseOptions(text);
    CheckOptions(options, k, 0);
    on_null = options.on_null;
  });
  state->on_null = on_null;
  state->shape.has_fit = true;
  state->shape.fit_bytes = static_cast<std::uint32_t>(sizeof(std::int32_t) + text.size());
  state->k = k;
  state->options_bytes = text.size();
  state->options = static_cast<char*>(MemoryContextAlloc(state->header.eoh_context, text.size() + 1));
  memcpy(state->options, text.data(), text.size());
  state->options[text.size()] = '\0';
}

struct varlena* CopyValue(MemoryContext context, const struct varlena* value) {
  auto* copy = static_cast<struct varlena*>(MemoryContextAlloc(context, VARSIZE(value)));
  memcpy(copy, value, VARSIZE(value));
  return copy;
}

}  // namespace

SketchState* NewSketchState(MemoryContext parent) {
  // The first block (8 kB) is what the aggregates declare as SSPACE, so that a query of many groups spills in time.
  MemoryContext context = AllocSetContextCreate(parent, "kmeans sketch", ALLOCSET_DEFAULT_SIZES);
  auto* state = static_cast<SketchState*>(MemoryContextAllocZero(context, sizeof(SketchState)));
  EOH_init_header(&state->header, &kMethods, context);
  return state;
}

void RefreshLimits(SketchState* state) {
  state->max_rows = TrainMemoryBytes() / state->shape.RowBytes();
  if (state->shape.capacity > 0) state->max_rows = std::min(state->max_rows, state->shape.capacity);
}

SketchState* StateOf(Datum value, MemoryContext parent) {
  if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value))) {
    ExpandedObjectHeader* header = DatumGetEOHP(value);
    if (header->eoh_methods == &kMethods) return reinterpret_cast<SketchState*>(header);
  }
  const auto* flat = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM(value));
  SketchView view;
  CallCore([&] { view = ReadTrustedSketch(SketchBytesOf(flat)); });
  SketchState* state = NewSketchState(parent);
  state->shape.capacity = view.header.capacity;
  if (view.header.has_fit) SetFitText(state, view.k, view.options);
  AppendRows(state, view);
  return state;
}

void SetFit(SketchState* state, std::int32_t k, struct varlena* options) {
  SetFitText(state, k, options == nullptr ? kNoOptions : OptionsText(options));
  if (options != nullptr) state->options_value = CopyValue(state->header.eoh_context, options);
}

void RequireSameFit(SketchState* state, std::int32_t k, struct varlena* options) {
  if (unlikely(!state->shape.has_fit)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("sketch is not the state of a training")));
  }
  if (unlikely(k != state->k)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("number of clusters must be the same for all rows"),
                    errdetail("One row asks for %d clusters and another for %d.", state->k, k)));
  }
  if (options == nullptr) {
    if (std::string_view(state->options, state->options_bytes) == kNoOptions) return;
    RaiseOtherOptions();
  }
  const struct varlena* known = state->options_value;
  if (likely(known != nullptr && VARSIZE(known) == VARSIZE(options) && memcmp(known, options, VARSIZE(known)) == 0)) return;
  const std::string_view text = OptionsText(options);
  if (text != std::string_view(state->options, state->options_bytes)) RaiseOtherOptions();
  state->options_value = CopyValue(state->header.eoh_context, options);
}

void AppendRow(SketchState* state, ArrayType* array, const double* weight, bool weight_is_null) {
  const FeatureArray features = ReadFeatures(array);
  if (unlikely(state->shape.dimensions == 0)) {
    state->shape.weighted = weight != nullptr;
    SetDimensions(state, static_cast<std::size_t>(features.length));
    if (state->shape.has_fit) {
      CallCore([&] { CheckOptions(ParseOptions({state->options, state->options_bytes}), state->k, state->shape.dimensions); });
    }
  } else if (unlikely(state->shape.dimensions != static_cast<std::uint32_t>(features.length))) {
    RaiseDimensionMismatch(features.length, static_cast<int>(state->shape.dimensions), "earlier rows have");
  }
  // A state that came from outside (an initial condition, say) may have been made without weights, or with them.
  if (unlikely(weight != nullptr && !state->shape.weighted)) MakeWeighted(state);
  if (weight != nullptr && !UsableWeight(state, *weight, weight_is_null)) return;
  double* to = RoomForRow(state);
  if (unlikely(!CopyFinite(state, features, to))) {
    TakeBackRow(state);
    ++state->shape.skipped;
    return;
  }
  if (state->shape.weighted) to[features.length] = weight != nullptr ? *weight : 1;
}

void AppendRows(SketchState* state, const SketchView& view) {
  AdoptShape(state, view.header);
  if (view.header.rows > 0) RequireRoom(state, view.header.rows);
  AppendBlock(state, view.header, view.rows, view.header.rows);
  state->shape.skipped += view.header.skipped;
}

void AppendState(SketchState* state, const SketchState* other) {
  AdoptShape(state, other->shape);
  if (other->shape.rows > 0) RequireRoom(state, other->shape.rows);
  for (RowChunk* chunk = other->first; chunk != nullptr; chunk = chunk->next) {
    AppendBlock(state, other->shape, reinterpret_cast<const char*>(chunk->Data()), chunk->rows);
  }
  state->shape.skipped += other->shape.skipped;
}

RowSet RowsOf(const SketchState* state) {
  RowSet set;
  set.dimensions = state->shape.dimensions;
  set.weighted = state->shape.weighted;
  set.rows = state->shape.rows;
  set.skipped = state->shape.skipped;
  for (RowChunk* chunk = state->first; chunk != nullptr; chunk = chunk->next) {
    set.blocks.push_back({reinterpret_cast<const char*>(chunk->Data()), chunk->rows});
  }
  return set;
}

struct varlena* CanonicalValue(const SketchState* state) {
  struct varlena* value = nullptr;
  CallCore([&] {
    const std::size_t bytes = VARHDRSZ + SketchBytes(state->shape);
    value = static_cast<struct varlena*>(Allocate(bytes));
    SET_VARSIZE(value, bytes);
    char* to = WriteSketchPrefix(state->shape, state->k, {state->options, state->options_bytes}, VARDATA(value));
    const std::size_t row_bytes = state->shape.RowBytes();
    const Interrupt interrupt = ServerInterrupt();
    for (const char* row : CanonicalOrder(RowsOf(state), interrupt)) {
      interrupt.Poll();
      std::memcpy(to, row, row_bytes);
      to += row_bytes;
    }
  });
  return value;
}

}  // namespace segmentation
