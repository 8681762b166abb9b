// Comparison and hashing of the extension's types. A value is its canonical bytes, so one set of functions serves all types;
// the order is total and has no other meaning.
#include <algorithm>
#include <cstring>

#include "pg/boundary.h"

namespace segmentation {
namespace {

std::string_view Bytes(FunctionCallInfo fcinfo, int argument) {
  const auto* value = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(argument)));
  return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

int Compare(FunctionCallInfo fcinfo) {
  const int order = Bytes(fcinfo, 0).compare(Bytes(fcinfo, 1));
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
  const std::string_view bytes = Bytes(fcinfo, 0);
  PG_RETURN_DATUM(hash_any(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size())));
}

SEGMENTATION_FUNCTION(value_hash_extended) {
  const std::string_view bytes = Bytes(fcinfo, 0);
  PG_RETURN_DATUM(hash_any_extended(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()),
                                    static_cast<uint64>(PG_GETARG_INT64(1))));
}

}  // namespace segmentation
