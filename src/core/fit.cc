#include "core/fit.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "core/cell_points.h"
#include "core/error.h"
#include "core/fit_warnings.h"
#include "core/metrics.h"
#include "core/pca.h"
#include "core/preprocess.h"
#include "core/random.h"
#include "core/reduce.h"
#include "core/search.h"
#include "core/settle.h"
#include "core/trimmed_search.h"

namespace segmentation {
namespace {

// A sample to search on, as tiles in canonical order with their filter. Points that lie in canonical order themselves give every
// m-th, which is a random sample in which rows that occur often occur as often as they should.
Points Sample(const RowSet& rows, const Preprocessed& prepared, std::size_t size, ThreadTeam& team) {
  const Points& points = prepared.points;
  size = std::min(size, points.rows());
  if (points.in_place()) {
    Tiles sample(size, points.dimensions(), points.weighted());
    const std::vector<const char*> chosen = SampleRows(rows, size, team);
    team.ForEach((size + kBlockRows - 1) / kBlockRows, [&](std::size_t item, std::size_t, const Interrupt& interrupt) {
      interrupt.Poll();
      std::vector<double> row(rows.RowBytes() / sizeof(double));
      const std::size_t end = std::min((item + 1) * kBlockRows, size);
      for (std::size_t i = item * kBlockRows; i < end; ++i) {
        std::memcpy(row.data(), chosen[i], rows.RowBytes());
        for (std::size_t j = 0; j < points.dimensions(); ++j) sample.At(i, j) = (row[j] - prepared.offset[j]) / prepared.scale[j];
        if (points.weighted()) sample.SetWeight(i, row.back());
      }
    });
    return SearchPoints(std::move(sample), team);
  }
  return SearchPoints(points.tiles().EveryMth(size), team);
}

// Whether points are cells of rows that differ.
bool StandForOthers(const Preprocessed& prepared) {
  return std::any_of(prepared.deviations.begin(), prepared.deviations.end(), [](double deviation) { return deviation > 0; });
}

// What is found in a sample of the points, which is all of them where they are few enough and lie in tiles anyway.
Clustering FindInSample(const RowSet& rows, const Preprocessed& prepared, const SearchTask& task, ThreadTeam& team) {
  const Points& points = prepared.points;
  const auto min_size = static_cast<double>(task.options.min_size);
  const std::size_t sample_rows = std::max(kSampleRows, 200 * task.k);
  if (!points.in_place() && points.rows() <= sample_rows) return SearchSample(points, task, min_size, team);
  const Points sample = Sample(rows, prepared, sample_rows, team);
  return SearchSample(sample, task, min_size * static_cast<double>(sample.rows()) / static_cast<double>(points.rows()), team);
}

// Inertia of all points about their mean.
double WholeInertia(const Preprocessed& prepared, const Options& options, ThreadTeam& team) {
  const std::size_t dimensions = prepared.points.dimensions();
  if (options.distance == Distance::kCosine) {
    std::vector<double> center(dimensions);
    prepared.points.CopyRow(0, center.data());
    return Evaluate(SumClusters(prepared.points, center, team, &prepared.inner), center, dimensions).metrics.total_inertia;
  }
  double sum = 0;
  if (prepared.rotation) {
    for (double variance : prepared.variances) sum += prepared.weight * variance;
    return sum;
  }
  for (std::size_t j = 0; j < dimensions; ++j) {
    sum += prepared.weight * prepared.columns[j].variance / prepared.scale[j] / prepared.scale[j];
  }
  return sum;
}

// Goes on with all points from what was found on some. Those may hold fewer different rows than there are: what is missing starts as
// a copy of a centroid, which gets no rows, and Lloyd's algorithm gives it the farthest one where rows differ.
Clustering GoOnFrom(const Clustering& found, const Points& points, const SearchTask& task, ThreadTeam& team) {
  Clustering state;
  state.centroids = found.centroids;
  while (state.centroids.size() < task.k * points.dimensions()) {
    state.centroids.insert(state.centroids.end(), found.centroids.begin(),
                           found.centroids.begin() + static_cast<std::ptrdiff_t>(points.dimensions()));
  }
  state.iterations = found.iterations;
  GoOn(points, task, {task.options.max_iter, task.shift, false}, team, &state);
  return state;
}

// Another search where points are cells of rows that differ: among rows that are drawn from them. As many others that are drawn judge
// which is better.
void SearchDrawnRows(const Preprocessed& prepared, const SearchTask& task, Clustering* state, ThreadTeam& team) {
  constexpr std::uint32_t kDrawnStream = 0x40000000;  // of random numbers, apart from those of the search
  const std::size_t row_bytes = prepared.points.dimensions() * (sizeof(double) + sizeof(float));
  const std::size_t count = std::min(kDrawnRows, std::max(prepared.points.rows(), kDrawnBytes / row_bytes));
  const auto draw = [&](std::uint32_t part) {
    const CounterRandom random(static_cast<std::uint64_t>(task.options.seed), kDrawnStream + part);
    return SearchPoints(DrawRows(prepared.points.tiles(), prepared.deviations, count, random, team.interrupt()), team);
  };
  SearchTask of_rows = task;
  of_rows.sizes_by_weight = false;
  const double min_size = static_cast<double>(task.options.min_size) * static_cast<double>(count) / prepared.weight;
  Clustering other = GoOnFrom(SearchSample(draw(0), of_rows, min_size, team), prepared.points, task, team);
  Dissolve(prepared.points, task, &other, team);
  const Points judge = draw(1);
  const auto inertia = [&](const Clustering& of) {
    return Lloyd(judge, of.centroids, {0, 0, true}, task.options.distance, team).inertia;
  };
  if (inertia(other) < inertia(*state)) *state = std::move(other);
}

// Of what is kept; where rows are left out it has come along.
double InertiaOf(const Clustering& of, const Preprocessed& prepared, const SearchTask& task, ThreadTeam& team) {
  return task.options.trim > 0 ? of.inertia : Inertia(prepared.points, of.centroids, of.labels, team);
}

// Of many rows a sample is searched: every m-th.
Clustering FindTrimmed(const Points& points, const SearchTask& task, ThreadTeam& team) {
  const auto min_size = static_cast<double>(task.options.min_size);
  const std::size_t most = std::max(task.options.quality == Quality::kBest ? kSampleRows : kSearchRows, 200 * task.k);
  if (points.rows() <= most) return SearchTrimmed(points, task, min_size, team);
  Points sample(points.tiles().EveryMth(most));
  sample.FindBounds(team);
  const double share = static_cast<double>(most) / static_cast<double>(points.rows());
  return GoOnFrom(SearchTrimmed(sample, task, min_size * share, team), points, task, team);
}

Clustering FindClusters(const RowSet& rows, const Preprocessed& prepared, const SearchTask& task, ThreadTeam& team) {
  const Points& points = prepared.points;
  Clustering state;
  if (task.options.init == Init::kExplicit) {
    state.centroids = ToModelSpace(task.options.initial_centroids, task.options, prepared);
    GoOn(points, task, {task.options.max_iter, task.shift, false}, team, &state);
  } else if (task.options.trim > 0) {
    state = FindTrimmed(points, task, team);
  } else if (!points.in_place() && points.rows() <= std::max(kSearchRows, 200 * task.k)) {
    state = Search(points, task, static_cast<double>(task.options.min_size), team);
  } else {
    state = GoOnFrom(FindInSample(rows, prepared, task, team), points, task, team);
  }
  Dissolve(points, task, &state, team);
  if (task.options.init != Init::kExplicit && !(task.options.trim > 0) && StandForOthers(prepared)) SearchDrawnRows(prepared, task, &state, team);
  return state;
}

// What is found; with quality "best" not worse than what the defaults find, whose exchanges start elsewhere.
Clustering FindAnew(const RowSet& rows, const Preprocessed& prepared, const SearchTask& task, ThreadTeam& team) {
  Clustering state = FindClusters(rows, prepared, task, team);
  if (task.options.quality != Quality::kBest || task.options.init == Init::kExplicit || task.options.trim > 0) return state;
  SearchTask by_default = task;
  by_default.options.quality = Quality::kDefault;
  Clustering other = FindClusters(rows, prepared, by_default, team);
  return InertiaOf(other, prepared, task, team) < InertiaOf(state, prepared, task, team) ? other : state;
}

// What is found anew, or what the centroids of an earlier model lead to where that is as good.
Clustering FindBest(const RowSet& rows, const Preprocessed& prepared, const SearchTask& task, ThreadTeam& team) {
  Clustering state = FindAnew(rows, prepared, task, team);
  if (task.options.warm_start.empty()) return state;
  Clustering earlier;
  earlier.centroids = ToModelSpace(task.options.warm_start, task.options, prepared);
  earlier = GoOnFrom(earlier, prepared.points, task, team);
  Dissolve(prepared.points, task, &earlier, team);
  const double least = (1 - task.options.min_gain) * InertiaOf(earlier, prepared, task, team);
  return earlier.k() >= state.k() && InertiaOf(state, prepared, task, team) >= least ? earlier : state;
}

// How many of so many rows option trim has left out, by their weight where there are cells.
std::uint64_t LeftOut(const RowSet& rows, const Preprocessed& prepared, const std::vector<ClusterSums>& clusters, std::uint64_t total) {
  double kept = 0;
  double weight = 0;
  for (const ClusterSums& cluster : clusters) {
    kept += cluster.rows;
    weight += cluster.weight;
  }
  if (rows.cell_count == 0) return total - static_cast<std::uint64_t>(kept);
  return std::min(total, static_cast<std::uint64_t>(std::floor((1 - weight / prepared.weight) * static_cast<double>(total) + 0.5)));
}

FitRecord RecordOf(const RowSet& rows, const Preprocessed& prepared, std::int64_t k, const Options& options,
                   const Clustering& state, const std::vector<ClusterSums>& clusters) {
  FitRecord fit;
  fit.k = k;
  fit.init = Name(options.init);
  fit.n_init = options.init == Init::kExplicit || options.quality == Quality::kFast ? 1 : options.n_init;
  fit.max_iter = options.max_iter;
  fit.tol = options.tol;
  fit.quality = Name(options.quality);
  fit.on_null = Name(options.on_null);
  fit.min_size = options.min_size;
  fit.trim = options.trim;
  fit.seed = options.seed;
  fit.iterations = state.iterations;
  fit.rows = prepared.points.rows() - rows.cell_count + rows.cell_rows;
  if (options.trim > 0) fit.left_out = LeftOut(rows, prepared, clusters, fit.rows);
  fit.rows -= fit.left_out;
  fit.exact = rows.cell_count == 0;
  fit.skipped = rows.skipped + prepared.without_direction;
  fit.weight = std::accumulate(state.weights.begin(), state.weights.end(), 0.0);
  return fit;
}

// How many rows there are behind the points of every cluster: the points themselves, or, where some of them are cells, as many
// as their share of the weight, so that they add up.
std::vector<std::uint64_t> RowsOfClusters(const std::vector<ClusterSums>& clusters, const RowSet& rows, std::uint64_t total) {
  std::vector<std::uint64_t> counts;
  double weight = 0;
  for (const ClusterSums& cluster : clusters) weight += cluster.weight;
  double before = 0;
  std::uint64_t given = 0;
  for (const ClusterSums& cluster : clusters) {
    before += cluster.weight;
    if (rows.cell_count == 0) {
      counts.push_back(static_cast<std::uint64_t>(cluster.rows));
    } else {
      const auto until = static_cast<std::uint64_t>(std::floor(before / weight * static_cast<double>(total) + 0.5));
      counts.push_back(std::min(std::max(until, given), total) - given);
      given += counts.back();
    }
  }
  return counts;
}

void DescribeSegments(const std::vector<ClusterSums>& clusters, const std::vector<std::uint64_t>& counts, Model* model) {
  for (std::size_t c = 0; c < clusters.size(); ++c) {
    model->segments.push_back({static_cast<std::int32_t>(c), counts[c], clusters[c].weight, clusters[c].inertia});
  }
}

// Fewer rows are not worth single-precision copies, nor another thread.
constexpr std::size_t kFilterRows = 1024;
constexpr std::uint64_t kRowsPerThread = 10000;
// Of random numbers, apart from those of the search.
constexpr std::uint32_t kSampledStream = 0x40000010;

}  // namespace

Training::Training(const RowSet& rows, const Options& options, const Interrupt& interrupt, int threads)
    : rows_(rows),
      options_(options),
      team_(interrupt, static_cast<int>(std::min<std::uint64_t>(static_cast<std::uint64_t>(threads), (rows.rows + rows.cell_count) / kRowsPerThread))) {
  if (rows.rows + rows.cell_count == 0) return;
  prepared_.emplace(Preprocess(rows, options, team_));
  Points& points = prepared_->points;
  if (points.rows() == 0) {
    prepared_.reset();
    return;
  }
  whole_ = WholeInertia(*prepared_, options, team_);
  if (!std::isfinite(whole_)) {
    throw Error(ErrorCode::kNotFinite, "features are too large", "Their squared distances are beyond the range of double precision.",
                "Divide them by a constant, or set option \"scale\".");
  }
  spread_ = whole_;
  spread_weight_ = prepared_->weight;
  if (options.trim > 0) {
    FindTrimmedSpread();
  } else if (points.rows() >= kFilterRows) {
    points.BuildFilter(team_);
  }
}

// A few outliers can make the variance of all rows as large as they like, and every fit would be converged from the start.
void Training::FindTrimmedSpread() {
  constexpr int kIterations = 20;
  SearchTask task;
  task.options = options_;
  Clustering one;
  one.centroids.resize(prepared_->points.dimensions());
  prepared_->points.CopyRow(0, one.centroids.data());
  GoOn(prepared_->points, task, {kIterations, 0, true}, team_, &one);
  spread_ = one.inertia;
  spread_weight_ = one.weights[0];
}

Model Training::Fit(std::int64_t k) {
  const Points& points = prepared_->points;
  const std::size_t dimensions = points.dimensions();
  SearchTask task;
  task.k = static_cast<std::size_t>(k);
  task.options = options_;
  task.sizes_by_weight = rows_.cell_count > 0;
  task.shift = options_.tol * spread_ / spread_weight_ / static_cast<double>(dimensions);

  Clustering state = FindBest(rows_, *prepared_, task, team_);
  const Settled settled = Settle(*prepared_, task, &state, team_);
  const std::vector<ClusterSums>& clusters = settled.clusters;

  Model model;
  model.distance = options_.distance;
  model.scaling = Name(options_.scale);
  for (std::size_t j = 0; j < rows_.dimensions; ++j) model.inputs.emplace_back().name = FeatureName(options_, j);
  model.offset = prepared_->offset;
  model.scale = prepared_->scale;
  model.rotation = prepared_->rotation;
  model.centroids = settled.centroids;
  model.fit = RecordOf(rows_, *prepared_, k, options_, state, clusters);
  DescribeSegments(clusters, RowsOfClusters(clusters, rows_, model.fit.rows), &model);
  model.metrics = Evaluate(clusters, model.centroids, dimensions, team_.interrupt()).metrics;
  if (!(options_.trim > 0)) model.metrics.total_inertia = whole_;  // else that of what is kept, as all of them
  model.warnings = WarningsOf(model, options_, *prepared_, rows_, settled.inner, state.converged);
  ValidateModel(model, ErrorCode::kInternal);
  return model;
}

Tiles Training::SamplePoints(std::size_t size) {
  if (StandForOthers(*prepared_)) {
    const CounterRandom random(static_cast<std::uint64_t>(options_.seed), kSampledStream);
    return DrawRows(prepared_->points.tiles(), prepared_->deviations, size, random, team_.interrupt());
  }
  return Sample(rows_, *prepared_, size, team_).tiles();
}

std::optional<Model> Fit(const RowSet& rows, std::int64_t k, const Options& options, const Interrupt& interrupt, int threads) {
  CheckOptions(options, k, rows.dimensions);
  Training training(rows, options, interrupt, threads);
  if (training.empty()) return std::nullopt;
  return training.Fit(k);
}

std::vector<Model> FitRange(const RowSet& rows, std::int64_t k_min, std::int64_t k_max, const Options& options, const Interrupt& interrupt, int threads) {
  CheckOptions(options, k_max, rows.dimensions);
  Training training(rows, options, interrupt, threads);
  std::vector<Model> models;
  for (std::int64_t k = k_min; k <= k_max && !training.empty(); ++k) models.push_back(training.Fit(k));
  return models;
}

}  // namespace segmentation
