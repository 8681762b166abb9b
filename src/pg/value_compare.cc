// Comparison and hashing of the extension's types. A value is its canonical bytes, so one set of functions serves all types;
// the order is total and has no other meaning.
//
// Sorts, joins and index builds call these in long-lived memory: what was detoasted is freed again.
#include "pg/boundary.h"

namespace segmentation {
namespace {

std::string_view Bytes(const struct varlena* value) { return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)}; }

struct varlena* Argument(FunctionCallInfo fcinfo, int argument) {
  return reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(argument)));
}

int Compare(FunctionCallInfo fcinfo) {
  struct varlena* a = Argument(fcinfo, 0);
  struct varlena* b = Argument(fcinfo, 1);
  const int order = Bytes(a).compare(Bytes(b));
  PG_FREE_IF_COPY(a, 0);
  PG_FREE_IF_COPY(b, 1);
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

}  // namespace

SEGMENTATION_FUNCTION(value_cmp) { PG_RETURN_INT32(Compare(fcinfo)); }
SEGMENTATION_FUNCTION(value_eq) { PG_RETURN_BOOL(Compare(fcinfo) == 0); }
SEGMENTATION_FUNCTION(value_ne) { PG_RETURN_BOOL(Compare(fcinfo) != 0); }
SEGMENTATION_FUNCTION(value_lt) { PG_RETURN_BOOL(Compare(fcinfo) < 0); }
SEGMENTATION_FUNCTION(value_le) { PG_RETURN_BOOL(Compare(fcinfo) <= 0); }
SEGMENTATION_FUNCTION(value_gt) { PG_RETURN_BOOL(Compare(fcinfo) > 0); }
SEGMENTATION_FUNCTION(value_ge) { PG_RETURN_BOOL(Compare(fcinfo) >= 0); }

SEGMENTATION_FUNCTION(value_hash) {
  struct varlena* value = Argument(fcinfo, 0);
  const Datum hash = hash_any(reinterpret_cast<const unsigned char*>(VARDATA_ANY(value)), static_cast<int>(VARSIZE_ANY_EXHDR(value)));
  PG_FREE_IF_COPY(value, 0);
  PG_RETURN_DATUM(hash);
}

SEGMENTATION_FUNCTION(value_hash_extended) {
  struct varlena* value = Argument(fcinfo, 0);
  const Datum hash = hash_any_extended(reinterpret_cast<const unsigned char*>(VARDATA_ANY(value)),
                                       static_cast<int>(VARSIZE_ANY_EXHDR(value)), static_cast<uint64>(PG_GETARG_INT64(1)));
  PG_FREE_IF_COPY(value, 0);
  PG_RETURN_DATUM(hash);
}

}  // namespace segmentation
