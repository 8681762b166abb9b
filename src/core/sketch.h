// The flat form of a sketch: a summary of rows that can be stored, sent and merged.
//
// Format 1, little-endian, no alignment assumed:
//   offset size  what
//        0    4  'S' 'G' 'K' 0x01
//        4    4  flags: 1 rows carry a weight; 2 there is a fit section; other bits 0
//        8    4  dimensions d (0 while nothing is known)
//       12    4  bytes of the fit section
//       16    8  capacity: how many rows stay exact; 0: as many as the memory allows
//       24    8  exact rows n
//       32    8  skipped rows (NULL, NaN or infinite, under on_null = skip)
//       40    8  cells c: cluster features (weight, mean, sum of squared deviations) that stand for rows beyond the capacity
//       48    8  rows behind the cells
//       56       the fit section: int32 k, then the options as JSON text (UTF-8)
//                n rows of d doubles, and a weight where flag 1 is set
//                where c > 0: d minima, d maxima, then c cells of 1 + 2 d doubles
// This version makes and reads c = 0 only.
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
  std::uint32_t dimensions = 0;
  std::uint32_t fit_bytes = 0;
  std::uint64_t capacity = 0;
  std::uint64_t rows = 0;
  std::uint64_t skipped = 0;

  std::size_t RowBytes() const { return (std::size_t{dimensions} + (weighted ? 1 : 0)) * sizeof(double); }
};

constexpr std::size_t kSketchHeaderBytes = 56;

// A sketch read in place; the views point into the bytes it was read from.
struct SketchView {
  SketchHeader header;
  std::int32_t k = 0;
  std::string_view options;     // JSON text
  const char* rows = nullptr;   // header.rows * header.RowBytes(), unaligned
};

// The bytes of a sketch with this header. Throws kLimit where they would pass the 1 GB of a datum.
std::size_t SketchBytes(const SketchHeader& header);

// Writes header and fit section to `to` (which has room for them); returns where the rows begin.
char* WriteSketchPrefix(const SketchHeader& header, std::int32_t k, std::string_view options, char* to);

// Reads and checks everything: sizes, flags, finite rows, weights above 0. Throws `code`. Options are not looked into.
SketchView ReadSketch(std::string_view bytes, ErrorCode code, const Interrupt& interrupt = {});

// The same without looking at each row, for bytes that this server made itself.
SketchView ReadTrustedSketch(std::string_view bytes);

}  // namespace segmentation
