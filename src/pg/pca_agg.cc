// pca(features [, options [, weight]]): principal component analysis of any number of rows in constant memory.
//
// The state is a float8[], so that it can be sent and stored like any value:
//   [0] layout  [1] columns d  [2] 53 bits of a hash of the options  [3] bytes t of the options
//   then the sums (core/pca_sums.h), then the options as JSON text (packed_text.h).
// Anybody may build an aggregate on these functions with an initial state of their own, so a state is checked whenever one comes.
#include <cmath>
#include <cstring>

#include "core/hash.h"
#include "core/pca_sums.h"
#include "pg/call_site.h"
#include "pg/fit_request.h"
#include "pg/packed_text.h"
#include "pg/pca_type.h"
#include "pg/progress.h"
#include "pg/row_check.h"

namespace segmentation {
namespace {

constexpr double kLayout = 1;
constexpr std::size_t kHead = 4;
constexpr double kMaxRows = 0x1p62;  // what a bigint holds
constexpr double kMaxText = 0x1p30;

// A view of the numbers of a state.
struct PcaState {
  double* at;
  std::size_t columns() const { return static_cast<std::size_t>(at[1]); }
  double mark() const { return at[2]; }
  std::size_t text_bytes() const { return static_cast<std::size_t>(at[3]); }
  PcaSums Sums() const { return {at + kHead, columns()}; }
  double* Text() const { return at + kHead + PcaSums::Size(columns()); }
  std::size_t size() const { return kHead + PcaSums::Size(columns()) + PackedSize(text_bytes()); }
};

// The options of a call site as they were last seen, and room for a row. Made of the argument's bytes alone, so that no result depends
// on whether it was kept.
struct PcaRequest {
  MemoryContext context;    // of all of it
  bool constant;            // the options are a constant of the query
  struct varlena* value;    // the jsonb they came from; nullptr for none
  const char* options;
  std::size_t options_bytes;
  double mark;
  OnNull on_null;
  std::size_t columns;      // that the options were checked for, and that there is room for; 0: not known
  double* row;              // and 4 * columns more

  std::string_view text() const { return {options, options_bytes}; }
};

// Replaces what is kept, whole or not at all.
PcaRequest* KeepRequest(FunctionCallInfo fcinfo, struct varlena* options) {
  MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pca options", ALLOCSET_SMALL_SIZES);
  const std::string_view text = OptionsText(options);
  auto* request = static_cast<PcaRequest*>(MemoryContextAllocZero(context, sizeof(PcaRequest)));
  request->context = context;
  request->constant = PG_NARGS() <= 2 || AreLiteralsOfAggregate(fcinfo, 2, 2);
  if (options != nullptr) {
    request->value = static_cast<struct varlena*>(MemoryContextAlloc(context, VARSIZE(options)));
    memcpy(request->value, options, VARSIZE(options));
  }
  auto* copy = static_cast<char*>(MemoryContextAlloc(context, text.size() + 1));
  memcpy(copy, text.data(), text.size());
  request->options = copy;
  request->options_bytes = text.size();
  // As many bits as a double holds exactly.
  request->mark = static_cast<double>(HashBytes(text.data(), text.size(), 1) >> 11);
  MemoryContextSetParent(context, fcinfo->flinfo->fn_mcxt);
  if (fcinfo->flinfo->fn_extra != nullptr) MemoryContextDelete(static_cast<PcaRequest*>(fcinfo->flinfo->fn_extra)->context);
  fcinfo->flinfo->fn_extra = request;
  return request;
}

PcaRequest* ReadRequest(FunctionCallInfo fcinfo) {
  auto* known = static_cast<PcaRequest*>(fcinfo->flinfo->fn_extra);
  if (likely(known != nullptr && known->constant)) return known;
  struct varlena* options = nullptr;
  if (PG_NARGS() > 2 && !PG_ARGISNULL(2)) options = PG_GETARG_VARLENA_PP(2);
  if (likely(known != nullptr && SameValue(known->value, options))) return known;
  if (options != nullptr) options = reinterpret_cast<struct varlena*>(PG_GETARG_JSONB_P(2));
  return KeepRequest(fcinfo, options);
}

// Raises unless the options are good for rows of so many features.
void CheckRequest(PcaRequest* request, std::size_t columns) {
  if (likely(request->columns == columns)) return;
  OnNull on_null = OnNull::kError;
  CallCore([&] {
    const Options options = ParsePcaOptions(request->text());
    CheckPcaOptions(options, columns);
    on_null = options.on_null;
  });
  if (request->row != nullptr) pfree(request->row);
  request->row = nullptr;
  request->columns = 0;
  request->row = static_cast<double*>(MemoryContextAlloc(request->context, 5 * columns * sizeof(double)));
  request->on_null = on_null;
  request->columns = columns;
}

// In the current context: the executor copies it to where states live.
ArrayType* NewState(const PcaRequest* request, std::size_t columns) {
  double head[kHead] = {kLayout, static_cast<double>(columns), request->mark, static_cast<double>(request->options_bytes)};
  ArrayType* array = NewFloatArray(PcaState{head}.size());
  const PcaState state{FloatsOf(array)};
  memcpy(state.at, head, sizeof head);
  PackText(request->text(), state.Text());
  return array;
}

PcaState StateOf(ArrayType* array) {
  const PcaState state{FloatsOf(array)};
  const auto size = ARR_NDIM(array) == 1 ? static_cast<std::size_t>(ARR_DIMS(array)[0]) : 0;
  const auto is_count = [](double value) { return value >= 0 && value < kMaxRows; };
  if (size < kHead || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != FLOAT8OID || state.at[0] != kLayout ||
      !(state.at[1] >= 1 && state.at[1] <= static_cast<double>(kMaxPcaColumns)) || !(state.at[3] > 0 && state.at[3] < kMaxText) ||
      state.size() != size || !is_count(state.Sums().rows()) || !is_count(state.Sums().skipped())) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid state of pca")));
  }
  return state;
}

[[noreturn]] void RaiseOtherOptions() {
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("options must be the same for all rows")));
  pg_unreachable();
}

