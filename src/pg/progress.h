// NOTICEs about long work: segmentation.progress_interval seconds after the statement began, and then as often. Of the leading process
// alone; workers of a parallel plan say nothing.
#pragma once

#include "core/interrupt.h"
#include "pg/boundary.h"

namespace segmentation {

// A training's own progress, from inside C++ (Interrupt::report).
void SayProgress(const Progress& progress);

// Rows that an aggregate has taken in; called every kRowsPerReport rows.
constexpr std::uint64_t kRowsPerReport = 1 << 16;
void SayRowsRead(const char* what, std::uint64_t rows);

}  // namespace segmentation
