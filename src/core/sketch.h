// The flat form of a sketch: a summary of rows that can be stored, sent and merged.
//
// Format 1, little-endian, no alignment assumed:
//   offset size  what
//        0    4  'S' 'G' 'K' 0x01
//        4    4  flags: 1 rows carry a weight; 2 there is a fit section; 4 the bytes after the sketch are room for more rows
//                (in memory only: never in the text and binary forms); other bits 0
//        8    4  dimensions d (0 while nothing is known)
//       12    4  bytes of the fit section
//       16    8  capacity: how many rows stay exact; 0: as many as the memory allows
//       24    8  exact rows n
//       32    8  skipped rows (NULL, NaN or infinite, under on_null = skip)
//       40    8  cells c: cluster features (weight, mean, sum of squared deviations) that stand for rows beyond the capacity
//       48    8  rows behind the cells
//       56       the fit section: int32 k, then the options as JSON text (UTF-8)
//                n rows of d doubles, and a weight where flag 1 is set
//                where c > 0: d minima and d maxima of all rows behind the cells, then c cells of 1 + 2 d doubles: weight, means,
//                sums of squared deviations (compress.h). Without flag 1 a weight is a number of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "core/interrupt.h"

namespace segmentation {

struct SketchHeader {
  bool weighted = false;
  bool has_fit = false;
  bool has_room = false;
  std::uint32_t dimensions = 0;
  std::uint32_t fit_bytes = 0;
  std::uint64_t capacity = 0;
  std::uint64_t rows = 0;
  std::uint64_t skipped = 0;
  std::uint64_t cells = 0;
  std::uint64_t cell_rows = 0;

  std::size_t RowBytes() const { return (std::size_t{dimensions} + (weighted ? 1 : 0)) * sizeof(double); }
  std::size_t CellBytes() const { return (1 + 2 * std::size_t{dimensions}) * sizeof(double); }
  std::size_t BoundsBytes() const { return 2 * std::size_t{dimensions} * sizeof(double); }
  // Of the section that begins with the minima.
  std::size_t CellSectionBytes() const { return cells == 0 ? 0 : BoundsBytes() + cells * CellBytes(); }
};

constexpr std::size_t kSketchHeaderBytes = 56;
// Of rows behind cells there are fewer than this, so that numbers of rows can be added without a second thought.
constexpr std::uint64_t kMaxCellRows = std::uint64_t{1} << 62;

// A sketch read in place; the views point into the bytes it was read from.
struct SketchView {
  SketchHeader header;
  std::int32_t k = 0;
  std::string_view options;     // JSON text
  const char* rows = nullptr;   // header.rows * header.RowBytes(), unaligned
  std::size_t bytes = 0;        // without the room at the end
  const char* cells = nullptr;  // header.CellSectionBytes(), as RowSet::cells; nullptr where there are none
};

// The bytes of a sketch with this header. Throws kLimit where they would pass the 1 GB of a datum.
std::size_t SketchBytes(const SketchHeader& header);

// Writes header and fit section to `to` (which has room for them); returns where the rows begin.
char* WriteSketchPrefix(const SketchHeader& header, std::int32_t k, std::string_view options, char* to);

// Adds to the numbers in the header of a sketch that rows were appended to, or skipped.
void AddToSketchHeader(std::uint64_t rows, std::uint64_t skipped, char* sketch);

// The sketch no longer has room at its end.
void ClearSketchRoom(char* sketch);

// Puts the cells of a section into the order of their bytes, so that equal summaries are equal values.
void SortCells(const SketchHeader& header, char* section);

// Reads and checks everything: sizes, flags, finite rows, weights above 0, cells that can be. Throws `code`. Options are not
// looked into.
SketchView ReadSketch(std::string_view bytes, ErrorCode code, const Interrupt& interrupt = {});

// The same without looking at each row, for bytes that this server made itself; they may have room at their end.
SketchView ReadTrustedSketch(std::string_view bytes);

}  // namespace segmentation
