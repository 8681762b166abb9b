// kmeans_sketch in memory: an expanded object that rows are appended to in place, and the state of the aggregates.
//
// All of it is palloc'd memory in the object's own context; nothing has a destructor. Functions are PostgreSQL's regime unless
// they say otherwise.
#pragma once

#include "core/options.h"
#include "core/rows.h"
#include "core/sketch.h"
#include "pg/boundary.h"

namespace segmentation {

struct RowChunk {
  RowChunk* next;
  std::uint64_t rows;
  std::uint64_t room;  // in rows
  double* Data() { return reinterpret_cast<double*>(this + 1); }
};

struct SketchState {
  ExpandedObjectHeader header;  // first, as the server wants it
  SketchHeader shape;
  // The fit section.
  std::int32_t k;
  char* options;           // JSON text in UTF-8, options_bytes long
  std::size_t options_bytes;
  OnNull on_null;
  struct varlena* options_value;  // the jsonb of the first row, to compare the others with; nullptr when not known
  std::uint64_t max_rows;         // by capacity and memory; 0 while the width of a row is not known
  RowChunk* first;
  RowChunk* last;
};

// An empty sketch in a context of its own below `parent`.
SketchState* NewSketchState(MemoryContext parent);

// The state behind a value: the object itself where it is one, otherwise a copy of the flat value below `parent`.
SketchState* StateOf(Datum value, MemoryContext parent);

// What a training was asked for. Sets the fit section; every later row must bring the same.
void SetFit(SketchState* state, std::int32_t k, struct varlena* options);
void RequireSameFit(SketchState* state, std::int32_t k, struct varlena* options);

// Appends one row, or counts it as skipped. Raises 22004 and 22003 for NULL and not finite elements (unless skipped), 22000 for
// another number of features, 54000 when the row does not fit. weight: nullptr where rows have none; 0 leaves the row out.
void AppendRow(SketchState* state, ArrayType* features, const double* weight, bool weight_is_null);

// Appends the rows of a flat sketch or of another state, which stays as it is.
void AppendRows(SketchState* state, const SketchView& view);
void AppendState(SketchState* state, const SketchState* other);

// How many rows the sketch may hold, after its capacity has changed.
void RefreshLimits(SketchState* state);

// The rows, for the core; from inside C++. They stay where they are.
RowSet RowsOf(const SketchState* state);

// The flat value with its rows in canonical order.
struct varlena* CanonicalValue(const SketchState* state);

// The flat bytes of a detoasted value.
inline std::string_view SketchBytesOf(const struct varlena* value) { return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)}; }

}  // namespace segmentation
