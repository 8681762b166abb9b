#include "core/step.h"

#include <algorithm>
#include <cmath>

#include "core/preprocess.h"

namespace segmentation {
namespace {

// A model whose centroids all moved by less than this share of the typical distance (root mean square) has converged: rounding
// alone moves them by some 1e-12.
constexpr double kStill = 1e-9;

void RequireFinite(bool finite) {
  if (finite) return;
  throw Error(ErrorCode::kNotFinite, "sums of the rows are out of range", "They are beyond the range of double precision.");
}

// Moves one centroid and returns the squared length of its way. `inertia` becomes that about the moved centroid:
// with m = c + way, the sum of w |x - m|^2 is that of w |x - c|^2, less 2 way * (sum of w (x - c)), plus W |way|^2.
double MoveCentroid(const ClusterSums& sums, Distance distance, std::size_t dimensions, double* centroid, double* inertia) {
  if (!(sums.weight > 0)) return 0;
  std::vector<double> moved(centroid, centroid + dimensions);
  for (std::size_t j = 0; j < dimensions; ++j) moved[j] += sums.shift[j] / sums.weight;
  if (distance == Distance::kCosine && !NormalizeDirection(moved.data(), dimensions)) return 0;
  double square = 0;
  double along = 0;
  for (std::size_t j = 0; j < dimensions; ++j) {
    RequireFinite(std::isfinite(moved[j]));
    const double way = moved[j] - centroid[j];
    square += way * way;
    along += way * sums.shift[j];
    centroid[j] = moved[j];
  }
  RequireFinite(std::isfinite(square) && std::isfinite(along) && std::isfinite(*inertia));
  *inertia = std::max(0.0, *inertia - 2 * along + sums.weight * square);
  return square;
}

void DropWarnings(bool converged, Model* model) {
  const bool large_enough = std::all_of(model->segments.begin(), model->segments.end(), [&](const Segment& segment) {
    return static_cast<double>(segment.rows) >= static_cast<double>(model->fit.min_size);
  });
  std::erase_if(model->warnings, [&](const Warning& warning) {
    return warning.code == "not_exact" || (converged && warning.code == "not_converged") || (large_enough && warning.code == "min_size");
  });
}

}  // namespace

Model MoveModel(Model model, const std::vector<ClusterSums>& clusters, double skipped, const Interrupt& interrupt) {
  const std::size_t dimensions = model.Dimensions();
  const Evaluation before = Evaluate(clusters, model.centroids, dimensions, interrupt);
  double largest = 0;
  double inertia = 0;
  for (std::size_t s = 0; s < clusters.size(); ++s) {
    Segment& segment = model.segments[s];
    segment.rows = static_cast<std::uint64_t>(clusters[s].rows);
    segment.weight = clusters[s].weight;
    segment.inertia = clusters[s].inertia;
    double* centroid = model.centroids.data() + s * dimensions;
    largest = std::max(largest, MoveCentroid(clusters[s], model.distance, dimensions, centroid, &segment.inertia));
    RequireFinite(std::isfinite(segment.weight) && std::isfinite(segment.inertia));
    inertia += segment.inertia;
  }
  model.metrics = before.metrics;
  model.metrics.inertia = inertia;
  RequireFinite(std::isfinite(inertia) && std::isfinite(before.weight) && std::isfinite(model.metrics.mean_distance) &&
                std::isfinite(model.metrics.total_inertia) && !std::isinf(model.metrics.silhouette));
  // In exact arithmetic it is at least that.
  model.metrics.total_inertia = std::max(model.metrics.total_inertia, inertia);
  model.fit.iterations += 1;
  model.fit.rows = static_cast<std::uint64_t>(before.rows);
  model.fit.skipped = static_cast<std::uint64_t>(skipped);
  model.fit.left_out = 0;
  model.fit.weight = before.weight;
  DropWarnings(largest * before.weight <= kStill * kStill * inertia, &model);
  return model;
}

}  // namespace segmentation
