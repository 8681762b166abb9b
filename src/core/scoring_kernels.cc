#include "core/scoring_kernels.h"

#include "core/simd.h"

namespace segmentation {
namespace {

constexpr long long kLaneNumbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};

// Squared distances to the centroids of kGroups groups, left in registers: several groups at a time, because each sum waits
// for its own last addition.
template <int kLanes, int kGroups>
SEGMENTATION_INLINE void GroupSquares(const double* point, const double* groups, std::size_t dimensions,
                                      typename Simd<kLanes>::Real (&sum)[kGroups * 8 / kLanes]) {
  using Real = typename Simd<kLanes>::Real;
  constexpr int kPerGroup = 8 / kLanes;
#pragma GCC unroll 16
  for (int g = 0; g < kGroups * kPerGroup; ++g) sum[g] = Real{};
  for (std::size_t j = 0; j < dimensions; ++j) {
    const double x = point[j];
#pragma GCC unroll 16
    for (int g = 0; g < kGroups * kPerGroup; ++g) {
      Real c;
      Load(c, groups + (static_cast<std::size_t>(g / kPerGroup) * dimensions + j) * 8 + g % kPerGroup * kLanes);
      const Real difference = x - c;
      sum[g] += difference * difference;
    }
  }
}

// The nearest centroid among those that each lane has met so far.
template <int kLanes>
struct LaneBest {
  using Real = typename Simd<kLanes>::Real;
  using Mask = typename Simd<kLanes>::Mask;
  Real square = Real{} + __builtin_inf();
  Mask index{};

  SEGMENTATION_INLINE void Meet(const Real& sum, const Mask& centroid) {
    const Mask closer = sum < square;
    square = closer ? sum : square;
    index = closer ? centroid : index;
  }
};

// And the second nearest. Masks are not combined: GCC 12 takes that apart lane by lane where masks have registers of their own.
template <int kLanes>
struct LaneTwo {
  using Real = typename Simd<kLanes>::Real;
  using Mask = typename Simd<kLanes>::Mask;
  LaneBest<kLanes> first;
  LaneBest<kLanes> second;

