#include "pg/sketch_state.h"

#include <algorithm>
#include <cstring>

#include "core/tiles.h"
#include "pg/fit_request.h"
#include "pg/settings.h"

namespace segmentation {
namespace {

// The rows that the flat value only tells of.
SharedSum RowsToTell(const SketchState* state, const SketchHeader& shape) {
  return shape.cells == 0 ? RowsInShared(state->chunks) : SharedSum{};
}

Size FlatSize(ExpandedObjectHeader* header) {
  auto* state = reinterpret_cast<SketchState*>(header);
  if (state->use == StateUse::kThisProcess) return VARHDRSZ + kLocalStateBytes;
  SketchHeader shape = SettledShape(state);
  const SharedSum told = RowsToTell(state, shape);
  const std::size_t list = told.blocks == 0 ? 0 : kSharedListBytes + told.blocks * sizeof(SharedRows);
  shape.rows -= told.rows;
  std::size_t bytes = 0;
  CallCore([&] { bytes = SketchBytes(shape); });
  return VARHDRSZ + list + bytes;
}

void FlattenInto(ExpandedObjectHeader* header, void* result, Size allocated) {
  auto* state = reinterpret_cast<SketchState*>(header);
  SET_VARSIZE(result, allocated);
  if (state->use == StateUse::kThisProcess) return WriteLocalState(state, VARDATA(result));
  SketchHeader shape = SettledShape(state);
  const SharedSum told = RowsToTell(state, shape);
  char* to = VARDATA(result);
  if (told.blocks > 0) {
    to = WriteSharedRows(state->chunks, told.blocks, to);
    shape.rows -= told.rows;
  }
  if (allocated >= kHugeChunkBytes) AdviseHugePages(result, allocated);
  to = WriteSketchPrefix(shape, state->k, {state->options, state->options_bytes}, to);
  if (shape.cells > 0) {
    memcpy(to, SettledCells(state), shape.CellSectionBytes());
    return;
  }
  for (RowChunk* chunk = state->chunks.first; chunk != nullptr; chunk = chunk->next) {
    CHECK_FOR_INTERRUPTS();
    if (told.blocks > 0 && chunk->shared.area != nullptr) continue;
    const std::size_t bytes = chunk->rows * shape.RowBytes();
    memcpy(to, chunk->data, bytes);
    to += bytes;
  }
}

const ExpandedObjectMethods kMethods = {FlatSize, FlattenInto};

// Fixes what follows from the width of a row.
void SetDimensions(SketchState* state, std::size_t dimensions) {
  if (dimensions > kMaxDimensions) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many features"),
                    errdetail("A row has %zu features; the limit is %zu.", dimensions, kMaxDimensions)));
  }
  state->shape.dimensions = static_cast<std::uint32_t>(dimensions);
  RefreshLimits(state);
}

// For a state that nobody looks at again: where it gives away cells, the rows behind them need no memory any more.
void SettleForGood(SketchState* state) {
  SettleState(state);
  if (state->shape.rows == 0) FreeChunks(&state->chunks);
}

// Whether the state can have these rows as they are.
bool Fits(const SketchState* state, const SketchHeader& shape, std::uint64_t rows) {
  return shape.weighted == state->shape.weighted && state->shape.rows <= state->max_rows && rows <= state->max_rows - state->shape.rows;
}

// Rows that lie with others; who calls it says where.
RowChunk* LendRows(SketchState* state, std::uint64_t rows) {
  state->shape.rows += rows;
  return AddForeignChunk(&state->chunks, rows);
}

[[noreturn]] void RaiseTooManyRows(const SketchState* state) {
  ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows for segmentation.train_memory"),
                  errdetail("More than " UINT64_FORMAT " rows of %zu bytes do not fit into " UINT64_FORMAT " MB.", state->max_rows,
                            state->shape.RowBytes(), TrainMemoryBytes() >> 20),
                  errhint("Raise segmentation.train_memory, or train on a sample of the rows.")));
  pg_unreachable();
}

// Sees to it that the last chunk has room for a row, `wanted` of them where a new one is made.
void MakeRoom(SketchState* state, std::uint64_t wanted) {
  if (state->shape.rows >= state->max_rows) {
    if (!state->compresses) RaiseTooManyRows(state);
    CompressState(state);
  }
  const RowChunk* last = state->chunks.last;
  if (last != nullptr && last->rows < last->room) return;
  MakeRoomAtEnd(&state->chunks, state->shape.RowBytes(), wanted, state->max_rows - state->shape.rows);
}

// Where the next row goes; it counts once AddRow is called.
inline char* RoomForRow(SketchState* state) {
  RowChunk* chunk = state->chunks.last;
  if (unlikely(chunk == nullptr || chunk->rows == chunk->room)) {
    MakeRoom(state, 4);
    chunk = state->chunks.last;
  }
  return chunk->data + chunk->rows * state->shape.RowBytes();
}

