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

// Options init = explicit and warm_start: raw units to model space.
std::vector<double> GivenCentroids(const std::vector<std::vector<double>>& given, const Options& options, const Preprocessed& rows) {
  std::vector<double> centroids;
  const std::size_t dimensions = rows.points.dimensions();
  for (const std::vector<double>& raw : given) {
    std::vector<double> scaled;
    for (std::size_t j = 0; j < raw.size(); ++j) scaled.push_back((raw[j] - rows.offset[j]) / rows.scale[j]);
    if (rows.rotation) {
      const std::vector<double> point = scaled;
      scaled.resize(dimensions);
      Rotate(point.data(), rows.rotation->center, rows.rotation->axes, scaled.data());
    }
    centroids.insert(centroids.end(), scaled.begin(), scaled.end());
    double* centroid = centroids.data() + centroids.size() - dimensions;
    for (std::size_t j = 0; j < dimensions; ++j) {
      // Its square must fit, and that of its difference to any row.
      if (std::abs(centroid[j]) < 1e150) continue;
      throw Error(ErrorCode::kNotFinite, "an initial centroid is too far away",
                  "After scaling it is beyond the range in which distances can be computed.");
    }
    if (options.distance == Distance::kCosine && !NormalizeDirection(centroid, dimensions)) {
      throw Error(ErrorCode::kInvalidParameter, "an initial centroid has no direction",
                  "All of its values are 0 after scaling.", "Cosine distance compares directions.");
    }
  }
  return centroids;
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

// The clusters in the order of their segment ids: the heaviest first, equal ones by their centroids.
std::vector<double> Ordered(const Clustering& state, std::size_t dimensions) {
  std::vector<std::size_t> order(state.k());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto centroid = [&](std::size_t c) { return state.centroids.begin() + static_cast<std::ptrdiff_t>(c * dimensions); };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (state.weights[a] != state.weights[b]) return state.weights[a] > state.weights[b];
    return std::lexicographical_compare(centroid(a), centroid(a + 1), centroid(b), centroid(b + 1));
  });
  std::vector<double> centroids;
  for (std::size_t c : order) centroids.insert(centroids.end(), centroid(c), centroid(c + 1));
  return centroids;
}

