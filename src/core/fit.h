// Training: from rows to a model.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/interrupt.h"
#include "core/model.h"
#include "core/options.h"
#include "core/preprocess.h"
#include "core/rows.h"

namespace segmentation {

// More rows than this are searched through samples, the largest of that many rows; what was best there is finished on all of them.
constexpr std::size_t kSearchRows = 50'000;
constexpr std::size_t kSampleRows = 200'000;
// Where rows have been summarized in cells, this many are drawn from those for the search (cell_points.h), or, where they are wide,
// as many as take so much memory, or as there are cells.
constexpr std::size_t kDrawnRows = 100'000;
constexpr std::size_t kDrawnBytes = 10'000'000;

// Trains k segments on the rows. Nothing when there are no rows (all skipped, or none with a direction).
//
// The search: n_init starts (one with quality "fast"), each seeded, run through Lloyd's algorithm and improved by single-point
// moves; the lowest inertia wins, the earliest of equals. Then exchanges of a centroid for a row are tried (local_search.h): at
// most 20 (up to 1,000 rows: 40) for the winner; with quality "best" 100 for every start before they are compared; with "fast"
// none. "best" also does what the default does, and is never worse. Of many rows, samples are searched without single-point moves
// (search.h). An explicit start gets Lloyd's algorithm alone, and so does
// option warm_start, the centroids of an earlier model: what they lead to is the result unless the search has found an inertia that is
// lower by more than min_gain of it (or they end in fewer clusters), so that segments stay what they are as long as nothing is to be gained.
//
// With option trim the farthest rows are left out of the centroids (trimmed.h, trimmed_search.h), and everything that the model says is of
// the others; it counts those left out. Of many rows a sample is searched, and of cells the whole weight is kept or left out.
//
// Same rows (in any order), k, options: the same model, bit for bit, on every machine, with any number of threads. Not so where
// the set has cells, which depend on how it came about: they are points at their means, the model says that it is not exact, and
// its inertia (which holds what lies within the cells) is an upper bound.
//
// threads: how many may be used; few rows are never worth a thread.
// Throws what Preprocess and CheckOptions throw.
std::optional<Model> Fit(const RowSet& rows, std::int64_t k, const Options& options, const Interrupt& interrupt, int threads = 1);

// The models that Fit makes for each k from k_min to k_max, from rows that are prepared once.
std::vector<Model> FitRange(const RowSet& rows, std::int64_t k_min, std::int64_t k_max, const Options& options, const Interrupt& interrupt,
                            int threads = 1);

// Rows made ready, for one or more k. The set has to outlive it.
class Training {
 public:
  Training(const RowSet& rows, const Options& options, const Interrupt& interrupt, int threads);

  bool empty() const { return !prepared_; }
  // The following where it is not empty. k is good for the options (CheckOptions).
  Model Fit(std::int64_t k);
  // Up to `size` of the points in model space, without their filter, by the hash of their values; where cells stand for rows, `size` that
  // are drawn from the cells.
  Tiles SamplePoints(std::size_t size);
  const Preprocessed& prepared() const { return *prepared_; }
  ThreadTeam& team() { return team_; }

 private:
  void FindTrimmedSpread();

  const RowSet& rows_;
  const Options options_;
  ThreadTeam team_;
  std::optional<Preprocessed> prepared_;
  double whole_ = 0;  // inertia about the mean
  // What option tol is a fraction of: an inertia and its weight; with option trim, of one cluster that is trimmed, too.
  double spread_ = 0;
  double spread_weight_ = 0;
};

}  // namespace segmentation
