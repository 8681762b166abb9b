// segmentation.moments(numbers, pairs): moments of columns over all rows, and of their pairs (core/column_moments.h); and
// segmentation.finite(value), a number or NULL.
//
// The aggregate's state is `internal`, so that nobody can hand it bytes of their own: one block of flat memory in the
// aggregate's context.
#include <cmath>
#include <cstring>
#include <limits>

#include "core/column_moments.h"
#include "core/error.h"
#include "pg/array_arg.h"
#include "pg/boundary.h"
#include "pg/progress.h"

namespace segmentation {
namespace {

struct MomentsHead {
  std::uint64_t columns;
  std::uint64_t pairs;  // 0 where they are not wanted
  std::uint64_t rows;
};

// Followed by a ColumnMoments per column, a PairMoments per pair, and room for a row.
struct MomentsState {
  MomentsHead head;

  ColumnMoments* columns() { return reinterpret_cast<ColumnMoments*>(this + 1); }
  PairMoments* pairs() { return head.pairs == 0 ? nullptr : reinterpret_cast<PairMoments*>(columns() + head.columns); }
  double* row() { return reinterpret_cast<double*>(reinterpret_cast<PairMoments*>(columns() + head.columns) + head.pairs); }
};

// What travels between processes: all but the room for a row.
std::size_t BytesOf(const MomentsHead& head) {
  return sizeof(MomentsHead) + head.columns * sizeof(ColumnMoments) + head.pairs * sizeof(PairMoments);
}

MomentsState* NewState(MemoryContext context, const MomentsHead& shape) {
  auto* state =
      static_cast<MomentsState*>(MemoryContextAllocHuge(context, BytesOf(shape) + shape.columns * sizeof(double)));
  std::memset(state, 0, BytesOf(shape) + shape.columns * sizeof(double));
  state->head.columns = shape.columns;
  state->head.pairs = shape.pairs;
  return state;
}

MomentsState* StateArgument(FunctionCallInfo fcinfo, int argument) {
  return PG_ARGISNULL(argument) ? nullptr : reinterpret_cast<MomentsState*>(PG_GETARG_POINTER(argument));
}

}  // namespace

// (state, numbers, pairs)
SEGMENTATION_FUNCTION(moments_accum) {
  MemoryContext context = AggregateContext(fcinfo);
  if (PG_ARGISNULL(1) || PG_ARGISNULL(2)) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("arguments of moments must not be null"),
                    errhint("Values may be: give an array of them.")));
  }
  const FeatureArray numbers = ReadFeatures(PG_GETARG_ARRAYTYPE_P(1));
  MomentsState* state = StateArgument(fcinfo, 0);
  if (state == nullptr) {
    MomentsHead shape{};
    shape.columns = static_cast<std::uint64_t>(numbers.length);
    shape.pairs = PG_GETARG_BOOL(2) ? PairsOf(shape.columns) : 0;
    state = NewState(context, shape);
  }
  if (static_cast<std::uint64_t>(numbers.length) != state->head.columns) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("columns of moments must be the same for all rows")));
  }
  double* row = state->row();
  CopyFeatures(numbers, row);
  for (std::uint64_t j = 0; j < state->head.columns; ++j) {
    if (!std::isfinite(row[j])) row[j] = std::numeric_limits<double>::quiet_NaN();
  }
  AddRow(row, state->head.columns, {state->columns(), state->pairs()});
  if (unlikely(++state->head.rows % kRowsPerReport == 0)) SayRowsRead("moments", state->head.rows);
  PG_RETURN_POINTER(state);
}

SEGMENTATION_FUNCTION(moments_combine) {
  MemoryContext context = AggregateContext(fcinfo);
  MomentsState* state = StateArgument(fcinfo, 0);
  MomentsState* other = StateArgument(fcinfo, 1);
  if (other == nullptr) {
    if (state == nullptr) PG_RETURN_NULL();
    PG_RETURN_POINTER(state);
  }
  if (state == nullptr) state = NewState(context, other->head);
  if (state->head.columns != other->head.columns || state->head.pairs != other->head.pairs) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("columns of moments must be the same for all rows")));
  }
  state->head.rows += other->head.rows;
  MergeMoments({other->columns(), other->pairs()}, state->head.columns, {state->columns(), state->pairs()});
  PG_RETURN_POINTER(state);
}

SEGMENTATION_FUNCTION(moments_serialize) {
  AggregateContext(fcinfo);
  const auto* state = reinterpret_cast<MomentsState*>(PG_GETARG_POINTER(0));
  const std::size_t bytes = BytesOf(state->head);
  auto* value = static_cast<struct varlena*>(palloc(VARHDRSZ + bytes));
  SET_VARSIZE(value, VARHDRSZ + bytes);
  std::memcpy(VARDATA(value), state, bytes);
  PG_RETURN_POINTER(value);
}

SEGMENTATION_FUNCTION(moments_deserialize) {
  AggregateContext(fcinfo);
  auto* value = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)));
  const std::size_t bytes = VARSIZE_ANY_EXHDR(value);
  MomentsHead head;
  if (bytes < sizeof head) elog(ERROR, "partial moments are too short");
  std::memcpy(&head, VARDATA_ANY(value), sizeof head);
  if (bytes != BytesOf(head)) elog(ERROR, "partial moments are of another length");
  MomentsState* state = NewState(CurrentMemoryContext, head);
  std::memcpy(state, VARDATA_ANY(value), bytes);
  PG_RETURN_POINTER(state);
}

// Per column: rows, mean, standard deviation, skewness, zeros, negatives; then per pair: rows, correlation. NaN: not
// defined.
SEGMENTATION_FUNCTION(moments_final) {
  AggregateContext(fcinfo);
  MomentsState* state = StateArgument(fcinfo, 0);
  if (state == nullptr) PG_RETURN_NULL();
  ArrayType* result = NewFloatArray(state->head.columns * 6 + state->head.pairs * 2);
  double* to = FloatsOf(result);
  for (std::uint64_t j = 0; j < state->head.columns; ++j) {
    const ColumnMoments& column = state->columns()[j];
    *to++ = column.rows;
    *to++ = Mean(column);
    *to++ = StandardDeviation(column);
    *to++ = Skewness(column);
    *to++ = column.zeros;
    *to++ = column.negatives;
  }
  for (std::uint64_t i = 0; i < state->head.pairs; ++i) {
    *to++ = state->pairs()[i].rows;
    *to++ = Correlation(state->pairs()[i]);
  }
  PG_RETURN_ARRAYTYPE_P(result);
}

// In C because an inlined CASE would compute its argument three times.
SEGMENTATION_FUNCTION(finite) {
  const double value = PG_GETARG_FLOAT8(0);
  if (!std::isfinite(value)) PG_RETURN_NULL();
  PG_RETURN_FLOAT8(value);
}

}  // namespace segmentation
