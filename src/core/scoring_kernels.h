// The innermost loops of scoring: one row against all centroids.
//
// Centroids lie in groups of kCentroidGroup, column by column, so that one row meets a group at a time, one centroid per SIMD
// lane; the last group is filled up with infinities, which are never nearest. The squared distance to each is the direct sum
// of (x - c)^2 over the columns in their order, and ties go to the lowest index: the same bits at every vector width, and the
// same as a scalar loop gives. A distance that is not below infinity (NaN too) is nobody's nearest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace segmentation {

inline constexpr std::size_t kCentroidGroup = 8;

inline constexpr std::size_t CentroidGroups(std::size_t centroids) {
  return (centroids + kCentroidGroup - 1) / kCentroidGroup;
}

// One of the nearest centroids; index 0 and an infinite square where there is none.
struct NearCentroid {
  std::uint32_t index;
  double square;
};

// The kernels at one vector width. Lanes: doubles in a register (2, 4 or 8).
struct ScoringKernels {
  int lanes;
  // z = (x - offset) / scale; false when a z is not finite. In place is fine.
  bool (*scale)(const double* x, const double* offset, const double* scale, std::size_t columns, double* z);
  NearCentroid (*nearest)(const double* point, const double* groups, std::size_t dimensions, std::size_t group_count);
  void (*nearest_two)(const double* point, const double* groups, std::size_t dimensions, std::size_t group_count,
                      NearCentroid* first, NearCentroid* second);
};

// Those that this machine can run, the narrowest first.
const std::vector<ScoringKernels>& UsableScoringKernels();

// The widest of them.
const ScoringKernels& BestScoringKernels();

}  // namespace segmentation
