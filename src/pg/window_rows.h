// What window functions that look at a whole partition share: a value for each of its rows, and the rows' features in a state.
#pragma once

#include "pg/array_arg.h"
#include "pg/sketch_state.h"

namespace segmentation {

// Kept for the partition.
template <typename Value>
struct PartitionValues {
  std::int64_t rows;
  Value values[FLEXIBLE_ARRAY_MEMBER];
};

// The window of a call, or an error that says how to write one.
inline WindowObject WindowOf(FunctionCallInfo fcinfo, const char* function) {
  WindowObject window = PG_WINDOW_OBJECT();
  if (!WindowObjectIsValid(window)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s is called without a window", function),
                    errhint("Write %s(...) OVER (...).", function)));
  }
  return window;
}

// The values of the partition; `is_new` where they are still to be found.
template <typename Value>
PartitionValues<Value>* ValuesOfPartition(WindowObject window, bool* is_new) {
  const std::int64_t rows = WinGetPartitionRowCount(window);
  const std::size_t bytes = offsetof(PartitionValues<Value>, values) + static_cast<std::size_t>(rows) * sizeof(Value);
  if (!AllocSizeIsValid(bytes)) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows in the window partition")));
  }
  auto* out = static_cast<PartitionValues<Value>*>(WinGetPartitionLocalMemory(window, bytes));
  *is_new = out->rows != rows;
  out->rows = rows;
  return out;
}

// Appends the features (argument 0) of the partition's rows to the state; values gets `taken` for the rows that were taken in and `none` for
// the others. ask(row): reads what else a row with features asks for, before it is appended.
template <typename Value, typename Ask>
void CollectFeatures(WindowObject window, SketchState* state, Value taken, Value none, PartitionValues<Value>* out, const Ask& ask) {
  static_assert(std::is_trivially_destructible_v<Ask>, "lives in the PostgreSQL regime");
  MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "row of a window function", ALLOCSET_DEFAULT_SIZES);
  MemoryContext outer = MemoryContextSwitchTo(row_context);
  for (std::int64_t i = 0; i < out->rows; ++i) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextReset(row_context);
    bool is_null;
    bool is_out;
    const Datum features = WinGetFuncArgInPartition(window, 0, static_cast<int>(i), WINDOW_SEEK_HEAD, false, &is_null, &is_out);
    out->values[i] = none;
    if (is_null) continue;
    // The next call may free what the last one returned.
    ArrayType* array = DatumGetArrayTypePCopy(features);
    ask(i);
    const std::uint64_t before = state->shape.rows;
    AppendRow(state, array, nullptr, false);
    if (state->shape.rows > before) out->values[i] = taken;
  }
  MemoryContextSwitchTo(outer);
  MemoryContextDelete(row_context);
}

}  // namespace segmentation
