// kmeans_label(features, k [, options]) OVER (...): clusters the rows of a partition and labels them; no model is kept.
#include <cstring>
#include <vector>

#include "core/scorer.h"
#include "pg/train.h"
#include "pg/window_rows.h"

namespace segmentation {
namespace {

constexpr std::int32_t kNoLabel = -1;

using PartitionLabels = PartitionValues<std::int32_t>;

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
  CollectFeatures(window, state, 0, kNoLabel, out, [&](std::int64_t row) {
    if (!constant || !state->shape.has_fit) ReadRow(window, row, state, has_options);
  });
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
        while (out->values[at] == kNoLabel) ++at;
        std::memcpy(row.data(), rows_of_block.data + i * rows.RowBytes(), rows.RowBytes());
        const double* point = scorer.ToModelSpace(row.data(), scratch.data());
        out->values[at] = point == nullptr ? kNoLabel : scorer.Nearest(point).segment;
      }
    }
  }
  return KeepModel(model);
}

PartitionLabels* LabelsOfPartition(FunctionCallInfo fcinfo, WindowObject window) {
  bool is_new;
  PartitionLabels* out = ValuesOfPartition<std::int32_t>(window, &is_new);
  if (!is_new) return out;
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
  WindowObject window = WindowOf(fcinfo, "kmeans_label");
  const PartitionLabels* labels = LabelsOfPartition(fcinfo, window);
  const std::int32_t label = labels->values[WinGetCurrentPosition(window)];
  if (label == kNoLabel) PG_RETURN_NULL();
  PG_RETURN_INT32(label);
}

}  // namespace segmentation
