// kmeans_step(model, features [, weight]): one step of Lloyd's algorithm over rows of any number, in constant memory.
#include "core/step.h"
#include "pg/evaluation_state.h"

namespace segmentation {
namespace {

// The moved model, or null when no row has a score. From inside C++.
struct varlena* MovedModel(const EvaluationState& state) {
  const std::vector<ClusterSums> clusters = ClustersOf(state);
  double weight = 0;
  for (const ClusterSums& cluster : clusters) weight += cluster.weight;
  if (weight == 0) return nullptr;
  const Model model = DecodeModel(TextOf(state), ErrorCode::kInvalidParameter, ServerInterrupt());
  if (model.segments.size() != state.segments() || model.Dimensions() != state.dimensions()) {
    throw Error(ErrorCode::kInvalidParameter, "invalid model in the state of an aggregate");
  }
  return MakeModelValue(MoveModel(model, clusters, state.skipped(), ServerInterrupt()));
}

}  // namespace

// (state, model, features [, weight])
SEGMENTATION_FUNCTION(kmeans_step_accum_array) { return AccumulateEvaluation(fcinfo, kStep, ArgumentKind::kArray); }
SEGMENTATION_FUNCTION(kmeans_step_accum_jsonb) { return AccumulateEvaluation(fcinfo, kStep, ArgumentKind::kJsonb); }
SEGMENTATION_FUNCTION(kmeans_step_combine) { return CombineEvaluations(fcinfo, kStep); }

SEGMENTATION_FUNCTION(kmeans_step_final) {
  EvaluationState state;
  if (!ReadEvaluation(fcinfo, kStep, &state)) PG_RETURN_NULL();
  struct varlena* moved = nullptr;
  CallCore([&] { moved = MovedModel(state); });
  if (moved == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(moved);
}

}  // namespace segmentation
