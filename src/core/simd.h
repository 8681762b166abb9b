// Vectors of doubles whose width is a parameter, for kernels that are compiled once for every instruction set.
//
// They are GCC's, so that the width is not left to the auto-vectoriser. Nothing from std or Eigen may be called in such a kernel:
// a template instantiated under two sets of flags would break the one-definition rule.
#pragma once

#include <vector>

#define SEGMENTATION_INLINE inline __attribute__((always_inline))

namespace segmentation {

template <int kLanes>
struct Simd {
  typedef double Real __attribute__((vector_size(kLanes * 8)));
  typedef long long Mask __attribute__((vector_size(kLanes * 8)));
};

template <typename Vector, typename Scalar>
SEGMENTATION_INLINE void Load(Vector& vector, const Scalar* from) {
  __builtin_memcpy(&vector, from, sizeof(Vector));
}

// For a file's SEGMENTATION_KERNELS(lanes, attribute), which defines the functions of one width and kKernels<lanes>: all widths, and
// FindUsable(), those that this machine can run, the narrowest first.
#if defined(__x86_64__)
#define SEGMENTATION_EVERY_WIDTH(Kernels)                                                                                       \
  SEGMENTATION_KERNELS(2, )                                                                                                     \
  SEGMENTATION_KERNELS(4, __attribute__((target("avx2"))))                                                                      \
  SEGMENTATION_KERNELS(8, __attribute__((target("avx512f,avx512vl,avx512dq"))))                                                 \
  std::vector<Kernels> FindUsable() {                                                                                           \
    std::vector<Kernels> usable = {kKernels2};                                                                                  \
    if (__builtin_cpu_supports("avx2")) usable.push_back(kKernels4);                                                            \
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {        \
      usable.push_back(kKernels8);                                                                                              \
    }                                                                                                                           \
    return usable;                                                                                                              \
  }
#else
#define SEGMENTATION_EVERY_WIDTH(Kernels) \
  SEGMENTATION_KERNELS(2, )               \
  std::vector<Kernels> FindUsable() { return {kKernels2}; }
#endif

}  // namespace segmentation
