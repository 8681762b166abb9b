#include "core/explain.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/matrix.h"

namespace segmentation {
namespace {

Vector CentroidOf(const Scorer& scorer, std::size_t segment) {
  Vector centroid(static_cast<Eigen::Index>(scorer.dimensions()));
  for (std::size_t q = 0; q < scorer.dimensions(); ++q) centroid[static_cast<Eigen::Index>(q)] = scorer.centroid(segment, q);
  return centroid;
}

ConstMatrixMap Axes(const Scorer& scorer) { return MapMatrix(scorer.axes(), scorer.dimensions(), scorer.columns()); }

// With y the point and a, b the two centroids, |y-b|^2 - |y-a|^2 = (a-b).(2y-a-b), which is a sum over the dimensions.
// Where the dimensions are axes R over the columns, y = R u with u = z - center; since R has orthonormal rows,
// (a-b).(a+b) = (R^T(a-b)).(R^T(a+b)), and the sum goes over the columns: (R^T(a-b)).(2u - R^T(a+b)).
// Under cosine distance y was divided by its length, and so is u.
Vector ColumnContributions(const Scorer& scorer, const double* scaled, const double* point, std::size_t own, std::size_t other) {
  const auto y = MapVector(point, scorer.dimensions());
  const Vector a = CentroidOf(scorer, own);
  const Vector b = CentroidOf(scorer, other);
  if (scorer.axes() == nullptr) return (a - b).cwiseProduct(2 * y - a - b);
  Vector u = MapVector(scaled, scorer.columns()) - MapVector(scorer.center(), scorer.columns());
  if (scorer.cosine()) u /= (Axes(scorer) * u).norm();
  return (Axes(scorer).transpose() * (a - b)).cwiseProduct(2 * u - Axes(scorer).transpose() * (a + b));
}

// The centroid taken back to the scaled columns.
Vector ScaledCentroid(const Scorer& scorer, std::size_t segment) {
  const Vector centroid = CentroidOf(scorer, segment);
  if (scorer.axes() == nullptr) return centroid;
  return Axes(scorer).transpose() * centroid + MapVector(scorer.center(), scorer.columns());
}

}  // namespace

std::vector<Contribution> ExplainPoint(const Scorer& scorer, const std::vector<double>& numbers, const double* scratch,
                                       const double* point) {
  Neighbor own;
  Neighbor other;
  scorer.NearestTwo(point, &own, &other);
  if (!std::isfinite(own.square)) return {};
  const bool alone = !std::isfinite(other.square);
  const Vector parts = ColumnContributions(scorer, scratch, point, own.index, other.index);
  const Vector centroid = ScaledCentroid(scorer, own.index);
  std::vector<Contribution> lines;
  std::size_t column = 0;
  for (std::size_t i = 0; i < scorer.inputs(); ++i) {
    for (std::size_t part = 0; part < scorer.columns(i); ++part, ++column) {
      const auto at = static_cast<Eigen::Index>(column);
      const double value =
          scorer.is_categorical(i) ? std::floor(scorer.Unscale(column, scratch[column]) + 0.5) : scorer.Shown(i, numbers[i]);
      lines.push_back({scorer.column_name(i, part), value, scorer.Untransform(i, scorer.Unscale(column, centroid[at])),
                       alone ? std::numeric_limits<double>::quiet_NaN() : parts[at] + 0.0});
    }
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Contribution& a, const Contribution& b) { return a.contribution > b.contribution; });
  return lines;
}

}  // namespace segmentation
