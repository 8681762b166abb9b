// Leaving a local optimum of Lloyd's algorithm: exchange one centroid for a row.
#pragma once

#include <cstdint>
#include <vector>

#include "core/interrupt.h"
#include "core/lloyd.h"
#include "core/mass_sampler.h"
#include "core/tiles.h"

namespace segmentation {

// Exchanges for one clustering: a row is drawn by its share of the inertia, and becomes a centroid in place of the one that is
// missed least. Not in place of its own: that would mostly be missed least, and Lloyd's algorithm would take it back there.
// S. Lattanzi and C. Sohler, "A better k-means++ algorithm via local search", ICML 2019; that a trial is judged
// only after Lloyd's algorithm has run from it follows T. Conrads et al., "Local search k-means++ with foresight", SEA 2024.
class Exchanges {
 public:
  // Reads the points once. Both arguments have to outlive the object.
  Exchanges(const Tiles& points, const Clustering& state, const Interrupt& interrupt);

  // The centroids (k x dimensions) after the exchange for the row at which the running sum of the row's shares passes
  // `fraction`. Reads the points once more. k is at least 2.
  std::vector<double> Try(double fraction, const Interrupt& interrupt) const;

 private:
  const Tiles& points_;
  const Clustering& state_;
  MassSampler nearest_;
  AlignedDoubles second_;
  std::vector<std::int32_t> labels_;
};

}  // namespace segmentation
