// What a row must be to go into a sketch, in the PostgreSQL regime.
#pragma once

#include "core/options.h"
#include "pg/array_arg.h"

namespace segmentation {

// How rows with missing numbers are treated. A sketch that is not the state of a training has no options to hint at.
struct RowRules {
  OnNull on_null;
  bool has_options;
};

enum class WeightUse { kUse, kLeaveOut, kSkip };

// Copies the features, -0 as 0; false when the row is to be skipped. Raises 22004 and 22003 for NULL and not finite elements.
bool CopyFinite(const RowRules& rules, const FeatureArray& features, char* to);

// A weight of 0 leaves the row out; one that is missing skips it, or is an error, as is a negative one.
WeightUse CheckWeight(const RowRules& rules, double weight, bool is_null);

// A float8[] argument with a header of four bytes. Short ones, as rows of a table have, are copied into `room`.
struct ArrayRoom {
  alignas(8) char bytes[136];
};
ArrayType* ReadArray(Datum value, ArrayRoom* room);

}  // namespace segmentation
