// Principal components: the directions in which points differ most (K. Pearson 1901; H. Hotelling 1933), from their covariances.
#pragma once

#include <cstddef>
#include <vector>

#include "core/interrupt.h"
#include "core/options.h"
#include "core/points.h"
#include "core/threads.h"

namespace segmentation {

struct PrincipalComponents {
  std::vector<double> axes;       // components x columns, row-major, orthonormal rows; the largest loading of each is positive
  std::vector<double> variances;  // per component, over the sum of the weights (population), largest first
  double total_variance = 0;      // of all columns

  std::size_t size() const { return variances.size(); }
};

// All principal components of a covariance matrix (columns x columns, row-major, symmetric). Where columns are constant or depend on each
// other, the last variances are 0.
PrincipalComponents ComponentsOf(const std::vector<double>& covariance, std::size_t columns, const Interrupt& interrupt);

// The first of them, as many as `wanted` (Options::components). Throws kInvalidParameter where more are wanted than there are columns.
void KeepComponents(double wanted, PrincipalComponents* components);

// Covariances of points about `mean`, over the sum of the weights; exact sums, which depend neither on the order of points nor on the
// team. The points have their bounds. squares: per column, what to add to the sum of squared deviations, of rows that only
// their mean stands for; may be empty.
std::vector<double> Covariances(const Points& points, const std::vector<double>& mean, double total_weight, const std::vector<double>& squares,
                                ThreadTeam& team);

// The points along these axes: per point and axis, axis * (x - center), added up as the scorer does; weights stay.
Tiles RotateTiles(const Tiles& points, const std::vector<double>& center, const std::vector<double>& axes, ThreadTeam& team);

// One point: y = axes * (x - center), as a model's rotation takes it (model.h, step 3): `axes` are components x columns, row-major.
void RotatePoint(const double* point, const double* center, const double* axes, std::size_t columns, std::size_t components, double* to);
void Rotate(const double* point, const std::vector<double>& center, const std::vector<double>& axes, double* to);

}  // namespace segmentation
