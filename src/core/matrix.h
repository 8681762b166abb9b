// Eigen, with its assertions as errors of ours instead of abort(). Matrices are row-major, as everything in a model.
//
// For algebra beside the hot loops: what decides a bit of a model or of a score is written out in a fixed order instead.
#pragma once

#include "core/error.h"

#define eigen_assert(condition)                                                                                 \
  do {                                                                                                          \
    if (!(condition)) throw ::segmentation::Error(::segmentation::ErrorCode::kInternal, "matrix: " #condition); \
  } while (false)

// Eigen 3.4 is not written for these warnings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <Eigen/Core>
#pragma GCC diagnostic pop

namespace segmentation {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;
// Views of numbers that somebody else holds, at any alignment.
using ConstMatrixMap = Eigen::Map<const Matrix, Eigen::Unaligned>;
using ConstVectorMap = Eigen::Map<const Vector, Eigen::Unaligned>;
using MatrixMap = Eigen::Map<Matrix, Eigen::Unaligned>;

inline ConstMatrixMap MapMatrix(const double* values, std::size_t rows, std::size_t columns) {
  return {values, static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns)};
}
inline ConstVectorMap MapVector(const double* values, std::size_t size) { return {values, static_cast<Eigen::Index>(size)}; }

}  // namespace segmentation
