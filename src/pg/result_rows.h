// Returning rows: composite values and sets.
#pragma once

#include "pg/boundary.h"

namespace segmentation {

// Rows for a function that returns a set, collected in a tuplestore (materialize mode).
class ResultRows {
 public:
  // Raises unless the caller takes a set.
  explicit ResultRows(FunctionCallInfo fcinfo);
  void Add(Datum* values, bool* nulls) {
    CHECK_FOR_INTERRUPTS();
    tuplestore_putvalues(store_, descriptor_, values, nulls);
  }

 private:
  Tuplestorestate* store_;
  TupleDesc descriptor_;
};

// One row for a function that returns a composite type.
Datum ResultRow(FunctionCallInfo fcinfo, Datum* values, bool* nulls);

// float8, or NULL for NaN.
inline Datum FloatOrNull(double value, bool* is_null) {
  *is_null = value != value;
  return Float8GetDatum(value);
}

// text in the server's encoding from a palloc'd UTF-8 string.
inline Datum TextDatum(const char* utf8) {
  const std::string_view text = FromUtf8(utf8);
  return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

// text[] from palloc'd UTF-8 strings; float8[] from numbers.
Datum TextArrayDatum(char** utf8, std::size_t count);
Datum FloatArrayDatum(const double* values, std::size_t count);

}  // namespace segmentation
