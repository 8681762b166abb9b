#include "core/go_on.h"

#include <algorithm>

#include "core/column_statistics.h"
#include "core/trimmed.h"

namespace segmentation {

bool AllLargeEnough(const Clustering& state, const SearchTask& task, double min_rows) {
  const std::vector<double>& sizes = task.sizes_by_weight ? state.weights : state.rows;
  return std::all_of(sizes.begin(), sizes.end(), [=](double size) { return size >= min_rows; });
}

void DropEmptyClusters(std::size_t dimensions, Clustering* state) {
  std::size_t kept = 0;
  std::vector<Label> new_label(state->k() + 1);
  for (std::size_t c = 0; c < state->k(); ++c) {
    new_label[c] = static_cast<Label>(kept);
    if (state->rows[c] == 0) continue;
    std::copy_n(state->centroids.data() + c * dimensions, dimensions, state->centroids.data() + kept * dimensions);
    state->weights[kept] = state->weights[c];
    state->rows[kept] = state->rows[c];
    ++kept;
  }
  if (kept == state->k()) return;
  new_label[state->k()] = static_cast<Label>(kept);
  for (Label& label : state->labels) label = new_label[label];
  state->centroids.resize(kept * dimensions);
  state->weights.resize(kept);
  state->rows.resize(kept);
}

double TrimLimitOf(const Points& points, const SearchTask& task, ThreadTeam& team) {
  return task.options.trim > 0 ? TrimLimit(task.options.trim, TotalWeight(points, team)) : 0;
}

void GoOn(const Points& points, const SearchTask& task, const LloydLimits& limits, ThreadTeam& team, Clustering* state) {
  const std::uint64_t before = state->iterations;
  if (task.options.trim > 0) {
    *state = TrimmedLloyd(points, std::move(state->centroids), TrimLimitOf(points, task, team), limits, task.options.distance, team);
  } else {
    *state = Lloyd(points, std::move(state->centroids), limits, task.options.distance, team);
  }
  state->iterations += before;
  DropEmptyClusters(points.dimensions(), state);
}

}  // namespace segmentation
