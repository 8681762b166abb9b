#include "pg/row_check.h"

#include <cmath>
#include <cstring>

namespace segmentation {
namespace {

int HintToLeaveOut(const RowRules& rules) {
  return rules.has_options ? errhint("Leave such rows out with FILTER (WHERE ...), or set option \"on_null\" to \"skip\".")
                           : errhint("Leave such rows out with FILTER (WHERE ...).");
}

[[noreturn]] void RaiseNull(const RowRules& rules, int element) {
  ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("features must not contain null values"),
                  errdetail("Feature %d is NULL.", element + 1), HintToLeaveOut(rules)));
  pg_unreachable();
}

[[noreturn]] void RaiseNotFinite(const RowRules& rules, int element, double value) {
  ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("features must be finite"),
                  errdetail("Feature %d is %s.", element + 1, std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"),
                  HintToLeaveOut(rules)));
  pg_unreachable();
}

// A row that has something missing, or seems to.
bool CopyChecked(const RowRules& rules, const FeatureArray& features, char* to) {
  const double* value = features.values;
  for (int i = 0; i < features.length; ++i) {
    if (features.IsNull(i)) {
      if (rules.on_null == OnNull::kError) RaiseNull(rules, i);
      return false;
    }
    if (!std::isfinite(*value)) {
      if (rules.on_null == OnNull::kError) RaiseNotFinite(rules, i, *value);
      return false;
    }
    const double kept = *value++ + 0.0;
    std::memcpy(to + static_cast<std::size_t>(i) * sizeof kept, &kept, sizeof kept);
  }
  return true;
}

}  // namespace

bool CopyFinite(const RowRules& rules, const FeatureArray& features, char* to) {
  if (unlikely(features.nulls != nullptr)) return CopyChecked(rules, features, to);
  double check = 0;  // NaN as soon as one value is not finite
  for (int i = 0; i < features.length; ++i) {
    const double kept = features.values[i] + 0.0;
    std::memcpy(to + static_cast<std::size_t>(i) * sizeof kept, &kept, sizeof kept);
    check += kept * 0;
  }
  return likely(check == 0) || CopyChecked(rules, features, to);
}

WeightUse CheckWeight(const RowRules& rules, double weight, bool is_null) {
  if (likely(!is_null && std::isfinite(weight) && weight > 0)) return WeightUse::kUse;
  if (!is_null && weight == 0) return WeightUse::kLeaveOut;
  if (rules.on_null == OnNull::kError || (!is_null && weight < 0)) {
    ereport(ERROR, (errcode(is_null ? ERRCODE_NULL_VALUE_NOT_ALLOWED
                            : weight < 0 ? ERRCODE_INVALID_PARAMETER_VALUE : ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                    errmsg(is_null ? "weight must not be null" : weight < 0 ? "weight must not be negative" : "weight must be finite"),
                    errhint("Leave such rows out with FILTER (WHERE ...).")));
  }
  return WeightUse::kSkip;
}

ArrayType* ReadArray(Datum value, ArrayRoom* room) {
  auto* pointer = reinterpret_cast<struct varlena*>(DatumGetPointer(value));
  // A pointer to an array elsewhere is "short" too, by the header's bits.
  if (VARATT_IS_EXTERNAL(pointer) || !VARATT_IS_SHORT(pointer)) return DatumGetArrayTypeP(value);
  const std::size_t bytes = VARSIZE_SHORT(pointer) - VARHDRSZ_SHORT;
  static_assert(sizeof room->bytes >= VARHDRSZ + 127);
  std::memcpy(room->bytes + VARHDRSZ, VARDATA_SHORT(pointer), bytes);
  SET_VARSIZE(room->bytes, VARHDRSZ + bytes);
  return reinterpret_cast<ArrayType*>(room->bytes);
}

}  // namespace segmentation
