// Eigenvectors by another hand: Eigen's solver, which tridiagonalizes and then iterates QR steps, where the core uses Jacobi's method.
#pragma once

#include "core/matrix.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <Eigen/Eigenvalues>
#pragma GCC diagnostic pop

#include <vector>

namespace segmentation::test {

struct Eigenpairs {
  std::vector<double> values;                // largest first
  std::vector<std::vector<double>> vectors;  // as rows, of any sign
};

inline Eigenpairs SolveEigen(const std::vector<double>& symmetric, std::size_t n) {
  const Eigen::SelfAdjointEigenSolver<segmentation::Matrix> solver(MapMatrix(symmetric.data(), n, n));
  Eigenpairs out;
  for (std::size_t q = 0; q < n; ++q) {
    const auto at = static_cast<Eigen::Index>(n - 1 - q);
    out.values.push_back(solver.eigenvalues()[at]);
    out.vectors.emplace_back();
    for (std::size_t j = 0; j < n; ++j) out.vectors.back().push_back(solver.eigenvectors()(static_cast<Eigen::Index>(j), at));
  }
  return out;
}

// Covariances of the rows, over the sum of the weights, two passes in long double.
inline std::vector<double> NaiveCovariance(const std::vector<std::vector<double>>& rows, const std::vector<double>& weights = {}) {
  const std::size_t d = rows.front().size();
  long double total = 0;
  std::vector<long double> mean(d), sums(d * d);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const long double w = weights.empty() ? 1 : weights[i];
    total += w;
    for (std::size_t j = 0; j < d; ++j) mean[j] += w * rows[i][j];
  }
  for (long double& m : mean) m /= total;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const long double w = weights.empty() ? 1 : weights[i];
    for (std::size_t a = 0; a < d; ++a) {
      for (std::size_t b = 0; b < d; ++b) sums[a * d + b] += w * (rows[i][a] - mean[a]) * (rows[i][b] - mean[b]);
    }
  }
  std::vector<double> out;
  for (long double sum : sums) out.push_back(static_cast<double>(sum / total));
  return out;
}

}  // namespace segmentation::test