// Dissolves the smallest cluster below min_size, gives its rows to the others, and so on until none is left.
void Dissolve(const Points& points, const SearchTask& task, Clustering* state, ThreadTeam& team) {
  const std::size_t dimensions = points.dimensions();
  while (state->k() > 1) {
    const std::vector<double>& sizes = task.sizes_by_weight ? state->weights : state->rows;
    const auto smallest = std::min_element(sizes.begin(), sizes.end());
    if (*smallest >= static_cast<double>(task.options.min_size)) return;
    const auto at = state->centroids.begin() + (smallest - sizes.begin()) * static_cast<std::ptrdiff_t>(dimensions);
    state->centroids.erase(at, at + static_cast<std::ptrdiff_t>(dimensions));
    GoOn(points, task, {task.options.max_iter, task.shift, false}, team, state);
  }
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

double InertiaOf(const Clustering& of, const Preprocessed& prepared, ThreadTeam& team) {
  return Inertia(prepared.points, of.centroids, of.labels, team);
}

Clustering FindClusters(const RowSet& rows, const Preprocessed& prepared, const SearchTask& task, ThreadTeam& team) {
  const Points& points = prepared.points;
  Clustering state;
  if (task.options.init == Init::kExplicit) {
    state.centroids = GivenCentroids(task.options.initial_centroids, task.options, prepared);
    GoOn(points, task, {task.options.max_iter, task.shift, false}, team, &state);
  } else if (!points.in_place() && points.rows() <= std::max(kSearchRows, 200 * task.k)) {
    state = Search(points, task, static_cast<double>(task.options.min_size), team);
  } else {
    state = GoOnFrom(FindInSample(rows, prepared, task, team), points, task, team);
  }
  Dissolve(points, task, &state, team);
  if (task.options.init != Init::kExplicit && StandForOthers(prepared)) SearchDrawnRows(prepared, task, &state, team);
  return state;
}

// What is found; with quality "best" not worse than what the defaults find, whose exchanges start elsewhere.
Clustering FindAnew(const RowSet& rows, const Preprocessed& prepared, const SearchTask& task, ThreadTeam& team) {
  Clustering state = FindClusters(rows, prepared, task, team);
  if (task.options.quality != Quality::kBest || task.options.init == Init::kExplicit) return state;
  SearchTask by_default = task;
  by_default.options.quality = Quality::kDefault;
  Clustering other = FindClusters(rows, prepared, by_default, team);
  return InertiaOf(other, prepared, team) < InertiaOf(state, prepared, team) ? other : state;
}

// What is found anew, or what the centroids of an earlier model lead to where that is as good.
Clustering FindBest(const RowSet& rows, const Preprocessed& prepared, const SearchTask& task, ThreadTeam& team) {
  Clustering state = FindAnew(rows, prepared, task, team);
  if (task.options.warm_start.empty()) return state;
  Clustering earlier;
  earlier.centroids = GivenCentroids(task.options.warm_start, task.options, prepared);
  earlier = GoOnFrom(earlier, prepared.points, task, team);
  Dissolve(prepared.points, task, &earlier, team);
  const double least = (1 - task.options.min_gain) * InertiaOf(earlier, prepared, team);
  return earlier.k() >= state.k() && InertiaOf(state, prepared, team) >= least ? earlier : state;
}

// Centroids in the order of the segment ids, and what their segments hold.
struct Settled {
  std::vector<double> centroids;
  std::vector<ClusterSums> clusters;
};

bool IsSettled(const Settled& settled, const SearchTask& task) {
  const auto& clusters = settled.clusters;
  for (std::size_t c = 0; c < clusters.size(); ++c) {
    const double size = task.sizes_by_weight ? clusters[c].weight : clusters[c].rows;
    if (clusters[c].rows == 0 || (clusters.size() > 1 && size < static_cast<double>(task.options.min_size))) return false;
    if (c > 0 && clusters[c].weight > clusters[c - 1].weight) return false;
  }
  return true;
}

// A row between two centroids goes to the one listed first, so putting them in order can move rows: then once more from there,
// until order and rows agree. What is left after some rounds (a cycle of ties) only loses its empty segments.
Settled Settle(const Preprocessed& prepared, const SearchTask& task, Clustering* state, ThreadTeam& team) {
  constexpr int kMaxRounds = 8;
  const Points& points = prepared.points;
  const std::size_t dimensions = points.dimensions();
  for (int round = 0;; ++round) {
    Settled settled{Ordered(*state, dimensions), {}};
    settled.clusters = SumClusters(points, settled.centroids, team, &prepared.inner);
    if (IsSettled(settled, task)) return settled;
    if (round == kMaxRounds) {
      for (std::size_t c = settled.clusters.size(); c-- > 0;) {
        if (settled.clusters[c].rows > 0) continue;
        const auto at = static_cast<std::ptrdiff_t>(c * dimensions);
        settled.clusters.erase(settled.clusters.begin() + static_cast<std::ptrdiff_t>(c));
        settled.centroids.erase(settled.centroids.begin() + at, settled.centroids.begin() + at + static_cast<std::ptrdiff_t>(dimensions));
      }
      return settled;
    }
    state->centroids = settled.centroids;
    GoOn(points, task, {task.options.max_iter, 0, false}, team, state);
    Dissolve(points, task, state, team);
  }
}

FitRecord RecordOf(const RowSet& rows, const Preprocessed& prepared, std::int64_t k, const Options& options,
                   const Clustering& state) {
  FitRecord fit;
  fit.k = k;
  fit.init = Name(options.init);
  fit.n_init = options.init == Init::kExplicit || options.quality == Quality::kFast ? 1 : options.n_init;
  fit.max_iter = options.max_iter;
  fit.tol = options.tol;
  fit.quality = Name(options.quality);
  fit.on_null = Name(options.on_null);
  fit.min_size = options.min_size;
  fit.seed = options.seed;
  fit.iterations = state.iterations;
  fit.rows = prepared.points.rows() - rows.cell_count + rows.cell_rows;
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
  if (points.rows() >= kFilterRows) points.BuildFilter(team_);
}

Model Training::Fit(std::int64_t k) {
  const Points& points = prepared_->points;
  const std::size_t dimensions = points.dimensions();
  SearchTask task;
  task.k = static_cast<std::size_t>(k);
  task.options = options_;
  task.sizes_by_weight = rows_.cell_count > 0;
  task.shift = options_.tol * whole_ / prepared_->weight / static_cast<double>(dimensions);

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
  model.fit = RecordOf(rows_, *prepared_, k, options_, state);
  DescribeSegments(clusters, RowsOfClusters(clusters, rows_, model.fit.rows), &model);
  model.metrics = Evaluate(clusters, model.centroids, dimensions, team_.interrupt()).metrics;
  model.metrics.total_inertia = whole_;
  model.warnings = WarningsOf(model, options_, *prepared_, rows_, state.converged);
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
