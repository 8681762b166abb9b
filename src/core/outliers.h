// The local outlier factor (Breunig, Kriegel, Ng & Sander 2000) as scikit-learn computes it: how much sparser the rows lie around a
// row than around its neighbours. About 1 inside of a group, larger for outliers.
//
// A row's neighbours are exactly `neighbors` other rows, the nearest; of rows at the same distance, those whose features come first in
// ascending order (the order of float8[] in SQL). So the factors depend on the rows alone, not on their order. With d_k(o) the distance
// from o to the last of its neighbours, the reachability of o from p is max(d_k(o), |p - o|), the density of p is 1 / (mean
// reachability of its neighbours + 1e-10), and the factor of p is the mean density of its neighbours divided by its own. Columns are
// compared as they are: whoever wants them scaled scales them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/interrupt.h"
#include "core/rows.h"

namespace segmentation {

// The factors of the rows, in the order in which they lie in the set, the same bits for any number of threads. Weights do not
// count. `neighbors` is at least 1; where there are fewer other rows, all of them are neighbours. A single row has none: its
// factor is NaN. Throws kInvalidParameter, kNotFinite where a distance would be, kNotSupported for a set with cells.
std::vector<double> LocalOutlierFactors(const RowSet& rows, std::size_t neighbors, const Interrupt& interrupt, int threads);

// What LocalOutlierFactors keeps about neighbours, at most, in bytes.
std::uint64_t NeighborBytes(std::uint64_t rows, std::uint64_t neighbors);

// The factor above which rows are outliers, so that about the share `contamination` of them is: the (1 - contamination) quantile with
// linear interpolation, rounded as numpy.percentile does it for the negative factors. Throws kInvalidParameter unless above 0 and at most 0.5.
// NaN where there is no row, or a single one: nothing is above that.
double ContaminationThreshold(std::vector<double> factors, double contamination);

}  // namespace segmentation
