#include "core/k_trials.h"

#include <cmath>
#include <numbers>

#include "core/elementary.h"
#include "core/json_writer.h"
#include "core/metrics.h"
#include "core/search.h"
#include "core/silhouette.h"
#include "core/trimmed_search.h"

namespace segmentation {
namespace {

double Bic(const std::vector<ClusterSums>& clusters, double inertia, std::size_t dimensions) {
  double weight = 0;
  for (const ClusterSums& cluster : clusters) weight += cluster.weight;
  const auto k = static_cast<double>(clusters.size());
  const auto d = static_cast<double>(dimensions);
  const double variance = inertia / (d * (weight - k));
  if (!(variance > 0) || !std::isfinite(variance)) return Metrics::kUndefined;
  double likelihood = -weight * d / 2 * Log(2 * std::numbers::pi * variance) - d * (weight - k) / 2;
  for (const ClusterSums& cluster : clusters) likelihood += cluster.weight > 0 ? cluster.weight * Log(cluster.weight / weight) : 0;
  const double parameters = k * d + k;  // centroids, shares but one, the variance
  return parameters * Log(weight) - 2 * likelihood;
}

// total: inertia of one cluster; where that is not known (NaN) it is that of the points about their mean.
KMetrics MetricsOf(const Points& points, const std::vector<double>& centroids, const Tiles& few, double total, ThreadTeam& team) {
  KMetrics out;
  out.segments = centroids.size() / points.dimensions();
  const std::vector<ClusterSums> clusters = SumClusters(points, centroids, team);
  const Metrics metrics = Evaluate(clusters, centroids, points.dimensions(), team.interrupt()).metrics;
  out.inertia = metrics.inertia;
  if (std::isnan(total)) total = metrics.total_inertia;
  out.explained = total > 0 ? 1 - metrics.inertia / total : Metrics::kUndefined;
  out.centroid_silhouette = metrics.silhouette;
  out.calinski_harabasz = metrics.calinski_harabasz;
  out.davies_bouldin = metrics.davies_bouldin;
  out.silhouette = MeanSilhouette(few, NearestCentroids(few, centroids), out.segments, team);
  out.silhouette_rows = few.rows();
  out.bic = Bic(clusters, metrics.inertia, points.dimensions());
  return out;
}

Clustering SearchIn(const Points& sample, std::size_t k, const Options& options, ThreadTeam& team) {
  SearchTask task;
  task.k = k;
  task.options = options;
  if (options.trim > 0) return SearchTrimmed(sample, task, static_cast<double>(options.min_size), team);
  return Search(sample, task, static_cast<double>(options.min_size), team);
}

// The points that centroids keep.
Tiles KeptBy(const std::vector<double>& centroids, const Points& points, const Options& options, ThreadTeam& team) {
  SearchTask task;
  task.options = options;
  Clustering state;
  state.centroids = centroids;
  GoOn(points, task, {0, 0, true}, team, &state);
  return KeptRows(points.tiles(), state.labels, state.k());
}

// The same for what each number of segments keeps.
KMetrics TrimmedMetricsOf(const Points& points, const std::vector<double>& centroids, const Options& options, ThreadTeam& team) {
  Points kept(KeptBy(centroids, points, options, team));
  kept.FindBounds(team);
  const Tiles few = kept.tiles().EveryMth(std::min(kept.rows(), kSilhouetteRows));
  return MetricsOf(kept, centroids, few, Metrics::kUndefined, team);
}

void WriteTrial(const KChoice& choice, const KMetrics& metrics, std::string* out) {
  ObjectWriter to(out);
  to.Number("k", std::uint64_t{metrics.k});
  to.Number("segments", std::uint64_t{metrics.segments});
  to.NumberOrNull("inertia", metrics.inertia);
  to.NumberOrNull("explained", metrics.explained);
  to.NumberOrNull("silhouette", metrics.silhouette);
  to.Number("silhouette_rows", std::uint64_t{metrics.silhouette_rows});
  to.NumberOrNull("centroid_silhouette", metrics.centroid_silhouette);
  to.NumberOrNull("calinski_harabasz", metrics.calinski_harabasz);
  to.NumberOrNull("davies_bouldin", metrics.davies_bouldin);
  to.NumberOrNull("bic", metrics.bic);
  for (const KTrial& trial : choice.trials) {
    if (trial.k != metrics.k) continue;
    to.NumberOrNull("gap", trial.gap);
    to.NumberOrNull("gap_error", trial.gap_error);
    to.NumberOrNull("evidence", trial.evidence);
    to.NumberOrNull("prediction_strength", trial.prediction_strength);
  }
  to.Close();
}

}  // namespace

KTrials TryEachK(Training* training, std::size_t k_min, std::size_t k_max, const Options& options) {
  ThreadTeam& team = training->team();
  KTrials out;
  const Tiles sample = training->SamplePoints(std::min<std::size_t>(kTrialRows, training->prepared().points.rows()));
  out.rows = sample.rows();
  out.sampled = sample.rows() < training->prepared().points.rows() || !training->prepared().inner.empty();
  const bool trims = options.trim > 0;
  const Points points = SearchPoints(sample, team);
  const auto choose = [&](const Tiles& from) { return ChooseK(from, k_min, k_max, options.distance, static_cast<std::uint64_t>(options.seed), team); };
  // Outliers are left out of what chooses k, too: those that are far from as many segments as there can be.
  out.choice = choose(trims ? KeptBy(SearchIn(points, k_max, options, team).centroids, points, options, team) : sample);
  const Tiles few = sample.EveryMth(std::min(sample.rows(), kSilhouetteRows));
  double total = Metrics::kUndefined;
  if (!trims) total = out.sampled ? SearchIn(points, 1, options, team).inertia : training->Fit(1).metrics.inertia;
  for (std::size_t k = k_min; k <= k_max; ++k) {
    if (!out.sampled) out.models.push_back(training->Fit(static_cast<std::int64_t>(k)));
    const std::vector<double> centroids = out.sampled ? SearchIn(points, k, options, team).centroids : out.models.back().centroids;
    out.metrics.push_back(trims ? TrimmedMetricsOf(points, centroids, options, team) : MetricsOf(points, centroids, few, total, team));
    out.metrics.back().k = k;
  }
  return out;
}

std::string ChooseAndFit(Training* training, std::size_t k_min, std::size_t k_max, const Options& options) {
  const KTrials trials = TryEachK(training, k_min, k_max, options);
  const bool is_there = !trials.models.empty() && trials.choice.k >= k_min;
  Model model = is_there ? trials.models[trials.choice.k - k_min] : training->Fit(static_cast<std::int64_t>(trials.choice.k));
  if (!trials.choice.structured) {
    model.warnings.push_back({"no_structure", "no structure was found: the segments are a partition of the customers, and another number of them would do as well"});
  }
  std::string out;
  ObjectWriter to(&out);
  to.Number("k", std::uint64_t{trials.choice.k});
  to.Bool("structured", trials.choice.structured);
  to.Number("rows", std::uint64_t{trials.rows});
  to.Bool("sampled", trials.sampled);
  to.Number("choice_rows", std::uint64_t{trials.choice.sampled});
  AppendJsonArray(to.Key("trials"), trials.metrics, [&](std::string* json, const KMetrics& metrics) { WriteTrial(trials.choice, metrics, json); });
  *to.Key("model") += EncodeModel(model);
  to.Close();
  return out;
}

}  // namespace segmentation
