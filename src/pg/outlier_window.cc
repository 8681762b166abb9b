// local_outlier_factor(features, neighbors) OVER (...): how far the rows of a partition are from being like their neighbours.
#include <cmath>
#include <limits>
#include <vector>

#include "core/outliers.h"
#include "pg/settings.h"
#include "pg/window_rows.h"

namespace segmentation {
namespace {

constexpr double kNoFactor = std::numeric_limits<double>::quiet_NaN();

using PartitionFactors = PartitionValues<double>;

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
  CollectFeatures(window, state, 0.0, kNoFactor, out, [&](std::int64_t row) {
    if (!constant || neighbors == 0) ReadNeighbors(window, row, &neighbors);
  });
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
    while (std::isnan(out->values[at])) ++at;
    out->values[at++] = factor;
  }
}

PartitionFactors* FactorsOfPartition(FunctionCallInfo fcinfo, WindowObject window) {
  bool is_new;
  PartitionFactors* out = ValuesOfPartition<double>(window, &is_new);
  if (!is_new) return out;
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
  WindowObject window = WindowOf(fcinfo, "local_outlier_factor");
  const PartitionFactors* factors = FactorsOfPartition(fcinfo, window);
  const double factor = factors->values[WinGetCurrentPosition(window)];
  if (std::isnan(factor)) PG_RETURN_NULL();
  PG_RETURN_FLOAT8(factor);
}

}  // namespace segmentation