WeightUse ReadWeight(FunctionCallInfo fcinfo, const RowRules& rules, double* weight) {
  *weight = 1;
  if (PG_NARGS() <= 3) return WeightUse::kUse;
  *weight = PG_ARGISNULL(3) ? 0 : PG_GETARG_FLOAT8(3);
  return CheckWeight(rules, *weight, PG_ARGISNULL(3));
}

}  // namespace

// (state, features [, options [, weight]])
SEGMENTATION_FUNCTION(pca_accum) {
  AggregateContext(fcinfo);
  ArrayType* array = PG_ARGISNULL(0) ? nullptr : PG_GETARG_ARRAYTYPE_P(0);
  if (PG_ARGISNULL(1)) {
    if (array == nullptr) PG_RETURN_NULL();
    PG_RETURN_POINTER(array);
  }
  ArrayRoom room;
  const FeatureArray features = ReadFeatures(ReadArray(PG_GETARG_DATUM(1), &room));
  const auto columns = static_cast<std::size_t>(features.length);
  PcaRequest* request = ReadRequest(fcinfo);
  if (array == nullptr) {
    CheckRequest(request, columns);
    array = NewState(request, columns);
  }
  const PcaState state = StateOf(array);
  if (unlikely(state.mark() != request->mark)) RaiseOtherOptions();
  if (unlikely(state.columns() != columns)) RaiseDimensionMismatch(features.length, static_cast<int>(state.columns()), "earlier rows have");
  CheckRequest(request, columns);
  const RowRules rules = {request->on_null, true};
  PcaSums sums = state.Sums();
  double weight;
  const WeightUse use = ReadWeight(fcinfo, rules, &weight);
  if (use == WeightUse::kLeaveOut) PG_RETURN_POINTER(array);
  if (use == WeightUse::kSkip || !CopyFinite(rules, features, reinterpret_cast<char*>(request->row))) {
    sums.CountSkipped(1);
    PG_RETURN_POINTER(array);
  }
  sums.Add(request->row, weight, request->row + columns);
  if (unlikely(std::fmod(sums.rows(), kRowsPerReport) == 0)) SayRowsRead("pca", static_cast<std::uint64_t>(sums.rows()));
  PG_RETURN_POINTER(array);
}

SEGMENTATION_FUNCTION(pca_combine) {
  AggregateContext(fcinfo);
  ArrayType* first = PG_ARGISNULL(0) ? nullptr : PG_GETARG_ARRAYTYPE_P(0);
  if (PG_ARGISNULL(1)) {
    if (first == nullptr) PG_RETURN_NULL();
    PG_RETURN_POINTER(first);
  }
  ArrayType* second = PG_GETARG_ARRAYTYPE_P(1);
  const PcaState from = StateOf(second);
  // A copy: the second state is not ours to keep.
  if (first == nullptr) PG_RETURN_DATUM(datumCopy(PointerGetDatum(second), false, -1));
  const PcaState to = StateOf(first);
  if (to.columns() != from.columns()) {
    RaiseDimensionMismatch(static_cast<int>(from.columns()), static_cast<int>(to.columns()), "earlier rows have");
  }
  if (to.mark() != from.mark() || to.text_bytes() != from.text_bytes()) RaiseOtherOptions();
  to.Sums().Merge(from.Sums());
  PG_RETURN_POINTER(first);
}

SEGMENTATION_FUNCTION(pca_final) {
  AggregateContext(fcinfo);
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  const PcaState state = StateOf(PG_GETARG_ARRAYTYPE_P(0));
  if (state.Sums().rows() < 1) PG_RETURN_NULL();
  struct varlena* model = nullptr;
  CallCore([&] {
    const Options options = ParsePcaOptions(UnpackText(state.Text(), state.text_bytes(), "options"));
    CheckPcaOptions(options, state.columns());
    model = MakePcaValue(ModelOfSums(state.Sums(), options, ServerInterrupt()));
  });
  PG_RETURN_POINTER(model);
}

}  // namespace segmentation
