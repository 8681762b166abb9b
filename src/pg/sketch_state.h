// kmeans_sketch in memory: an expanded object that rows are appended to in place, and the state of the aggregates.
//
// All of it is palloc'd memory in the object's own context; nothing has a destructor. Functions are PostgreSQL's regime unless
// they say otherwise.
//
// A state that has more rows than it may keep overflows: rows and cells are compressed to cells (compress.h), and the chunks take
// rows again. What such a state gives away is compressed to cells alone; the state itself goes on with what it has.
#pragma once

#include "core/options.h"
#include "core/rows.h"
#include "core/sketch.h"
#include "pg/boundary.h"
#include "pg/row_check.h"
#include "pg/row_chunks.h"
#include "pg/shared_rows.h"

namespace segmentation {

// What an overflowed state gives away, kept while it stays as it is.
struct GivenCells {
  char* section;        // bounds and cells, sorted; nullptr: not made yet
  std::uint64_t cells;
  std::uint64_t rows;   // how many there were behind cells and beside them when it was made
  std::uint64_t exact;
};

struct SketchState {
  ExpandedObjectHeader header;  // first, as the server wants it
  SketchHeader shape;
  // The fit section.
  std::int32_t k;
  char* options;           // JSON text in UTF-8, options_bytes long
  std::size_t options_bytes;
  RowRules rules;
  bool unscaled;                  // option scale = none: columns are compared as they are
  bool compresses;                // more rows than it may keep are compressed, not an error
  const void* matched;            // the constant request of the call site that was found to be the same
  struct varlena* options_value;  // the jsonb of the first row, to compare the others with; nullptr when not known
  std::uint64_t max_rows;         // how many rows lie in chunks at most; 0 while the width of a row is not known
  RowChunks chunks;
  char* cells;  // bounds and cells as in the flat form; nullptr while every row is there
  GivenCells given;
  StateUse use;  // with kLeader, rows that lie in shared memory do not go with the value

  std::uint64_t all_rows() const { return shape.rows + shape.cell_rows; }
};

// An empty sketch in a context of its own below `parent`. Its rows stay exact: too many are an error.
SketchState* NewSketchState(MemoryContext parent);

// The state behind a value: the object itself where it is one, otherwise a copy of the flat value below `parent`, which
// compresses.
SketchState* StateOf(Datum value, MemoryContext parent);
bool IsSketchState(Datum value);

// What a training was asked for. Sets the fit section; every later row must bring the same. text: the options as JSON.
void SetFit(SketchState* state, std::int32_t k, struct varlena* options);
void SetFitText(SketchState* state, std::int32_t k, std::string_view text);
void RequireSameFit(SketchState* state, std::int32_t k, struct varlena* options);

// Appends one row, or counts it as skipped. Raises 22004 and 22003 for NULL and not finite elements (unless skipped), 22000 for
// another number of features, 54000 when the row does not fit. weight: nullptr where rows have none; 0 leaves the row out.
void AppendFeatures(SketchState* state, const FeatureArray& features, const double* weight, bool weight_is_null);
inline void AppendRow(SketchState* state, ArrayType* features, const double* weight, bool weight_is_null) {
  AppendFeatures(state, ReadFeatures(features), weight, weight_is_null);
}

// Appends a flat sketch, or what another state gives away. That one stays as it is, unless nobody else will see it: then it lends its
// rows, or gives up those that it has summarized. The result is the same, bit for bit.
void AppendView(SketchState* state, const SketchView& view);
void AppendState(SketchState* state, SketchState* other);

// Appends rows that a parallel worker has put into shared memory, after the view that tells of them: takes them over, or copies them
// and gives the memory back.
void AppendShared(SketchState* state, const SketchHeader& shape, const SharedQuery& query, const SharedRows& rows);

// How many rows the sketch may hold, after its capacity has changed.
void RefreshLimits(SketchState* state);

// Compresses all rows and cells of the state to cells.
void CompressState(SketchState* state);

// Makes the state what it would be had it been given away and read again.
void SettleState(SketchState* state);

// What the state gives away: shape and cells (nullptr while it is exact, and then all its rows). SettledShape makes the cells.
SketchHeader SettledShape(SketchState* state);
const char* SettledCells(const SketchState* state);

// The rows that lie in chunks, and the cells; from inside C++. They stay where they are.
RowSet RowsOf(const SketchState* state);

// What the state gives away, for the core; SettledShape was called before. From inside C++.
RowSet SettledRows(const SketchState* state);

// The flat value with its rows in canonical order.
struct varlena* CanonicalValue(SketchState* state);

// The flat bytes of a detoasted value.
inline std::string_view SketchBytesOf(const struct varlena* value) { return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)}; }

}  // namespace segmentation