inline void AddRow(SketchState* state) {
  ++state->chunks.last->rows;
  ++state->shape.rows;
}

// Rows of the given shape, after AdoptShape: into what room there is, as if one by one.
void AppendBlock(SketchState* state, const SketchHeader& shape, const char* from, std::uint64_t rows) {
  const std::size_t row_bytes = state->shape.RowBytes();
  const double one = 1;
  while (rows > 0) {
    CHECK_FOR_INTERRUPTS();
    MakeRoom(state, rows);
    RowChunk* chunk = state->chunks.last;
    const std::uint64_t part = std::min({rows, chunk->room - chunk->rows, state->max_rows - state->shape.rows});
    char* to = chunk->data + chunk->rows * row_bytes;
    if (shape.weighted == state->shape.weighted) {
      memcpy(to, from, part * row_bytes);
    } else {
      for (std::uint64_t i = 0; i < part; ++i, to += row_bytes) {
        memcpy(to, from + i * shape.RowBytes(), shape.RowBytes());
        memcpy(to + shape.RowBytes(), &one, sizeof one);
      }
    }
    chunk->rows += part;
    state->shape.rows += part;
    from += part * shape.RowBytes();
    rows -= part;
  }
}

// Gives every row so far the weight 1.
void MakeWeighted(SketchState* state) {
  const SketchHeader before = state->shape;
  RowChunks old = state->chunks;
  state->chunks.first = state->chunks.last = nullptr;
  state->shape.weighted = true;
  state->shape.rows = 0;
  if (before.dimensions > 0) RefreshLimits(state);
  for (; old.first != nullptr; FreeFirstChunk(&old)) AppendBlock(state, before, old.first->data, old.first->rows);
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

// Cells (a section as in the flat form) beside those of the state, after AdoptShape.
void AppendCells(SketchState* state, const SketchHeader& shape, const char* section) {
  if (shape.cells == 0) return;
  if (shape.cell_rows >= kMaxCellRows - state->shape.cell_rows) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows in a sketch")));
  }
  const SketchHeader before = state->shape;
  state->shape.cells += shape.cells;
  state->shape.cell_rows += shape.cell_rows;
  auto* joined = static_cast<char*>(MemoryContextAllocHuge(state->header.eoh_context, state->shape.CellSectionBytes()));
  memcpy(joined, section, shape.CellSectionBytes());
  if (state->cells != nullptr) {
    const std::size_t bounds = shape.BoundsBytes();
    memcpy(joined, state->cells, before.CellSectionBytes());
    memcpy(joined + before.CellSectionBytes(), section + bounds, shape.CellSectionBytes() - bounds);
    for (std::size_t at = 0; at < bounds; at += sizeof(double)) {
      double a;
      double b;
      memcpy(&a, state->cells + at, sizeof a);
      memcpy(&b, section + at, sizeof b);
      const double bound = at < bounds / 2 ? std::min(a, b) : std::max(a, b);
      memcpy(joined + at, &bound, sizeof bound);
    }
    pfree(state->cells);
  }
  state->cells = joined;
  RefreshLimits(state);
}

struct varlena* CopyValue(MemoryContext context, const struct varlena* value) {
  auto* copy = static_cast<struct varlena*>(MemoryContextAlloc(context, VARSIZE(value)));
  memcpy(copy, value, VARSIZE(value));
  return copy;
}

}  // namespace

SketchState* NewSketchState(MemoryContext parent) {
  MemoryContext context = AllocSetContextCreate(parent, "kmeans sketch", ALLOCSET_DEFAULT_SIZES);
  auto* state = static_cast<SketchState*>(MemoryContextAllocZero(context, sizeof(SketchState)));
  EOH_init_header(&state->header, &kMethods, context);
  state->chunks.context = context;
  return state;
}

bool IsSketchState(Datum value) {
  return VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value)) && DatumGetEOHP(value)->eoh_methods == &kMethods;
}

SketchState* StateOf(Datum value, MemoryContext parent) {
  if (IsSketchState(value)) return reinterpret_cast<SketchState*>(DatumGetEOHP(value));
  const auto* flat = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(value));
  SketchView view;
  CallCore([&] { view = ReadTrustedSketch(SketchBytesOf(flat)); });
  SketchState* state = NewSketchState(parent);
  state->compresses = true;
  state->shape.capacity = view.header.capacity;
  state->shape.weighted = view.header.weighted;
  if (view.header.has_fit) SetFitText(state, view.k, view.options);
  AppendView(state, view);
  return state;
}