  SEGMENTATION_INLINE void Meet(const Real& sum, const Mask& centroid) {
    const LaneBest<kLanes> old = first;
    const Mask closer = sum < first.square;
    first.Meet(sum, centroid);
    second.Meet(sum, centroid);
    second.square = closer ? old.square : second.square;
    second.index = closer ? old.index : second.index;
  }
};

template <int kLanes, int kGroups, typename Found>
SEGMENTATION_INLINE void MeetGroups(const double* point, const double* groups, std::size_t dimensions, std::size_t first,
                                    Found& found) {
  constexpr int kRegisters = kGroups * 8 / kLanes;
  typename Simd<kLanes>::Real sum[kRegisters];
  GroupSquares<kLanes, kGroups>(point, groups + first * dimensions * 8, dimensions, sum);
  typename Simd<kLanes>::Mask index;
  Load(index, kLaneNumbers);
  index += static_cast<long long>(first * 8);
#pragma GCC unroll 16
  for (int g = 0; g < kRegisters; ++g, index += kLanes) found.Meet(sum[g], index);
}

template <int kLanes, typename Found>
SEGMENTATION_INLINE void MeetAll(const double* point, const double* groups, std::size_t dimensions, std::size_t group_count,
                                 Found& found) {
  constexpr int kAtOnce = kLanes == 8 ? 4 : kLanes == 4 ? 2 : 1;  // four registers
  std::size_t first = 0;
  for (; first + kAtOnce <= group_count; first += kAtOnce) MeetGroups<kLanes, kAtOnce>(point, groups, dimensions, first, found);
  for (; first < group_count; ++first) MeetGroups<kLanes, 1>(point, groups, dimensions, first, found);
}

// The smallest of the lanes, in every lane.
template <int kLanes, typename Vector>
SEGMENTATION_INLINE void SpreadMinimum(Vector& vector) {
#pragma GCC unroll 8
  for (int step = kLanes / 2; step > 0; step /= 2) {
    typename Simd<kLanes>::Mask from;
    Load(from, kLaneNumbers);
    const Vector other = __builtin_shuffle(vector, from ^ static_cast<long long>(step));
    vector = other < vector ? other : vector;
  }
}

// The smallest square, and of the lanes that hold it the lowest index.
template <int kLanes>
SEGMENTATION_INLINE NearCentroid NearestOfLanes(const LaneBest<kLanes>& best) {
  auto square = best.square;
  SpreadMinimum<kLanes>(square);
  auto index = best.square == square ? best.index : typename Simd<kLanes>::Mask{} + INT64_MAX;
  SpreadMinimum<kLanes>(index);
  return {static_cast<std::uint32_t>(index[0]), square[0]};
}

template <int kLanes>
SEGMENTATION_INLINE NearCentroid Nearest(const double* point, const double* groups, std::size_t dimensions,
                                         std::size_t group_count) {
  LaneBest<kLanes> best;
  MeetAll<kLanes>(point, groups, dimensions, group_count, best);
  return NearestOfLanes<kLanes>(best);
}

// The runner-up is the nearest of the other lanes, or the second of the lane of the nearest.
template <int kLanes>
SEGMENTATION_INLINE void NearestTwo(const double* point, const double* groups, std::size_t dimensions,
                                    std::size_t group_count, NearCentroid& first, NearCentroid& second) {
  LaneTwo<kLanes> two;
  MeetAll<kLanes>(point, groups, dimensions, group_count, two);
  first = NearestOfLanes<kLanes>(two.first);
  const auto taken = two.first.index == static_cast<long long>(first.index);
  two.first.square = taken ? two.second.square : two.first.square;
  two.first.index = taken ? two.second.index : two.first.index;
  second = NearestOfLanes<kLanes>(two.first);
}

// z - z is 0 for a finite z and NaN for any other.
template <int kLanes>
SEGMENTATION_INLINE bool Scale(const double* x, const double* offset, const double* scale, std::size_t columns, double* z) {
  using Real = typename Simd<kLanes>::Real;
  Real check{};
  std::size_t j = 0;
  for (; j + kLanes <= columns; j += kLanes) {
    Real value, by, to;
    Load(value, x + j);
    Load(by, offset + j);
    Load(to, scale + j);
    value = (value - by) / to;
    check += value - value;
    __builtin_memcpy(z + j, &value, sizeof value);
  }
  double bad = 0;
  for (; j < columns; ++j) {
    z[j] = (x[j] - offset[j]) / scale[j];
    bad += z[j] - z[j];
  }
#pragma GCC unroll 8
  for (int lane = 0; lane < kLanes; ++lane) bad += check[lane];
  return bad == 0;
}

#define SEGMENTATION_KERNELS(lanes, attribute)                                                                             \
  attribute bool Scale##lanes(const double* x, const double* offset, const double* scale, std::size_t columns, double* z) { \
    return Scale<lanes>(x, offset, scale, columns, z);                                                                     \
  }                                                                                                                        \
  attribute NearCentroid Nearest##lanes(const double* point, const double* groups, std::size_t dimensions,                 \
                                        std::size_t group_count) {                                                         \
    return Nearest<lanes>(point, groups, dimensions, group_count);                                                         \
  }                                                                                                                        \
  attribute void NearestTwo##lanes(const double* point, const double* groups, std::size_t dimensions,                      \
                                   std::size_t group_count, NearCentroid* first, NearCentroid* second) {                   \
    NearestTwo<lanes>(point, groups, dimensions, group_count, *first, *second);                                            \
  }                                                                                                                        \
  constexpr ScoringKernels kKernels##lanes = {lanes, Scale##lanes, Nearest##lanes, NearestTwo##lanes};

SEGMENTATION_EVERY_WIDTH(ScoringKernels)

}  // namespace

static_assert(kCentroidGroup == 8, "the kernels count on it");

const std::vector<ScoringKernels>& UsableScoringKernels() {
  static const std::vector<ScoringKernels> usable = FindUsable();
  return usable;
}

const ScoringKernels& BestScoringKernels() {
  static const ScoringKernels best = UsableScoringKernels().back();
  return best;
}

}  // namespace segmentation
