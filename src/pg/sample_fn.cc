// segmentation.sample_customers(n, seed): made-up customers, one row a call.
#include "core/sample_customers.h"
#include "pg/boundary.h"
#include "pg/result_rows.h"

namespace segmentation {

SEGMENTATION_FUNCTION(sample_customers) {
  if (SRF_IS_FIRSTCALL()) {
    FuncCallContext* first = SRF_FIRSTCALL_INIT();
    const int64 n = PG_GETARG_INT64(0);
    if (n < 0) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("number of customers must not be negative"),
                      errdetail("It is " INT64_FORMAT ".", n)));
    }
    first->max_calls = static_cast<uint64>(n);
    MemoryContext outer = MemoryContextSwitchTo(first->multi_call_memory_ctx);
    TupleDesc descriptor;
    if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE) elog(ERROR, "return type must be a row type");
    first->tuple_desc = BlessTupleDesc(descriptor);
    MemoryContextSwitchTo(outer);
  }
  FuncCallContext* call = SRF_PERCALL_SETUP();
  if (call->call_cntr >= call->max_calls) SRF_RETURN_DONE(call);
  const SampleCustomer customer =
      MakeSampleCustomer(static_cast<std::uint64_t>(PG_GETARG_INT64(1)), static_cast<std::int64_t>(call->call_cntr) + 1);
  bool nulls[10] = {};
  nulls[7] = !customer.has_outcome;
  Datum values[10] = {Int64GetDatum(customer.customer_id),
                      Int32GetDatum(customer.age),
                      Int32GetDatum(customer.education),
                      Int32GetDatum(customer.years_employed),
                      Float8GetDatum(customer.income),
                      Float8GetDatum(customer.card_debt),
                      Float8GetDatum(customer.other_debt),
                      BoolGetDatum(customer.defaulted),
                      Float8GetDatum(customer.debt_income_ratio),
                      CStringGetTextDatum(kRegions[static_cast<std::size_t>(customer.region)])};
  SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, nulls)));
}

}  // namespace segmentation
