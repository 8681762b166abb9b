// Scoring: kmeans_assign, kmeans_distance, kmeans_ranked, kmeans_score, kmeans_explain, each for an array, a row and jsonb.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/explain.h"
#include "core/metrics.h"
#include "pg/result_rows.h"
#include "pg/row_arg.h"

namespace segmentation {
namespace {

// A row beyond the range of double precision is infinitely far from every segment, so it has no nearest one.
bool IsScored(const Neighbor& nearest) { return std::isfinite(nearest.square); }

// The segment nearest to the arguments (model, features); false when they have no score.
template <ArgumentKind kKind>
bool NearestOf(FunctionCallInfo fcinfo, Neighbor* nearest) {
  CachedModel* model = CachedModelOf(fcinfo, 0);
  const double* point = ReadPoint(fcinfo, model, kKind, 1);
  if (point == nullptr) return false;
  *nearest = model->scorer().Nearest(point);
  return IsScored(*nearest);
}

template <ArgumentKind kKind>
Datum Assign(FunctionCallInfo fcinfo) {
  Neighbor nearest;
  if (!NearestOf<kKind>(fcinfo, &nearest)) PG_RETURN_NULL();
  PG_RETURN_INT32(nearest.segment);
}

template <ArgumentKind kKind>
Datum DistanceTo(FunctionCallInfo fcinfo) {
  Neighbor nearest;
  if (!NearestOf<kKind>(fcinfo, &nearest)) PG_RETURN_NULL();
  PG_RETURN_FLOAT8(std::sqrt(nearest.square));
}

template <ArgumentKind kKind>
Datum Ranked(FunctionCallInfo fcinfo) {
  ResultRows rows(fcinfo);
  CachedModel* model = CachedModelOf(fcinfo, 0);
  const int32 wanted = PG_GETARG_INT32(2);
  if (wanted < 1) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("number of segments to rank must be positive"),
                    errdetail("It is %d.", wanted)));
  }
  const double* point = ReadPoint(fcinfo, model, kKind, 1);
  if (point == nullptr) return static_cast<Datum>(0);
  const Scorer scorer = model->scorer();
  const std::size_t segments = scorer.segments();
  auto* squares = static_cast<double*>(palloc(segments * sizeof(double)));
  auto* order = static_cast<std::uint32_t*>(palloc(segments * sizeof(std::uint32_t)));
  scorer.SquaredDistances(point, squares);
  for (std::size_t i = 0; i < segments; ++i) order[i] = static_cast<std::uint32_t>(i);
  const std::size_t count = std::min(segments, static_cast<std::size_t>(wanted));
  std::partial_sort(order, order + count, order + segments, [squares](std::uint32_t a, std::uint32_t b) {
    return squares[a] != squares[b] ? squares[a] < squares[b] : a < b;
  });
  for (std::size_t i = 0; i < count && std::isfinite(squares[order[i]]); ++i) {
    Datum values[3] = {Int32GetDatum(static_cast<int32>(i) + 1), Int32GetDatum(scorer.id(order[i])),
                       Float8GetDatum(std::sqrt(squares[order[i]]))};
    bool nulls[3] = {};
    rows.Add(values, nulls);
  }
  return static_cast<Datum>(0);
}

// A row whose runner-up is hardly farther than its own segment.
constexpr double kBorderlineSilhouette = 0.1;

template <ArgumentKind kKind>
Datum Score(FunctionCallInfo fcinfo) {
  CachedModel* model = CachedModelOf(fcinfo, 0);
  const double* point = ReadPoint(fcinfo, model, kKind, 1);
  if (point == nullptr) PG_RETURN_NULL();
  const Scorer scorer = model->scorer();
  Neighbor own;
  Neighbor other;
  scorer.NearestTwo(point, &own, &other);
  if (!IsScored(own)) PG_RETURN_NULL();
  // A runner-up beyond the range of double precision is none, and the row is then as sure as it can be.
  const bool alone = !std::isfinite(other.square);
  const double silhouette = alone ? 1 : CentroidSilhouette(own.square, other.square);
  const double usual = scorer.mean_square(own.index);
  Datum values[7] = {Int32GetDatum(own.segment), Float8GetDatum(std::sqrt(own.square)), Int32GetDatum(other.segment),
                     Float8GetDatum(std::sqrt(other.square)), Float8GetDatum(silhouette),
                     Float8GetDatum(usual > 0 ? std::sqrt(own.square / usual) : 0),
                     BoolGetDatum(silhouette < kBorderlineSilhouette)};
  // No training row lay off the centroid: there is no usual distance to compare with.
  bool nulls[7] = {false, false, alone, alone, scorer.segments() < 2, usual <= 0,
                   scorer.segments() < 2};
  PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}

template <ArgumentKind kKind>
Datum Explain(FunctionCallInfo fcinfo) {
  ResultRows rows(fcinfo);
  CachedModel* model = CachedModelOf(fcinfo, 0);
  const double* point = ReadPoint(fcinfo, model, kKind, 1);
  if (point == nullptr) return static_cast<Datum>(0);
  struct Line {
    char* feature;
    double value, centroid, contribution;
  };
  Line* lines = nullptr;
  std::size_t count = 0;
  CallCore([&] {
    std::vector<double> numbers;
    for (std::size_t i = 0; i < model->scorer().inputs(); ++i) {
      numbers.push_back(model->mixed == nullptr ? model->numbers[i] : model->mixed[i].missing ? kMissing : model->mixed[i].number);
    }
    const std::vector<Contribution> found = ExplainPoint(model->scorer(), numbers, model->scratch, point);
    lines = static_cast<Line*>(Allocate((found.size() + 1) * sizeof(Line)));
    for (const Contribution& line : found) {
      lines[count++] = {AllocateString(line.feature), line.value, line.centroid, line.contribution};
    }
  });
  for (std::size_t i = 0; i < count; ++i) {
    bool nulls[4] = {};
    Datum values[4] = {TextDatum(lines[i].feature), Float8GetDatum(lines[i].value), Float8GetDatum(lines[i].centroid),
                       FloatOrNull(lines[i].contribution, &nulls[3])};
    rows.Add(values, nulls);
  }
  return static_cast<Datum>(0);
}

}  // namespace

SEGMENTATION_FUNCTION(kmeans_assign_array) { return Assign<ArgumentKind::kArray>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_assign_row) { return Assign<ArgumentKind::kRow>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_assign_jsonb) { return Assign<ArgumentKind::kJsonb>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_distance_array) { return DistanceTo<ArgumentKind::kArray>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_distance_row) { return DistanceTo<ArgumentKind::kRow>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_distance_jsonb) { return DistanceTo<ArgumentKind::kJsonb>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_ranked_array) { return Ranked<ArgumentKind::kArray>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_ranked_row) { return Ranked<ArgumentKind::kRow>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_ranked_jsonb) { return Ranked<ArgumentKind::kJsonb>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_score_array) { return Score<ArgumentKind::kArray>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_score_row) { return Score<ArgumentKind::kRow>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_score_jsonb) { return Score<ArgumentKind::kJsonb>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_explain_array) { return Explain<ArgumentKind::kArray>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_explain_row) { return Explain<ArgumentKind::kRow>(fcinfo); }
SEGMENTATION_FUNCTION(kmeans_explain_jsonb) { return Explain<ArgumentKind::kJsonb>(fcinfo); }

}  // namespace segmentation
