// What happens to a state that has more rows than it may keep: see sketch_state.h.
#include <algorithm>
#include <cstring>

#include "core/compress.h"
#include "pg/settings.h"
#include "pg/sketch_state.h"

namespace segmentation {
namespace {

constexpr std::uint64_t kLeastCells = 4096;
constexpr std::uint64_t kMostCellsForTraining = 32768;
constexpr std::uint64_t kStatesBesideEachOther = 4;
// While the capacity is small, this many rows are collected for each cell before they are compressed: a compression looks at the
// cells too.
constexpr std::uint64_t kRowsPerCell = 16;

// How many cells a state is compressed to. Measured: a k-means on 200 cells for each segment costs 1 % more (DESIGN.md 5), and
// more on data without groups in many dimensions. A training, whose state lives as long as its query, takes what a twenty-fourth of
// its memory holds.
std::uint64_t CellsWanted(const SketchState* state) {
  const auto k = static_cast<std::uint64_t>(state->shape.has_fit ? state->k : 0);
  std::uint64_t wanted = std::max(kLeastCells, (state->shape.dimensions > 20 ? 400 : 200) * k);
  if (state->shape.has_fit) {
    wanted = std::max(wanted, std::min<std::uint64_t>(kMostCellsForTraining, TrainMemoryBytes() / 24 / state->shape.CellBytes()));
  }
  return std::min<std::uint64_t>(wanted, TrainMemoryBytes() / 4 / state->shape.CellBytes());
}

std::uint64_t RequireCells(const SketchState* state) {
  const std::uint64_t cells = CellsWanted(state);
  const auto least = static_cast<std::uint64_t>(state->shape.has_fit ? 2 * state->k : 2);
  if (cells < least) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows for segmentation.train_memory"),
                    errdetail("More than " UINT64_FORMAT " rows of %zu bytes do not fit into " UINT64_FORMAT
                              " MB, nor does a summary of " UINT64_FORMAT " cells of %zu bytes into a quarter of it.",
                              state->max_rows, state->shape.RowBytes(), TrainMemoryBytes() >> 20, least,
                              state->shape.CellBytes()),
                    errhint("Raise segmentation.train_memory, or train on a sample of the rows.")));
  }
  return cells;
}

// Rows and cells of the state as a palloc'd section of sorted cells, in the state's context.
char* MakeCells(SketchState* state, std::uint64_t most, std::uint64_t* cells) {
  char* section = nullptr;
  // What the compression needs beside the rows and cells stays small: 16 bytes for each row that it looks at.
  const std::uint64_t slice = std::max(TrainMemoryBytes() / 256, 2 * most);
  CallCore([&] {
    const CompressedRows made = CompressInSlices(RowsOf(state), most, slice, !state->unscaled, ServerInterrupt());
    CallPostgres([&] {
      section = static_cast<char*>(MemoryContextAllocHuge(state->header.eoh_context, made.values.size() * sizeof(double)));
    });
    std::memcpy(section, made.values.data(), made.values.size() * sizeof(double));
    SketchHeader shape = state->shape;
    shape.cells = *cells = made.cells;
    SortCells(shape, section);
  });
  return section;
}

// Cells that are compressed once more lose a second time. A training keeps those of several states (the processes of a parallel
// query, say) beside each other.
std::uint64_t CellsKept(const SketchState* state) {
  const std::uint64_t wanted = CellsWanted(state);
  if (!state->shape.has_fit) return wanted;
  return std::max(wanted, std::min(kStatesBesideEachOther * wanted, TrainMemoryBytes() / 4 / state->shape.CellBytes()));
}

bool IsSettled(const SketchState* state) {
  return state->shape.cells == 0 || (state->shape.rows == 0 && state->shape.cells <= CellsKept(state));
}

bool HasGiven(const SketchState* state) {
  return state->given.section != nullptr && state->given.rows == state->all_rows() && state->given.exact == state->shape.rows;
}

}  // namespace

