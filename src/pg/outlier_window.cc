// local_outlier_factor(features, neighbors) OVER (...): how far the rows of a partition are from being like their neighbours.
#include <cmath>
#include <limits>
#include <vector>

#include "core/outliers.h"
#include "pg/array_arg.h"
#include "pg/settings.h"
#include "pg/sketch_state.h"

namespace segmentation {
namespace {

constexpr double kNoFactor = std::numeric_limits<double>::quiet_NaN();

// Kept for the partition.
struct PartitionFactors {
  std::int64_t rows;
  double factors[FLEXIBLE_ARRAY_MEMBER];
};

// The number of neighbours must be the same in all rows of the partition; it is taken from the first one that has features.
void ReadNeighbors(WindowObject window, std::int64_t position, std::int32_t* neighbors) {
  bool is_null;
  bool is_out;
  const Datum value = WinGetFuncArgInPartition(window, 1, static_cast<int>(position), WINDOW_SEEK_HEAD, false, &is_null, &is_out);
  if (is_null) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("number of neighbors must not be null")));
  const std::int32_t wanted = DatumGetInt32(value);
  if (wanted < 1) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("number of neighbors must be at least 1"), errdetail("It is %d.", wanted)));
  }
  if (*neighbors != 0 && *neighbors != wanted) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("number of neighbors must be the same for all rows"),
                    errdetail("One row asks for %d neighbors and another for %d.", *neighbors, wanted)));
  }
  *neighbors = wanted;
}

// Reads the partition; factors gets 0 for the rows that were taken in and kNoFactor for the others. Returns the number of neighbours.
std::int32_t Collect(FunctionCallInfo fcinfo, WindowObject window, SketchState* state, PartitionFactors* out) {
  // What is the same in every row need not be asked for in every row.
  const bool constant = get_fn_expr_arg_stable(fcinfo->flinfo, 1);
  std::int32_t neighbors = 0;
  MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "local_outlier_factor row", ALLOCSET_DEFAULT_SIZES);
  MemoryContext outer = MemoryContextSwitchTo(row_context);
  for (std::int64_t i = 0; i < out->rows; ++i) {
    CHECK_FOR_INTERRUPTS();
    MemoryContextReset(row_context);
    bool is_null;
    bool is_out;
    const Datum features = WinGetFuncArgInPartition(window, 0, static_cast<int>(i), WINDOW_SEEK_HEAD, false, &is_null, &is_out);
    out->factors[i] = kNoFactor;
    if (is_null) continue;
    // The next call may free what the last one returned.
    ArrayType* array = DatumGetArrayTypePCopy(features);
    if (!constant || neighbors == 0) ReadNeighbors(window, i, &neighbors);
    const std::uint64_t before = state->shape.rows;
    AppendRow(state, array, nullptr, false);
    if (state->shape.rows > before) out->factors[i] = 0;
  }
  MemoryContextSwitchTo(outer);
  MemoryContextDelete(row_context);
  return neighbors;
}

// Lists of neighbours take as much memory as rows may.
void CheckNeighborBytes(std::uint64_t rows, std::int32_t neighbors) {
  if (NeighborBytes(rows, static_cast<std::uint64_t>(neighbors)) <= TrainMemoryBytes()) return;
  ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many neighbors for segmentation.train_memory"),
                  errdetail("%d neighbors of each of " UINT64_FORMAT " rows do not fit into " UINT64_FORMAT " MB.", neighbors, rows,
                            TrainMemoryBytes() >> 20),
                  errhint("Raise segmentation.train_memory, or ask for fewer neighbors.")));
}

// Writes the factor of each row that was taken in; from inside C++.
void ComputeFactors(const SketchState* state, std::int32_t neighbors, PartitionFactors* out) {
  const std::vector<double> factors =
      LocalOutlierFactors(RowsOf(state), static_cast<std::size_t>(neighbors), ServerInterrupt(), TrainingThreads());
  std::int64_t at = 0;
  for (const double factor : factors) {
    while (std::isnan(out->factors[at])) ++at;
    out->factors[at++] = factor;
  }
}

PartitionFactors* FactorsOfPartition(FunctionCallInfo fcinfo, WindowObject window) {
  const std::int64_t rows = WinGetPartitionRowCount(window);
  const std::size_t bytes = offsetof(PartitionFactors, factors) + static_cast<std::size_t>(rows) * sizeof(double);
  if (!AllocSizeIsValid(bytes)) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many rows in the window partition")));
  }
  auto* out = static_cast<PartitionFactors*>(WinGetPartitionLocalMemory(window, bytes));
  if (out->rows == rows) return out;
  out->rows = rows;
  SketchState* state = NewSketchState(CurrentMemoryContext);
  // A row with something missing is nobody's neighbour.
  state->rules = {OnNull::kSkip, false};
  const std::int32_t neighbors = Collect(fcinfo, window, state, out);
  if (state->shape.rows > 0) {
    CheckNeighborBytes(state->shape.rows, neighbors);
    CallCore([&] { ComputeFactors(state, neighbors, out); });
  }
  MemoryContextDelete(state->header.eoh_context);
  return out;
}

}  // namespace

SEGMENTATION_FUNCTION(local_outlier_factor) {
  WindowObject window = PG_WINDOW_OBJECT();
  if (!WindowObjectIsValid(window)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("local_outlier_factor is called without a window"),
                    errhint("Write local_outlier_factor(...) OVER (...).")));
  }
  const PartitionFactors* factors = FactorsOfPartition(fcinfo, window);
  const double factor = factors->factors[WinGetCurrentPosition(window)];
  if (std::isnan(factor)) PG_RETURN_NULL();
  PG_RETURN_FLOAT8(factor);
}

}  // namespace segmentation
