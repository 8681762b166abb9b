// float8[]: reading arguments and making results, in the PostgreSQL regime.
#pragma once

#include "pg/pg_includes.h"

namespace segmentation {

// A one-dimensional float8[] in place.
struct FeatureArray {
  const double* values;  // of the elements that are not NULL
  const bits8* nulls;    // NULL bitmap, or nullptr when no element is NULL
  int length;

  bool IsNull(int i) const { return nulls != nullptr && (nulls[i / 8] & (1 << (i % 8))) == 0; }
};

// Raises 2202E unless the array has one dimension and at least one element.
FeatureArray ReadFeatures(ArrayType* array);

// Copies the elements, NaN for NULL.
void CopyFeatures(const FeatureArray& features, double* to);

// A one-dimensional float8[] of zeros, to be written to in place.
ArrayType* NewFloatArray(std::size_t count);
inline double* FloatsOf(ArrayType* array) { return reinterpret_cast<double*>(ARR_DATA_PTR(array)); }

// Raises 22000: `given` features where `expected` are wanted; `whose` says whose, as in "the model has".
[[noreturn]] void RaiseDimensionMismatch(int given, int expected, const char* whose);

}  // namespace segmentation