void SetFitText(SketchState* state, std::int32_t k, std::string_view text) {
  OnNull on_null = OnNull::kError;
  bool unscaled = false;
  CallCore([&] {
    const Options options = ParseOptions(text, OptionsOf::kRange);
    CheckOptions(options, k, 0);
    on_null = options.on_null;
    unscaled = options.scale == Scale::kNone;
  });
  state->rules = {on_null, true};
  state->unscaled = unscaled;
  state->shape.has_fit = true;
  state->shape.fit_bytes = static_cast<std::uint32_t>(sizeof(std::int32_t) + text.size());
  state->k = k;
  state->options_bytes = text.size();
  state->options = static_cast<char*>(MemoryContextAlloc(state->header.eoh_context, text.size() + 1));
  memcpy(state->options, text.data(), text.size());
  state->options[text.size()] = '\0';
}

void SetFit(SketchState* state, std::int32_t k, struct varlena* options) {
  SetFitText(state, k, OptionsText(options));
  if (options != nullptr) state->options_value = CopyValue(state->header.eoh_context, options);
}

void RequireSameFit(SketchState* state, std::int32_t k, struct varlena* options) {
  if (unlikely(!state->shape.has_fit)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("sketch is not the state of a training")));
  }
  const struct varlena* known = state->options_value;
  const bool same_value = options != nullptr && known != nullptr && VARSIZE(known) == VARSIZE(options) &&
                          memcmp(known, options, VARSIZE(known)) == 0;
  if (likely(same_value && k == state->k)) return;
  RequireSameFit(state->k, {state->options, state->options_bytes}, k, OptionsText(options));
}

void AppendFeatures(SketchState* state, const FeatureArray& features, const double* weight, bool weight_is_null) {
  if (unlikely(state->shape.dimensions == 0)) {
    state->shape.weighted = weight != nullptr;
    SetDimensions(state, static_cast<std::size_t>(features.length));
    if (state->shape.has_fit) {
      CallCore([&] { CheckOptions(ParseOptions({state->options, state->options_bytes}, OptionsOf::kRange), state->k, state->shape.dimensions); });
    }
  } else if (unlikely(state->shape.dimensions != static_cast<std::uint32_t>(features.length))) {
    RaiseDimensionMismatch(features.length, static_cast<int>(state->shape.dimensions), "earlier rows have");
  }
  // A state that came from outside (an initial condition, say) may have been made without weights, or with them.
  if (unlikely(weight != nullptr && !state->shape.weighted)) MakeWeighted(state);
  if (weight != nullptr) {
    const WeightUse use = CheckWeight(state->rules, *weight, weight_is_null);
    if (use == WeightUse::kSkip) ++state->shape.skipped;
    if (use != WeightUse::kUse) return;
  }
  char* to = RoomForRow(state);
  if (unlikely(!CopyFinite(state->rules, features, to))) {
    ++state->shape.skipped;
    return;
  }
  if (state->shape.weighted) {
    const double kept = weight != nullptr ? *weight : 1;
    memcpy(to + static_cast<std::size_t>(features.length) * sizeof kept, &kept, sizeof kept);
  }
  AddRow(state);
}

void AppendView(SketchState* state, const SketchView& view) {
  SettleState(state);
  AdoptShape(state, view.header);
  AppendCells(state, view.header, view.cells);
  AppendBlock(state, view.header, view.rows, view.header.rows);
  state->shape.skipped += view.header.skipped;
}

void AppendState(SketchState* state, SketchState* other) {
  SettleState(state);
  if (other->use == StateUse::kThisProcess) SettleForGood(other);
  const SketchHeader shape = SettledShape(other);
  AdoptShape(state, shape);
  AppendCells(state, shape, SettledCells(other));
  for (RowChunk* chunk = other->chunks.first; shape.rows > 0 && chunk != nullptr; chunk = chunk->next) {
    if (chunk->rows == 0) continue;
    if (other->use == StateUse::kThisProcess && Fits(state, shape, chunk->rows)) {
      LendRows(state, chunk->rows)->data = chunk->data;
    } else {
      AppendBlock(state, shape, chunk->data, chunk->rows);
    }
  }
  state->shape.skipped += shape.skipped;
}

void AppendShared(SketchState* state, const SketchHeader& shape, const SharedQuery& query, const SharedRows& rows) {
  if (Fits(state, shape, rows.rows)) {
    RowChunk* chunk = LendRows(state, rows.rows);
    chunk->data = TakeShared(query, rows.at, state->header.eoh_context, &chunk->shared);
    return;
  }
  auto* block = static_cast<SharedBlock*>(MemoryContextAllocZero(state->header.eoh_context, sizeof(SharedBlock)));
  AppendBlock(state, shape, TakeShared(query, rows.at, state->header.eoh_context, block), rows.rows);
  FreeShared(block);
}

}  // namespace segmentation
