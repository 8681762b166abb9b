// Vectors of doubles whose width is a parameter, for kernels that are compiled once for every instruction set.
//
// They are GCC's, so that the width is not left to the auto-vectoriser. Nothing from std or Eigen may be called in such a kernel:
// a template instantiated under two sets of flags would break the one-definition rule.
#pragma once

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

}  // namespace segmentation
