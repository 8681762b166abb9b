// One step of Lloyd's algorithm (S. P. Lloyd, "Least squares quantization in PCM", 1982) from the sums of one pass over rows that
// need not fit in memory.
#pragma once

#include <vector>

#include "core/interrupt.h"
#include "core/metrics.h"
#include "core/model.h"

namespace segmentation {

// Moves every centroid to the weighted mean of its rows, under cosine distance to the direction of their sum; one without rows
// (or whose rows cancel out) stays. `clusters` are the sums about the model's centroids, of `skipped` more rows there is no
// score. Segment ids, inputs and the options of the training stay.
//
// The model then describes the rows of the pass in the segments they had in it:
//   rows, weight, inertia     of each segment; inertia about the moved centroid. Rows that are nearer to another one now would
//                             lower it: it is an upper bound of what kmeans_evaluate finds for the moved model.
//   total_inertia, Calinski-Harabasz  about the means of the rows, so of the moved model (without cosine distance)
//   mean_distance, silhouette, Davies-Bouldin  about the centroids before the move; a second pass would be needed. They are
//                             those of the moved model when it has hardly moved.
//   fit                       rows, weight and skipped of the pass, nothing left out, one more iteration
//   warnings                  not_converged goes when the centroids have hardly moved, min_size when the segments are large enough;
//                             not_exact, which bounds the inertia of a training, always
// Throws kNotFinite where the sums are beyond the range of double precision.
Model MoveModel(Model model, const std::vector<ClusterSums>& clusters, double skipped, const Interrupt& interrupt);

}  // namespace segmentation
