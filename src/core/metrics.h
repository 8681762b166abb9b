// How good a clustering is, from one pass over the points.
#pragma once

#include <vector>

#include "core/interrupt.h"
#include "core/lloyd.h"
#include "core/model.h"
#include "core/points.h"
#include "core/threads.h"

namespace segmentation {

// What metrics are made of; the same for the rows a model was trained on and for any others.
struct ClusterSums {
  double rows = 0;
  double weight = 0;
  double distance = 0;      // weighted sum of distances to the centroid
  double inertia = 0;       // weighted sum of squared distances
  double silhouette = 0;    // weighted sum of (b - a) / max(a, b), a and b the distances to the nearest two centroids
  std::vector<double> shift;  // weighted sum of x - centroid
};

struct Evaluation {
  double rows = 0;
  double weight = 0;
  Metrics metrics;
};

// Metrics from the sums of k clusters about `centroids` (k x dimensions). Clusters without rows do not count.
// Calinski-Harabasz is about the means of the rows themselves; inertia, silhouette and Davies-Bouldin are about the centroids
// (no difference where the centroids are the means). Davies-Bouldin takes k^2 * dimensions steps.
Evaluation Evaluate(const std::vector<ClusterSums>& clusters, const std::vector<double>& centroids, std::size_t dimensions,
                    const Interrupt& interrupt = {});

// (b - a) / max(a, b) of a row from its two smallest squared distances; 0 when both are 0.
double CentroidSilhouette(double nearest, double second);

// The sums over the points, each with its nearest centroid; exact sums (exact_sum.h). inner: per point, what it adds to the
// inertia of its cluster (the squared deviations of the rows that it stands for); none where null or empty. labels: where not null,
// points whose label is none of a centroid's are left out.
std::vector<ClusterSums> SumClusters(const Points& points, const std::vector<double>& centroids, ThreadTeam& team,
                                     const std::vector<double>* inner = nullptr, const Labels* labels = nullptr);

}  // namespace segmentation
