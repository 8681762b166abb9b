// What a user should know about a training, in words.
#pragma once

#include <string>
#include <vector>

#include "core/model.h"
#include "core/options.h"
#include "core/preprocess.h"
#include "core/rows.h"

namespace segmentation {

// The name of a column of the training: option "features", or f1, f2, ...
std::string FeatureName(const Options& options, std::size_t column);

// One column that outweighs all others, skewed columns, fewer clusters than asked for, a fit that did not converge, segments below
// min_size, rows that were summarized in cells. The model has all but its warnings. inner: what lies within the cells, where kept.
std::vector<Warning> WarningsOf(const Model& model, const Options& options, const Preprocessed& prepared, const RowSet& rows, double inner,
                                bool converged);

}  // namespace segmentation
