#include <cmath>
#include <limits>

#include "pg/array_arg.h"

namespace segmentation {

FeatureArray ReadFeatures(ArrayType* array) {
  if (ARR_NDIM(array) != 1) {
    ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("features must be a one-dimensional array"),
                    ARR_NDIM(array) == 0 ? errdetail("The array is empty.")
                                         : errdetail("The array has %d dimensions.", ARR_NDIM(array)),
                    errhint("For example: ARRAY[age, income].")));
  }
  return {reinterpret_cast<const double*>(ARR_DATA_PTR(array)), ARR_NULLBITMAP(array), ARR_DIMS(array)[0]};
}

void CopyFeatures(const FeatureArray& features, double* to) {
  const double* value = features.values;
  for (int i = 0; i < features.length; ++i) to[i] = features.IsNull(i) ? std::numeric_limits<double>::quiet_NaN() : *value++;
}

ArrayType* NewFloatArray(std::size_t count) {
  if (count == 0) return construct_empty_array(FLOAT8OID);
  const std::size_t bytes = ARR_OVERHEAD_NONULLS(1) + count * sizeof(double);
  auto* array = static_cast<ArrayType*>(palloc0(bytes));
  SET_VARSIZE(array, bytes);
  array->ndim = 1;
  array->elemtype = FLOAT8OID;
  ARR_DIMS(array)[0] = static_cast<int>(count);
  ARR_LBOUND(array)[0] = 1;
  return array;
}

void RaiseDimensionMismatch(int given, int expected, const char* whose) {
  ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("number of features does not match"),
                  errdetail("The array has %d features, and %s %d.", given, whose, expected)));
  pg_unreachable();
}

}  // namespace segmentation
