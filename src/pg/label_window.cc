// kmeans_label(features, k [, options]) OVER (...): clusters the rows of a partition and labels them; no model is kept.
#include <cstring>
#include <vector>

#include "core/scorer.h"
#include "pg/array_arg.h"
#include "pg/sketch_state.h"
#include "pg/train.h"

namespace segmentation {
namespace {

constexpr std::int32_t kNoLabel = -1;

// Kept for the partition.
struct PartitionLabels {
  std::int64_t rows;
  std::int32_t labels[FLEXIBLE_ARRAY_MEMBER];
};

// k and options must be the same in all rows of the partition; they are taken from the first one that has features.
void ReadRow(WindowObject window, std::int64_t position, SketchState* state, bool has_options) {
  bool is_null;
  bool is_out;
  const Datum k = WinGetFuncArgInPartition(window, 1, static_cast<int>(position), WINDOW_SEEK_HEAD, false, &is_null, &is_out);
  if (is_null) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("number of clusters must not be null")));
  struct varlena* options = nullptr;
  if (has_options) {
    const Datum value = WinGetFuncArgInPartition(window, 2, static_cast<int>(position), WINDOW_SEEK_HEAD, false, &is_null, &is_out);
    if (!is_null) options = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM(value));
  }
  if (state->shape.has_fit) {
    RequireSameFit(state, DatumGetInt32(k), options);
  } else {
    SetFit(state, DatumGetInt32(k), options);
  }
}

// Reads the partition; labels gets 0 for the rows that were taken in and kNoLabel for the others.
void Collect(FunctionCallInfo fcinfo, WindowObject window, SketchState* state, PartitionLabels* out) {
  const bool has_options = PG_NARGS() > 2;
  // What is the same in every row need not be asked for in every row.
  const bool constant = get_fn_expr_arg_stable(fcinfo->flinfo, 1) && (!has_options || get_fn_expr_arg_stable(fcinfo->flinfo, 2));
  MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "kmeans_label row", ALLOCSET_DEFAULT_SIZES);
  MemoryContext outer = MemoryContextSwitchTo(row_context);
  for (std::int64_t i = 0; i < out->rows; ++i) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextReset(row_context);
    bool is_null;
    bool is_out;
    const Datum features = WinGetFuncArgInPartition(window, 0, static_cast<int>(i), WINDOW_SEEK_HEAD, false, &is_null, &is_out);
    out->labels[i] = kNoLabel;
    if (is_null) continue;
    // The next call may free what the last one returned.
    ArrayType* array = DatumGetArrayTypePCopy(features);
    if (!constant || !state->shape.has_fit) ReadRow(window, i, state, has_options);
    const std::uint64_t before = state->shape.rows;
    AppendRow(state, array, nullptr, false);
    if (state->shape.rows > before) out->labels[i] = 0;
  }
  MemoryContextSwitchTo(outer);
  MemoryContextDelete(row_context);
}

// Trains and writes the segment of each row that was taken in; from inside C++.
TrainedValue TrainAndLabel(const SketchState* state, PartitionLabels* out) {
  const RowSet rows = RowsOf(state);
  const std::optional<Model> model = Train(rows, state->k, {state->options, state->options_bytes});
  if (model) {
    const std::vector<double> block = CompileScorer(*model);
    const Scorer scorer(block.data());
    std::vector<double> scratch(scorer.scratch());
    std::vector<double> row(scorer.inputs());
    const Interrupt interrupt = ServerInterrupt();
    std::int64_t at = 0;
    for (const RowBlock& rows_of_block : rows.blocks) {
      for (std::uint64_t i = 0; i < rows_of_block.rows; ++i, ++at) {
        interrupt.Poll();
        while (out->labels[at] == kNoLabel) ++at;
        std::memcpy(row.data(), rows_of_block.data + i * rows.RowBytes(), rows.RowBytes());
        const double* point = scorer.ToModelSpace(row.data(), scratch.data());
        out->labels[at] = point == nullptr ? kNoLabel : scorer.Nearest(point).segment;
      }
    }
  }
  return KeepModel(model);
}

PartitionLabels* LabelsOfPartition(FunctionCallInfo fcinfo, WindowObject window) {
  const std::int64_t rows = WinGetPartitionRowCount(window);
  const std::size_t bytes = offsetof(PartitionLabels, labels) + static_cast<std::size_t>(rows) * sizeof(std::int32_t);
  if (!AllocSizeIsValid(bytes)) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows in the window partition")));
  }
  auto* out = static_cast<PartitionLabels*>(WinGetPartitionLocalMemory(window, bytes));
  if (out->rows == rows) return out;
  out->rows = rows;
  SketchState* state = NewSketchState(CurrentMemoryContext);
  Collect(fcinfo, window, state, out);
  if (state->shape.rows > 0) {
    TrainedValue trained{};
    CallCore([&] { trained = TrainAndLabel(state, out); });
    SayWarnings(fcinfo, trained);
  }
  MemoryContextDelete(state->header.eoh_context);
  return out;
}

}  // namespace

SEGMENTATION_FUNCTION(kmeans_label) {
  WindowObject window = PG_WINDOW_OBJECT();
  if (!WindowObjectIsValid(window)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("kmeans_label is called without a window"),
                    errhint("Write kmeans_label(...) OVER (...).")));
  }
  const PartitionLabels* labels = LabelsOfPartition(fcinfo, window);
  const std::int32_t label = labels->labels[WinGetCurrentPosition(window)];
  if (label == kNoLabel) PG_RETURN_NULL();
  PG_RETURN_INT32(label);
}

}  // namespace segmentation
