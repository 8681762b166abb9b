// kmeans_evaluate(model, features [, weight]): how well a model fits any rows.
#include <vector>

#include "pg/evaluation_state.h"
#include "pg/result_rows.h"

namespace segmentation {

// (state, model, features [, weight])
SEGMENTATION_FUNCTION(kmeans_evaluate_accum_array) { return AccumulateEvaluation(fcinfo, kEvaluate, ArgumentKind::kArray); }
SEGMENTATION_FUNCTION(kmeans_evaluate_accum_jsonb) { return AccumulateEvaluation(fcinfo, kEvaluate, ArgumentKind::kJsonb); }
SEGMENTATION_FUNCTION(kmeans_evaluate_combine) { return CombineEvaluations(fcinfo, kEvaluate); }

SEGMENTATION_FUNCTION(kmeans_evaluate_final) {
  EvaluationState state;
  if (!ReadEvaluation(fcinfo, kEvaluate, &state)) PG_RETURN_NULL();
  Evaluation result;
  CallCore([&] {
    const std::vector<double> centroids(state.Centroids(), state.Centroids() + state.segments() * state.dimensions());
    result = Evaluate(ClustersOf(state), centroids, state.dimensions(), ServerInterrupt());
  });
  const bool empty = !(result.weight > 0);
  bool nulls[8] = {false, false, false, empty, empty, false, false, false};
  Datum values[8] = {Int64GetDatum(static_cast<int64>(result.rows)), Int64GetDatum(static_cast<int64>(state.skipped())),
                     Float8GetDatum(result.weight), Float8GetDatum(result.metrics.inertia),
                     Float8GetDatum(result.metrics.mean_distance), FloatOrNull(result.metrics.silhouette, &nulls[5]),
                     FloatOrNull(result.metrics.calinski_harabasz, &nulls[6]), FloatOrNull(result.metrics.davies_bouldin, &nulls[7])};
  PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}

}  // namespace segmentation
