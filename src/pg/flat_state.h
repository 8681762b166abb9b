// Small states of aggregates: flat sketches with room at their end, appended to in place.
//
// A query of many groups has a state for each, and hash aggregation walks every memory context when it counts what they take. So a
// state begins as a plain value in the aggregate's own context (nodeAgg copies it there) and is given back by the same pointer
// while rows fit into its room; one that is full is copied to four times the room, and beyond kMaxFlatBytes it becomes the expanded
// object of sketch_state.h. The room is zeroed, for the value may be stored as it is.
//
// PostgreSQL's regime.
#pragma once

#include "core/sketch.h"
#include "pg/boundary.h"
#include "pg/row_check.h"

namespace segmentation {

constexpr std::size_t kMaxFlatBytes = 4096;

// A flat state, its fields read from its header; made anew for each call.
struct FlatState {
  struct varlena* value;
  SketchView view;

  std::size_t room() const { return VARSIZE(value) - VARHDRSZ - view.bytes; }
};

// True where the value can be appended to as it is: flat, small, all rows exact.
bool ReadFlatState(Datum value, FlatState* state);

// An empty state for rows of this kind, in the current context.
FlatState NewFlatState(const SketchHeader& shape, std::int32_t k, std::string_view options);

// Room for `bytes` more, in a copy if need be; false where the state should be an expanded object.
bool ReserveFlat(FlatState* state, std::size_t bytes);

// Appends a row, or counts it as skipped, after ReserveFlat of a row. weight: nullptr where rows have none.
void AppendFlatRow(FlatState* state, const RowRules& rules, const FeatureArray& features, const double* weight, bool weight_is_null);

// Appends the rows of a flat sketch with rows of the same kind, in place; false where there is no room to.
bool AppendFlatRows(FlatState* state, const SketchView& other);

}  // namespace segmentation
