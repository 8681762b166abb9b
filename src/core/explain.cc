#include "core/explain.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace segmentation {
namespace {

// What the model takes the value of a numeric input for.
double ShownNumber(const Input& input, double value) {
  if (!std::isfinite(value)) value = input.impute.value_or(value);
  if (input.clip_low && value < *input.clip_low) return *input.clip_low;
  if (input.clip_high && value > *input.clip_high) return *input.clip_high;
  return value;
}

// With y the point and a, b the two centroids, |y-b|^2 - |y-a|^2 = (a-b).(2y-a-b), which is a sum over the dimensions.
// Where the dimensions are rotated columns, y = R u with u = z - center, so (a-b).R u = (R^T(a-b)).u and the sum goes over
// the columns; what is left, (a-b).(a+b), belongs to no column alone and is shared by the columns of R^T(a-b) and R^T(a+b)
// (R has orthonormal rows).
std::vector<double> ColumnContributions(const Model& model, const double* scaled, const double* point, std::size_t own,
                                        std::size_t other) {
  const std::size_t dimensions = model.Dimensions();
  const double* a = model.centroids.data() + own * dimensions;
  const double* b = model.centroids.data() + other * dimensions;
  std::vector<double> parts(model.Columns());
  for (std::size_t j = 0; j < parts.size(); ++j) {
    if (!model.rotation) {
      parts[j] = (a[j] - b[j]) * (2 * point[j] - a[j] - b[j]);
      continue;
    }
    double difference = 0;
    double sum = 0;
    for (std::size_t q = 0; q < dimensions; ++q) {
      const double axis = model.rotation->axes[q * parts.size() + j];
      difference += axis * (a[q] - b[q]);
      sum += axis * (a[q] + b[q]);
    }
    double centered = scaled[j] - model.rotation->center[j];
    if (model.distance == Distance::kCosine) {
      double length = 0;  // of R u, which the point was divided by
      for (std::size_t q = 0; q < dimensions; ++q) {
        double value = 0;
        for (std::size_t i = 0; i < parts.size(); ++i) {
          value += model.rotation->axes[q * parts.size() + i] * (scaled[i] - model.rotation->center[i]);
        }
        length += value * value;
      }
      centered /= std::sqrt(length);
    }
    parts[j] = difference * (2 * centered - sum);
  }
  return parts;
}

}  // namespace

std::vector<Contribution> ExplainPoint(const Model& model, const Scorer& scorer, const std::vector<double>& numbers,
                                       const double* scratch, const double* point) {
  Neighbor own;
  Neighbor other;
  scorer.NearestTwo(point, &own, &other);
  const std::vector<std::string> names = ColumnNames(model);
  const std::vector<double> centroids = RawCentroids(model);
  const std::vector<double> parts = ColumnContributions(model, scratch, point, own.index, other.index);
  std::vector<Contribution> lines;
  std::size_t column = 0;
  for (std::size_t i = 0; i < model.inputs.size(); ++i) {
    const Input& input = model.inputs[i];
    for (std::size_t end = column + input.Columns(); column < end; ++column) {
      const double indicator = std::floor(model.offset[column] + scratch[column] * model.scale[column] + 0.5);
      lines.push_back({names[column], input.categorical ? indicator : ShownNumber(input, numbers[i]), centroids[own.index * names.size() + column],
                       model.segments.size() > 1 ? parts[column] : std::numeric_limits<double>::quiet_NaN()});
    }
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Contribution& a, const Contribution& b) { return a.contribution > b.contribution; });
  return lines;
}

}  // namespace segmentation