void RefreshLimits(SketchState* state) {
  if (state->shape.dimensions == 0) return;
  state->max_rows = std::max<std::uint64_t>(TrainMemoryBytes() / state->shape.RowBytes(), 1);
  if (state->shape.capacity == 0) return;
  const std::uint64_t exact = state->shape.capacity;
  const std::uint64_t least = state->shape.cells == 0 ? 0 : kRowsPerCell * std::max<std::uint64_t>(CellsWanted(state), 1);
  state->max_rows = std::min(state->max_rows, std::max(exact, least));
}

void CompressState(SketchState* state) {
  if (state->all_rows() >= kMaxCellRows) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows in a sketch")));
  }
  std::uint64_t cells = 0;
  char* section = MakeCells(state, RequireCells(state), &cells);
  if (state->cells != nullptr) pfree(state->cells);
  if (state->given.section != nullptr) pfree(state->given.section);
  state->given = {};
  state->cells = section;
  state->shape.cells = cells;
  state->shape.cell_rows += state->shape.rows;
  state->shape.rows = 0;
  EmptyChunks(&state->chunks);
  RefreshLimits(state);
}

void SettleState(SketchState* state) {
  if (!IsSettled(state)) CompressState(state);
}

SketchHeader SettledShape(SketchState* state) {
  SketchHeader shape = state->shape;
  if (IsSettled(state)) return shape;
  if (!HasGiven(state)) {
    if (state->given.section != nullptr) pfree(state->given.section);
    state->given.section = nullptr;
    std::uint64_t cells = 0;
    char* section = MakeCells(state, RequireCells(state), &cells);
    state->given = {section, cells, state->all_rows(), state->shape.rows};
  }
  shape.rows = 0;
  shape.cells = state->given.cells;
  shape.cell_rows = state->all_rows();
  return shape;
}

const char* SettledCells(const SketchState* state) { return IsSettled(state) ? state->cells : state->given.section; }

RowSet RowsOf(const SketchState* state) {
  RowSet set;
  set.dimensions = state->shape.dimensions;
  set.weighted = state->shape.weighted;
  set.rows = state->shape.rows;
  set.skipped = state->shape.skipped;
  for (RowChunk* chunk = state->chunks.first; chunk != nullptr; chunk = chunk->next) {
    if (chunk->rows > 0) set.blocks.push_back({chunk->data, chunk->rows});
  }
  set.cells = state->cells;
  set.cell_count = state->shape.cells;
  set.cell_rows = state->shape.cell_rows;
  return set;
}

RowSet SettledRows(const SketchState* state) {
  RowSet set = RowsOf(state);
  if (IsSettled(state)) return set;
  set.blocks.clear();
  set.rows = 0;
  set.cells = state->given.section;
  set.cell_count = state->given.cells;
  set.cell_rows = state->given.rows;
  return set;
}

struct varlena* CanonicalValue(SketchState* state) {
  const SketchHeader shape = SettledShape(state);
  struct varlena* value = nullptr;
  CallCore([&] {
    const std::size_t bytes = VARHDRSZ + SketchBytes(shape);
    value = static_cast<struct varlena*>(Allocate(bytes));
    SET_VARSIZE(value, bytes);
    char* to = WriteSketchPrefix(shape, state->k, {state->options, state->options_bytes}, VARDATA(value));
    const Interrupt interrupt = ServerInterrupt();
    if (shape.cells > 0) {
      std::memcpy(to, SettledCells(state), shape.CellSectionBytes());
      SortCells(shape, to);
      return;
    }
    const std::size_t row_bytes = shape.RowBytes();
    for (const char* row : CanonicalOrder(RowsOf(state), interrupt)) {
      interrupt.Poll();
      std::memcpy(to, row, row_bytes);
      to += row_bytes;
    }
  });
  return value;
}

}  // namespace segmentation
