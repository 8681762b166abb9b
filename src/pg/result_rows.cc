#include "pg/result_rows.h"

#include <cstring>

#include "pg/array_arg.h"

namespace segmentation {

static_assert(std::is_trivially_destructible_v<ResultRows>, "lives in the PostgreSQL regime");

ResultRows::ResultRows(FunctionCallInfo fcinfo) {
  auto* info = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  if (info == nullptr || !IsA(info, ReturnSetInfo) || (info->allowedModes & SFRM_Materialize) == 0) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("set-valued function called in context that cannot accept a set")));
  }
  MemoryContext outer = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
  if (get_call_result_type(fcinfo, nullptr, &descriptor_) != TYPEFUNC_COMPOSITE) elog(ERROR, "return type must be a row type");
  store_ = tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
  info->returnMode = SFRM_Materialize;
  info->setResult = store_;
  info->setDesc = descriptor_;
  MemoryContextSwitchTo(outer);
}

Datum ResultRow(FunctionCallInfo fcinfo, Datum* values, bool* nulls) {
  TupleDesc descriptor;
  if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE) elog(ERROR, "return type must be a row type");
  return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

Datum TextArrayDatum(char** utf8, std::size_t count) {
  auto* items = static_cast<Datum*>(palloc((count + 1) * sizeof(Datum)));
  for (std::size_t i = 0; i < count; ++i) items[i] = TextDatum(utf8[i]);
  return PointerGetDatum(construct_array(items, static_cast<int>(count), TEXTOID, -1, false, TYPALIGN_INT));
}

Datum FloatArrayDatum(const double* values, std::size_t count) {
  ArrayType* array = NewFloatArray(count);
  memcpy(FloatsOf(array), values, count * sizeof(double));
  return PointerGetDatum(array);
}

}  // namespace segmentation
