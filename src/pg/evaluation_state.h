// The state of the aggregates that assign rows to the segments of a model and sum over them: kmeans_evaluate and kmeans_step.
//
// A float8[], so that it can be sent and stored like any value:
//   [0] layout  [1] segments k  [2] dimensions d  [3] rows without a score  [4] 53 bits of the model's fingerprint
//   [5] bytes t of the model's text, 0 where the final function does not need it
//   then per segment 5 sums (rows, weight, distance, inertia, silhouette; core/metrics.h) and d shifts,
//   then the k * d values of the centroids, then the text (packed_text.h).
// Anybody may build an aggregate on these functions with an initial state of their own, so a state is checked whenever one comes.
#pragma once

#include <string>
#include <vector>

#include "core/metrics.h"
#include "pg/packed_text.h"
#include "pg/row_arg.h"

namespace segmentation {

// What tells the aggregates apart.
struct EvaluationKind {
  const char* aggregate;  // for messages
  double layout;
  bool keeps_model;
};

inline constexpr EvaluationKind kEvaluate = {"kmeans_evaluate", 1, false};
inline constexpr EvaluationKind kStep = {"kmeans_step", 2, true};

// A view of the numbers of a state.
struct EvaluationState {
  static constexpr std::size_t kHead = 6;
  static constexpr std::size_t kSums = 5;
  double* at;
  std::size_t segments() const { return static_cast<std::size_t>(at[1]); }
  std::size_t dimensions() const { return static_cast<std::size_t>(at[2]); }
  std::size_t text_bytes() const { return static_cast<std::size_t>(at[5]); }
  double skipped() const { return at[3]; }
  std::size_t stride() const { return kSums + dimensions(); }
  double* Segment(std::size_t s) const { return at + kHead + s * stride(); }
  double* Centroids() const { return at + kHead + segments() * stride(); }
  double* Text() const { return Centroids() + segments() * dimensions(); }
  std::size_t size() const {
    return kHead + segments() * (stride() + dimensions()) + PackedSize(text_bytes());
  }
};

// The transition function: (state, model, features [, weight]). A row with a NULL model or NULL features is left out. Raises
// 22023 for another model than before, 22004, 22003 and 22023 for a weight that is NULL, not finite and negative.
Datum AccumulateEvaluation(FunctionCallInfo fcinfo, const EvaluationKind& kind, ArgumentKind features);

// The combine function.
Datum CombineEvaluations(FunctionCallInfo fcinfo, const EvaluationKind& kind);

// The argument of a final function; false for NULL. Its sums are checked to be neither NaN nor negative (but may be infinite).
bool ReadEvaluation(FunctionCallInfo fcinfo, const EvaluationKind& kind, EvaluationState* state);

// From inside C++: the sums by segment, and the model's text (throws 22023 where it is none).
std::vector<ClusterSums> ClustersOf(const EvaluationState& state);
std::string TextOf(const EvaluationState& state);

}  // namespace segmentation
