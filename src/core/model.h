// A trained model, whole: everything between a raw row and its segment.
//
// How a row is scored (format 1; it never changes again, because indexes and partition keys depend on it):
//   1. per input   a missing value (NULL, NaN, infinite) is imputed, or the row has no score;
//                  numeric: clipped to [clip low, clip high], then transformed (none, log1p, asinh);
//                  categorical: one column per level, 1 for the row's level and 0 elsewhere; a last column "other" where the
//                  rule for unseen levels is "other".
//   2. per column  z = (x - offset) / scale
//   3. rotation    y = axes * (z - center), where there is one
//   4. cosine      y = y / |y|; a row of length 0 has no score
//   5. distance    to each centroid: the square root of the sum over the columns, in their order, of (y - c)^2;
//                  the nearest wins, ties go to the segment listed first.
// A number that is not finite after a step gives no score. "Model space" is where y lives. No step contracts multiply and add.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/options.h"

namespace segmentation {

enum class Transform { kNone, kLog1p, kAsinh };
enum class Unseen { kOther, kZero, kNull };  // an unseen level: column "other", all columns 0, no score

const char* Name(Transform value);
// The value after the transform, NaN or infinite where it has none; and the value before it.
double ApplyTransform(Transform transform, double value);
double Untransform(Transform transform, double value);
const char* Name(Unseen value);

struct Input {
  std::string name;  // UTF-8
  bool categorical = false;
  // numeric
  Transform transform = Transform::kNone;
  std::optional<double> clip_low;   // raw units
  std::optional<double> clip_high;  // raw units
  std::optional<double> impute;     // raw units
  // categorical
  std::vector<std::string> levels;  // ascending by bytes, at least one
  Unseen unseen = Unseen::kOther;
  std::optional<std::string> impute_level;  // one of the levels, or anything where unseen is "other"

  // How many columns it becomes.
  std::size_t Columns() const { return categorical ? levels.size() + (unseen == Unseen::kOther ? 1 : 0) : 1; }
};

struct Rotation {
  std::vector<double> center;  // columns
  std::vector<double> axes;    // dimensions x columns, row-major, rows orthonormal
};

struct Segment {
  std::int32_t id = 0;     // not negative, not twice; may have gaps
  std::uint64_t rows = 0;  // training rows
  double weight = 0;       // sum of their weights
  double inertia = 0;      // weighted sum of their squared distances
};

// Judgements on the training rows; NaN where not defined (k = 1, all rows equal).
struct Metrics {
  static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  double inertia = 0;
  double total_inertia = 0;               // about the mean of all rows, model space
  double mean_distance = 0;               // to the own centroid
  double silhouette = kUndefined;         // centroid-based ("simplified"), mean over the rows
  double calinski_harabasz = kUndefined;  // Calinski & Harabasz 1974
  double davies_bouldin = kUndefined;     // Davies & Bouldin 1979
};

struct Warning {
  std::string code;  // unscaled, skewed, fewer_clusters, min_size, not_converged
  std::string message;
};

// How it was trained.
struct FitRecord {
  std::int64_t k = 0;  // asked for
  std::string init;
  std::int64_t n_init = 0;
  std::int64_t max_iter = 0;
  double tol = 0;
  std::string quality;
  std::string on_null;
  std::int64_t min_size = 0;
  double trim = 0;
  std::int64_t seed = 0;
  std::uint64_t iterations = 0;  // of the winning start
  std::uint64_t rows = 0;        // used
  std::uint64_t skipped = 0;     // NULL, NaN or infinite
  std::uint64_t left_out = 0;    // as outliers
  double weight = 0;
  bool exact = true;             // on all rows, not on a summary of them
};

struct Model {
  Distance distance = Distance::kEuclidean;
  std::string scaling = "none";     // what offset and scale were made by
  std::vector<Input> inputs;
  std::vector<double> offset;       // per column
  std::vector<double> scale;        // per column, not 0
  std::optional<Rotation> rotation;
  std::vector<double> centroids;    // segments x dimensions, row-major, model space
  std::vector<Segment> segments;
  Metrics metrics;
  FitRecord fit;
  std::vector<Warning> warnings;

  std::size_t Columns() const { return offset.size(); }
  std::size_t Dimensions() const { return segments.empty() ? 0 : centroids.size() / segments.size(); }
  bool HasCategorical() const;
};

// The canonical text: one line of JSON that starts with {"format":1, . Equal models have equal text, and text that
// EncodeModel made reads back to a model that it writes as the same bytes.
std::string EncodeModel(const Model& model);

// Reads a model from JSON in UTF-8, members in any order, all of them required. Throws `code` (kInvalidText or
// kInvalidBinary) with a detail that names the member that is wrong.
Model DecodeModel(std::string_view json, ErrorCode code, const Interrupt& interrupt = {});

// Checks what the scorer relies on: sizes that agree, finite numbers, scales that are not 0, ids, levels in order.
// Throws `code`.
void ValidateModel(const Model& model, ErrorCode code);

// One name per column: the input's, or "input=level" for a column of a categorical.
std::vector<std::string> ColumnNames(const Model& model);

// Centroids taken back to the columns' own space: to z (before `scale`), or to raw units (inverse of the transform; the
// share of the level for a column of a categorical). segments x columns. Under cosine distance they are directions.
std::vector<double> ScaledCentroids(const Model& model);
std::vector<double> RawCentroids(const Model& model);

}  // namespace segmentation
