#include "core/filter_tile.h"

#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Nothing from std or Eigen is called in the kernels: a template instantiated under two sets of flags would break the
// one-definition rule.

namespace segmentation {
namespace {

#define SEGMENTATION_INLINE static inline __attribute__((always_inline))

// For any machine: GCC's vectors of 16 bytes.
namespace narrow {

constexpr int kLanes = 4;
constexpr int kGroups = 2;
typedef float Real __attribute__((vector_size(16)));
typedef std::int32_t Whole __attribute__((vector_size(16)));
typedef std::int16_t Short __attribute__((vector_size(8)));

struct Ops {
  SEGMENTATION_INLINE Real Set(float value) { return Real{} + value; }
  SEGMENTATION_INLINE Whole Zero() { return Whole{}; }
  SEGMENTATION_INLINE Real Load(const float* from) {
    Real value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
  }
  SEGMENTATION_INLINE void Store(float* to, Real value) { __builtin_memcpy(to, &value, sizeof value); }
  SEGMENTATION_INLINE Real LoadShort(const std::int16_t* from) {
    Short value;
    __builtin_memcpy(&value, from, sizeof value);
    return __builtin_convertvector(__builtin_convertvector(value, Whole), Real);
  }
  SEGMENTATION_INLINE void StoreShort(std::int16_t* to, Real whole) {
    const Short value = __builtin_convertvector(__builtin_convertvector(whole, Whole), Short);
    __builtin_memcpy(to, &value, sizeof value);
  }
  SEGMENTATION_INLINE Real Add(Real a, Real b) { return a + b; }
  SEGMENTATION_INLINE Real Subtract(Real a, Real b) { return a - b; }
  SEGMENTATION_INLINE Real Multiply(Real a, Real b) { return a * b; }
  SEGMENTATION_INLINE Real MultiplyAdd(Real a, Real b, Real c) { return a * b + c; }
  SEGMENTATION_INLINE Real Min(Real a, Real b) { return b < a ? b : a; }
  SEGMENTATION_INLINE Real Max(Real a, Real b) { return b > a ? b : a; }
  SEGMENTATION_INLINE Real Root(Real a) {
    for (int lane = 0; lane < kLanes; ++lane) a[lane] = __builtin_sqrtf(a[lane]);
    return a;
  }
  SEGMENTATION_INLINE Whole TakeWhereLess(Real a, Real b, std::int32_t index, Whole otherwise) {
    return a < b ? Whole{} + index : otherwise;
  }
  SEGMENTATION_INLINE std::uint64_t NotPositive(Real value) {
    std::uint64_t bits = 0;
    for (int lane = 0; lane < kLanes; ++lane) bits |= (value[lane] > 0 ? std::uint64_t{0} : std::uint64_t{1}) << lane;
    return bits;
  }
  SEGMENTATION_INLINE void StoreLabels(Label* to, Whole label) {
    for (int lane = 0; lane < kLanes; ++lane) to[lane] = static_cast<Label>(label[lane]);
  }
};

#include "core/filter_tile.inc"

}  // namespace narrow

#if defined(__x86_64__)

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {

constexpr int kLanes = 8;
constexpr int kGroups = 2;
typedef __m256 Real;
typedef __m256i Whole;

struct Ops {
  SEGMENTATION_INLINE Real Set(float value) { return _mm256_set1_ps(value); }
  SEGMENTATION_INLINE Whole Zero() { return _mm256_setzero_si256(); }
  SEGMENTATION_INLINE Real Load(const float* from) { return _mm256_loadu_ps(from); }
  SEGMENTATION_INLINE void Store(float* to, Real value) { _mm256_storeu_ps(to, value); }
  SEGMENTATION_INLINE Real LoadShort(const std::int16_t* from) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
  }
  SEGMENTATION_INLINE void StoreShort(std::int16_t* to, Real whole) {
    const __m256i numbers = _mm256_cvttps_epi32(whole);
    const __m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256(numbers, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), packed);
  }
  SEGMENTATION_INLINE Real Add(Real a, Real b) { return _mm256_add_ps(a, b); }
  SEGMENTATION_INLINE Real Subtract(Real a, Real b) { return _mm256_sub_ps(a, b); }
  SEGMENTATION_INLINE Real Multiply(Real a, Real b) { return _mm256_mul_ps(a, b); }
  SEGMENTATION_INLINE Real MultiplyAdd(Real a, Real b, Real c) { return _mm256_fmadd_ps(a, b, c); }
  SEGMENTATION_INLINE Real Min(Real a, Real b) { return _mm256_min_ps(a, b); }
  SEGMENTATION_INLINE Real Max(Real a, Real b) { return _mm256_max_ps(a, b); }
  SEGMENTATION_INLINE Real Root(Real a) { return _mm256_sqrt_ps(a); }
  SEGMENTATION_INLINE Whole TakeWhereLess(Real a, Real b, std::int32_t index, Whole otherwise) {
    return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(otherwise), _mm256_castsi256_ps(_mm256_set1_epi32(index)),
                                                _mm256_cmp_ps(a, b, _CMP_LT_OQ)));
  }
  SEGMENTATION_INLINE std::uint64_t NotPositive(Real value) {
    return static_cast<std::uint8_t>(~_mm256_movemask_ps(_mm256_cmp_ps(value, _mm256_setzero_ps(), _CMP_GT_OQ)));
  }
  SEGMENTATION_INLINE void StoreLabels(Label* to, Whole label) {
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(label), _mm256_extracti128_si256(label, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), packed);
  }
};

