// Models made ready for scoring, kept over the calls of one call site: parsed once, recognised again without being read.
#pragma once

#include "core/scorer.h"
#include "pg/boundary.h"
#include "pg/model_type.h"

namespace segmentation {

struct RowBinding;  // row_arg.h

// One model at one call site. Lives in a memory context of its own, which goes with it.
struct CachedModel {
  MemoryContext context;
  const double* block;      // for Scorer
  std::size_t block_bytes;
  double* scratch;          // Scorer::scratch() doubles
  double* values;           // one per input
  // The raw values of the row read last, for as long as its arguments live: numbers, or RawValues where there are categoricals.
  const double* numbers;
  const RawValue* mixed;
  RowBinding* binding;      // how rows of one type are read; nullptr until one came
  Fingerprint fingerprint;  // of the model's text
  std::uint64_t last_used;
  std::size_t key_bytes;
  char key[kMaxValueKey];

  Scorer scorer() const { return Scorer(block); }
};

// The model of argument `argument`, which is the same argument at every call of a call site. A literal is read once. Others are
// recognised by fingerprint and size, or by their toast pointer within one statement; several are kept, so that a query that
// joins several models parses each once. Where the argument is a name, the model is the active version under the active snapshot.
CachedModel* CachedModelOf(FunctionCallInfo fcinfo, int argument);

}  // namespace segmentation
