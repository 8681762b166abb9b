// Reading rows and jsonb by the names of a model's inputs.
#pragma once

#include <limits>

#include "pg/scorer_cache.h"

namespace segmentation {

// A missing number, as Scorer takes it.
inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// What a feature argument is.
enum class ArgumentKind { kArray, kRow, kJsonb };

// Takes feature argument `argument` to model space; null when the row has no score. Array: raises 22000 for another number of
// features than the model has, 22023 for a model with categorical inputs. Row: raises 42703 for a column that the row does
// not have, 42804 for one of a type that is not a number. Jsonb: a missing member counts as NULL.
const double* ReadPoint(FunctionCallInfo fcinfo, CachedModel* model, ArgumentKind kind, int argument);

}  // namespace segmentation
