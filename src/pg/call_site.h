// What is known of the arguments at one place in a query, so that what was made of them can be kept from row to row (in fn_extra).
#pragma once

#include <cstring>

#include "pg/pg_includes.h"

namespace segmentation {

// Whether the call names the value of an argument itself. A parameter will not do, though it is stable within an execution: PL/pgSQL
// keeps a call site, and with it what is kept there, from one execution to the next.
inline bool IsLiteral(FunctionCallInfo fcinfo, int argument) {
  Node* call = fcinfo->flinfo->fn_expr;
  if (call == nullptr || !IsA(call, FuncExpr)) return false;
  List* arguments = reinterpret_cast<FuncExpr*>(call)->args;
  return argument < list_length(arguments) && IsA(list_nth(arguments, argument), Const);
}

// The same for arguments first to last of a transition function, which come one later than those of the aggregate.
inline bool AreLiteralsOfAggregate(FunctionCallInfo fcinfo, int first, int last) {
  const Aggref* aggregate = AggGetAggref(fcinfo);  // none in a window
  if (aggregate == nullptr || list_length(aggregate->args) < last) return false;
  for (int i = first; i <= last; ++i) {
    if (!IsA(static_cast<TargetEntry*>(list_nth(aggregate->args, i - 1))->expr, Const)) return false;
  }
  return true;
}

// Of detoasted values; nullptr for none.
inline bool SameValue(const struct varlena* a, const struct varlena* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) && memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

}  // namespace segmentation
