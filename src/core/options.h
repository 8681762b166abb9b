// What a training is asked for: the `options jsonb` of the SQL functions, read and checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace segmentation {

enum class Init { kPlusPlus, kRandom, kExplicit };
enum class Quality { kFast, kDefault, kBest };
enum class Scale { kNone, kZscore, kMinmax, kRobust };
enum class Distance { kEuclidean, kCosine };
enum class OnNull { kError, kSkip };

// The words that stand for them in SQL and in a model.
const char* Name(Init value);
const char* Name(Quality value);
const char* Name(Scale value);
const char* Name(Distance value);
const char* Name(OnNull value);

constexpr int kMaxClusters = 65536;
constexpr std::size_t kMaxDimensions = 16384;
// The largest k * dimensions: 16 MiB of centroids, about 40 MB as text.
constexpr std::size_t kMaxCentroidValues = std::size_t{1} << 21;

// More than this is not trimming outliers, and the segments would describe the smaller part of the rows.
constexpr double kMaxTrim = 0.5;

// Columns that are scaled as one, from first to last (counted from 0).
struct ColumnBlock {
  std::size_t first = 0;
  std::size_t last = 0;
};

struct Options {
  Init init = Init::kPlusPlus;
  std::vector<std::vector<double>> initial_centroids;  // init = explicit: one per cluster, raw units
  int n_init = 10;
  int max_iter = 300;
  double tol = 1e-4;  // as a fraction of the mean variance of the columns in model space
  Quality quality = Quality::kDefault;
  std::int64_t seed = 0;
  Scale scale = Scale::kNone;
  Distance distance = Distance::kEuclidean;
  OnNull on_null = OnNull::kError;
  std::int64_t min_size = 0;  // rows
  double trim = 0;            // share of the farthest rows (of the weight) that is left out of the centroids (trimmed.h)
  std::vector<std::string> features;  // UTF-8; empty: none given
  // Each gets one scale, so that its variances add up to the mean variance of the other columns after scaling (1 where there are
  // none): the columns of a category count as much as one number. In ascending order, apart from each other.
  std::vector<ColumnBlock> blocks;
  std::vector<std::vector<double>> warm_start;  // centroids of an earlier model, raw units, at most k: a start beside the others
  // Principal components to cluster in: how many, or (below 1) the share of the variance that they have to explain at least. 0: the columns
  // themselves.
  double components = 0;
  std::int64_t k_min = 0;  // of kmeans_range: every k from there; 0: one k
  double min_gain = 0.01;  // the share by which the inertia has to be lower for other centroids than those that warm_start leads to
};

// Who takes them: segmentation.train sets some itself, and has others of its own, which are not among what is parsed here.
// kmeans_range keeps what its states were asked for as options, k_min among them.
enum class OptionsOf { kAggregate, kTrain, kRange };

// Reads options from JSON text (UTF-8). Throws kInvalidParameter for an unknown key or a bad value, with the valid ones in
// the hint.
Options ParseOptions(std::string_view json, OptionsOf whose = OptionsOf::kAggregate);

// Throws kInvalidParameter unless 1 <= k <= kMaxClusters (with trim one less), and unless initial centroids, where given, are k of the right
// dimension; kDimensionMismatch when the names given are not one per dimension. dimensions = 0: not known yet.
void CheckOptions(const Options& options, std::int64_t k, std::size_t dimensions);

}  // namespace segmentation
