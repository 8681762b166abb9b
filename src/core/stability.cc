#include "core/stability.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "core/choose_k.h"
#include "core/error.h"
#include "core/match.h"
#include "core/preprocess.h"
#include "core/random.h"
#include "core/scorer.h"
#include "core/search.h"
#include "core/trimmed_search.h"

namespace segmentation {
namespace {

constexpr std::uint32_t kSampleStream = 0x22000000;  // of random numbers, one stream for each sample
constexpr double kDissolved = 0.5;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

void CheckArguments(const RowSet& points, const Model& model, int samples) {
  if (samples < kFewestSamples || samples > kMostSamples) {
    throw Error(ErrorCode::kInvalidParameter, "number of samples is out of bounds", "It is " + std::to_string(samples) + ".",
                "It can be from " + std::to_string(kFewestSamples) + " to " + std::to_string(kMostSamples) + ".");
  }
  if (points.rows == 0) throw Error(ErrorCode::kInvalidParameter, "there are no rows to judge segments by");
  if (points.rows > kStabilityRows) {
    throw Error(ErrorCode::kLimit, "too many rows to judge segments by", "There can be " + std::to_string(kStabilityRows) + ".");
  }
  if (points.dimensions != model.Dimensions()) {
    throw Error(ErrorCode::kDimensionMismatch, "points do not match the model",
                "They have " + std::to_string(points.dimensions) + " dimensions, and its space has " + std::to_string(model.Dimensions()) + ".");
  }
}

std::vector<std::size_t> SegmentsOf(const Tiles& points, const Model& model, const Interrupt& interrupt) {
  const std::vector<double> block = CompileScorer(model);
  const Scorer scorer(block.data());
  std::vector<std::size_t> segments(points.rows());
  std::vector<double> row(points.dimensions());
  for (std::size_t i = 0; i < points.rows(); ++i) {
    interrupt.Poll();
    points.CopyRow(i, row.data());
    segments[i] = scorer.Nearest(row.data()).index;
  }
  return segments;
}

SearchTask TaskOf(const Model& model, double outliers) {
  SearchTask task;
  task.k = model.segments.size();
  task.options.distance = model.distance;
  // A model that somebody made may say anything.
  task.options.n_init = static_cast<int>(std::clamp<std::int64_t>(model.fit.n_init, 1, Options().n_init));
  if (model.fit.quality == Name(Quality::kFast)) task.options.quality = Quality::kFast;
  task.options.trim = std::max(model.fit.trim, std::clamp(outliers, 0.0, 0.5));
  return task;
}

// By row; those that are left out of the centroids belong to the nearest one, as they do when they are scored.
std::vector<std::size_t> ClustersOf(const Tiles& points, const SearchTask& task, double min_rows, ThreadTeam& team) {
  const Points searched = SearchPoints(points, team);
  if (task.options.trim > 0) return NearestCentroids(points, SearchTrimmed(searched, task, min_rows, team).centroids);
  const Labels labels = Search(searched, task, min_rows, team).labels;
  return {labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(points.rows())};
}

// Below it no cluster should be, by the share of the training's rows.
double SmallestSize(const Model& model, std::size_t rows) {
  return model.fit.rows == 0 ? 0 : static_cast<double>(model.fit.min_size) * static_cast<double>(rows) / static_cast<double>(model.fit.rows);
}

// Rows drawn with replacement: which, and how often each.
struct Draw {
  std::vector<std::size_t> rows;
  std::vector<double> times;
};

Draw DrawAgain(std::size_t rows, const CounterRandom& random) {
  std::vector<std::uint32_t> times(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    ++times[static_cast<std::size_t>(random.Uniform(0, i) * static_cast<double>(rows))];
  }
  Draw draw;
  for (std::size_t i = 0; i < rows; ++i) {
    if (times[i] == 0) continue;
    draw.rows.push_back(i);
    draw.times.push_back(times[i]);
  }
  return draw;
}

Tiles TilesOf(const Tiles& points, const Draw& draw) {
  Tiles tiles(draw.rows.size(), points.dimensions(), true);
  for (std::size_t i = 0; i < draw.rows.size(); ++i) {
    for (std::size_t j = 0; j < points.dimensions(); ++j) tiles.At(i, j) = points.At(draw.rows[i], j);
    tiles.SetWeight(i, draw.times[i] * points.Weight(draw.rows[i]));
  }
  return tiles;
}

// For every segment the largest similarity with any cluster; NaN where none of its rows are in the table.
std::vector<double> LargestJaccards(const Contingency& table) {
  std::vector<double> segment_rows(table.old_count), cluster_rows(table.new_count);
  for (std::size_t i = 0; i < table.old_count; ++i) {
    for (std::size_t j = 0; j < table.new_count; ++j) segment_rows[i] += table.At(i, j), cluster_rows[j] += table.At(i, j);
  }
  std::vector<double> largest(table.old_count, kNone);
  for (std::size_t i = 0; i < table.old_count; ++i) {
    if (segment_rows[i] == 0) continue;
    largest[i] = 0;
    for (std::size_t j = 0; j < table.new_count; ++j) {
      largest[i] = std::max(largest[i], table.At(i, j) / (segment_rows[i] + cluster_rows[j] - table.At(i, j)));
    }
  }
  return largest;
}

// What one sample says.
struct SampleOutcome {
  std::vector<double> jaccards;
  double adjusted_rand_index = 0;
};

SampleOutcome TrySample(const Tiles& points, const std::vector<std::size_t>& segments, const Model& model, double outliers, std::uint32_t number,
                        const Interrupt& interrupt) {
  const CounterRandom random(static_cast<std::uint64_t>(model.fit.seed), kSampleStream + number);
  const Draw draw = DrawAgain(points.rows(), random);
  SearchTask task = TaskOf(model, outliers);
  task.options.seed = static_cast<std::int64_t>(random.Bits(1, 0));
  ThreadTeam alone(interrupt);
  const std::vector<std::size_t> clusters = ClustersOf(TilesOf(points, draw), task, SmallestSize(model, draw.rows.size()), alone);
  const std::size_t count = *std::max_element(clusters.begin(), clusters.end()) + 1;
  Contingency table{model.segments.size(), count, std::vector<double>(model.segments.size() * count)};
  for (std::size_t i = 0; i < draw.rows.size(); ++i) table.rows[segments[draw.rows[i]] * count + clusters[i]] += 1;
  return {LargestJaccards(table), AdjustedRandIndex(table)};
}

SegmentStability Summarize(const std::vector<SampleOutcome>& outcomes, std::size_t segment) {
  std::vector<double> jaccards;
  for (const SampleOutcome& outcome : outcomes) {
    if (!std::isnan(outcome.jaccards[segment])) jaccards.push_back(outcome.jaccards[segment]);
  }
  SegmentStability out;
  if (jaccards.empty()) {
    out.jaccard = out.jaccard_low = out.dissolved = kNone;
    return out;
  }
  std::sort(jaccards.begin(), jaccards.end());
  std::vector<double> counts;
  for (double jaccard : jaccards) {
    counts.push_back(static_cast<double>(counts.size() + 1));
    out.jaccard += jaccard;
    out.dissolved += jaccard <= kDissolved ? 1 : 0;
  }
  out.jaccard /= counts.back();
  out.dissolved /= counts.back();
  out.jaccard_low = SortedQuantile(jaccards, counts, 0.05);
  return out;
}

}  // namespace

Stability FindStability(const RowSet& points, const Model& model, int samples, ThreadTeam& team, double outliers) {
  CheckArguments(points, model, samples);
  // They are scaled already: this puts them in canonical order.
  const Preprocessed prepared = Preprocess(points, Options(), team);
  const Tiles& tiles = prepared.points.tiles();
  const std::vector<std::size_t> segments = SegmentsOf(tiles, model, team.interrupt());
  std::vector<SampleOutcome> outcomes(static_cast<std::size_t>(samples));
  // In waves, so that there is something to report in between.
  const std::size_t wave = 4 * team.size();
  for (std::size_t first = 0; first < outcomes.size(); first += wave) {
    team.ForEach(std::min(wave, outcomes.size() - first), [&](std::size_t item, std::size_t, const Interrupt& interrupt) {
      outcomes[first + item] = TrySample(tiles, segments, model, outliers, static_cast<std::uint32_t>(first + item), interrupt);
    });
    team.interrupt().Report({Progress::Stage::kSamples, std::min(first + wave, outcomes.size()), outcomes.size(), tiles.rows(), kNone});
  }
  Stability out;
  out.rows = tiles.rows();
  for (std::size_t s = 0; s < model.segments.size(); ++s) {
    SegmentStability& segment = out.segments.emplace_back(Summarize(outcomes, s));
    segment.segment = model.segments[s].id;
    segment.rows = static_cast<std::size_t>(std::count(segments.begin(), segments.end(), s));
  }
  for (const SampleOutcome& outcome : outcomes) out.adjusted_rand_index += outcome.adjusted_rand_index;
  out.adjusted_rand_index /= static_cast<double>(samples);
  out.structured = HasStructure(tiles, model.segments.size(), model.distance, static_cast<std::uint64_t>(model.fit.seed), team);
  return out;
}

}  // namespace segmentation