#include "core/filter_tile.inc"

}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,fma")
namespace avx512 {

constexpr int kLanes = 16;
constexpr int kGroups = 4;
typedef __m512 Real;
typedef __m512i Whole;

struct Ops {
  SEGMENTATION_INLINE Real Set(float value) { return _mm512_set1_ps(value); }
  SEGMENTATION_INLINE Whole Zero() { return _mm512_setzero_si512(); }
  SEGMENTATION_INLINE Real Load(const float* from) { return _mm512_loadu_ps(from); }
  SEGMENTATION_INLINE void Store(float* to, Real value) { _mm512_storeu_ps(to, value); }
  SEGMENTATION_INLINE Real Add(Real a, Real b) { return _mm512_add_ps(a, b); }
  SEGMENTATION_INLINE Real Subtract(Real a, Real b) { return _mm512_sub_ps(a, b); }
  SEGMENTATION_INLINE Real Multiply(Real a, Real b) { return _mm512_mul_ps(a, b); }
  SEGMENTATION_INLINE Real MultiplyAdd(Real a, Real b, Real c) { return _mm512_fmadd_ps(a, b, c); }
  // GCC 12 calls the unused operand of the plain forms uninitialised.
  SEGMENTATION_INLINE Real LoadShort(const std::int16_t* from) {
    const __m256i numbers = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_maskz_cvtepi32_ps(0xFFFF, _mm512_maskz_cvtepi16_epi32(0xFFFF, numbers));
  }
  SEGMENTATION_INLINE void StoreShort(std::int16_t* to, Real whole) {
    const __m512i numbers = _mm512_maskz_cvttps_epi32(0xFFFF, whole);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_maskz_cvtepi32_epi16(0xFFFF, numbers));
  }
  SEGMENTATION_INLINE Real Min(Real a, Real b) { return _mm512_maskz_min_ps(0xFFFF, a, b); }
  SEGMENTATION_INLINE Real Max(Real a, Real b) { return _mm512_maskz_max_ps(0xFFFF, a, b); }
  SEGMENTATION_INLINE Real Root(Real a) { return _mm512_maskz_sqrt_ps(0xFFFF, a); }
  SEGMENTATION_INLINE Whole TakeWhereLess(Real a, Real b, std::int32_t index, Whole otherwise) {
    return _mm512_mask_set1_epi32(otherwise, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), index);
  }
  SEGMENTATION_INLINE std::uint64_t NotPositive(Real value) {
    return static_cast<std::uint16_t>(~_mm512_cmp_ps_mask(value, _mm512_setzero_ps(), _CMP_GT_OQ));
  }
  SEGMENTATION_INLINE void StoreLabels(Label* to, Whole label) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_maskz_cvtepi32_epi16(0xFFFF, label));
  }
};

#include "core/filter_tile.inc"

}  // namespace avx512
#pragma GCC pop_options

#endif

std::vector<FilterVariant> FindUsable() {
  std::vector<FilterVariant> usable = {{narrow::kLanes, narrow::Filter, narrow::Pack, narrow::Unpack}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) usable.push_back({avx2::kLanes, avx2::Filter, avx2::Pack, avx2::Unpack});
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma")) {
    usable.push_back({avx512::kLanes, avx512::Filter, avx512::Pack, avx512::Unpack});
  }
#endif
  return usable;
}

}  // namespace

FilterBounds BoundsOf(std::size_t dimensions, float radius, float centroid_radius, float error) {
  FilterBounds bounds;
  bounds.relative = static_cast<float>(dimensions + 8) * 0x1p-23f;
  // The last term is for distances so small that their squares are not normal numbers.
  bounds.absolute = 2.5f * 0x1p-24f * (radius + centroid_radius) + 2 * error * (1 + 0x1p-20f) + 1e-18f;
  return bounds;
}

const std::vector<FilterVariant>& UsableFilters() {
  static const std::vector<FilterVariant> usable = FindUsable();
  return usable;
}

const FilterVariant& WidestFilter() {
  static const FilterVariant& widest = UsableFilters().back();
  return widest;
}

}  // namespace segmentation
