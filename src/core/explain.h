// Why a row is in its segment and not in the runner-up.
#pragma once

#include <string>
#include <vector>

#include "core/scorer.h"

namespace segmentation {

struct Contribution {
  std::string feature;  // UTF-8; "input=level" for a column of a categorical
  double value = 0;     // raw units, after imputation and clipping; 0 or 1 for a column of a categorical
  double centroid = 0;  // of the row's segment, raw units
  // How much closer the feature brings the row to its segment than to the runner-up, in squared model-space units: they add
  // up to the difference of the two squared distances. NaN without a runner-up (one segment, or none other in reach).
  double contribution = 0;
};

// A line per column, the largest contribution first, equal ones in the order of the columns; none when the row is beyond the
// range of double precision. `numbers` are the raw values of the inputs (NaN: missing; not read for a categorical), `point` is
// what scorer.ToModelSpace made of them, working in `scratch`.
std::vector<Contribution> ExplainPoint(const Scorer& scorer, const std::vector<double>& numbers, const double* scratch,
                                       const double* point);

}  // namespace segmentation
