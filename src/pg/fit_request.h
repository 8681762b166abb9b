// What the rows of a training ask for, in the PostgreSQL regime: k and options, the same for all rows.
#pragma once

#include <string_view>

#include "core/options.h"
#include "pg/boundary.h"

namespace segmentation {

// The options of a call site as they were last seen. They are made of the argument's bytes alone, so that no result depends on
// whether they were kept.
struct FitRequest {
  std::int32_t k;
  std::int32_t k_min;        // 0: one k
  std::size_t options_bytes;
  char* options;             // JSON text in UTF-8, with k_min where there is one
  struct varlena* value;     // the jsonb they came from; nullptr for none
  OnNull on_null;            // valid once checked_dimensions is set
  bool constant;             // k and options are constants of the query: no row can bring others
  std::uint32_t checked_dimensions;  // k and options are valid for rows of this many features; 0: not known to be

  std::string_view text() const { return {options, options_bytes}; }
};

// Where a transition function has them; k_min 0: nowhere. Options need not be there.
struct FitArguments {
  int k_min, k, options, weight;
};
constexpr FitArguments kOneK = {0, 2, 3, 4};
constexpr FitArguments kRangeOfK = {2, 3, 4, 5};

// Reads what a row asks for. In fn_extra of the call.
FitRequest* ReadFitRequest(FunctionCallInfo fcinfo, const FitArguments& where);

// Raises 22023 and others unless k and options are good for rows of so many features.
void CheckFitRequest(FitRequest* request, std::uint32_t dimensions);

// The text of a jsonb of options (nullptr: none were given), UTF-8.
std::string_view OptionsText(struct varlena* options);

// Raises 22023 where one row (or state) was asked for something else than another.
void RequireSameFit(std::int32_t k, std::string_view options, std::int32_t other_k, std::string_view other_options);

}  // namespace segmentation
