#include "core/column_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/exact_sum.h"
#include "core/simd.h"

namespace segmentation {
namespace {

// What is added up of a column: its values, their squared distances to the mean, or the cubes of their distances to it in some unit.
enum class Term { kValue, kSquare, kCube };

// One exact sum over the points.
struct ColumnSum {
  std::size_t column;
  Term term;
  double mean;
  double reach;  // what distances are divided by before they are cubed
  SumUnit unit;  // of the terms
};

// Adds the folds (exact_sum.h) of a column's 64 terms, each times its weight where there are weights. Rows that fill up the last tile
// weigh nothing, whatever their terms are.
template <int kLanes, Term kTerm>
SEGMENTATION_INLINE void AddTerms(const double* x, const double* weights, const ColumnSum& sum, double* high, double* low) {
  using Real = typename Simd<kLanes>::Real;
  Real highs{};
  Real lows{};
  const double down = sum.unit.down();
  for (std::size_t r = 0; r < kTileRows; r += kLanes) {
    Real term;
    Load(term, x + r);
    if (kTerm != Term::kValue) term -= sum.mean;
    if (kTerm == Term::kSquare) term = term * term;
    if (kTerm == Term::kCube) {
      const Real part = term / sum.reach;
      term = part * part * part;
    }
    if (weights != nullptr) {
      Real weight;
      Load(weight, weights + r);
      term = weight > 0 ? weight * term : Real{};
    }
    term *= down;
    Real first;
    Real second;
    FoldInto(term, first, second);
    highs += first;
    lows += second;
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    *high += highs[lane];
    *low += lows[lane];
  }
}

#define SEGMENTATION_ADD_TERMS(lanes, attribute)                                                                \
  attribute void AddTerms##lanes(const double* x, const double* weights, const ColumnSum& sum, double* folds) { \
    switch (sum.term) {                                                                                         \
      case Term::kValue: return AddTerms<lanes, Term::kValue>(x, weights, sum, folds, folds + 1);               \
      case Term::kSquare: return AddTerms<lanes, Term::kSquare>(x, weights, sum, folds, folds + 1);             \
      case Term::kCube: return AddTerms<lanes, Term::kCube>(x, weights, sum, folds, folds + 1);                 \
    }                                                                                                           \
  }

SEGMENTATION_ADD_TERMS(2, )
#if defined(__x86_64__)
SEGMENTATION_ADD_TERMS(4, __attribute__((target("avx2"))))
#endif

// A tile's share of a sum: its folds, high and low, are added to.
void AddTermsOfTile(const double* x, const double* weights, const ColumnSum& sum, double* folds) {
#if defined(__x86_64__)
  static const bool wide = __builtin_cpu_supports("avx2");
  if (wide) return AddTerms4(x, weights, sum, folds);
#endif
  AddTerms2(x, weights, sum, folds);
}

std::vector<double> SumColumns(const Points& points, const std::vector<ColumnSum>& wanted, ThreadTeam& team) {
  std::vector<std::vector<ExactTotal>> totals(team.size(), std::vector<ExactTotal>(wanted.size()));
  struct Worker {
    std::vector<double> tile, folds;
  };
  std::vector<Worker> workers(team.size());
  for (Worker& worker : workers) {
    worker.tile.resize(points.in_place() ? points.dimensions() * kTileRows : 0);
    worker.folds.resize(2 * wanted.size());
  }
  team.ForEach(points.block_count(), [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
    std::vector<double>& folds = workers[worker].folds;
    std::fill(folds.begin(), folds.end(), 0.0);
    for (std::size_t tile = block * kBlockTiles; tile < points.BlockEnd(block); ++tile) {
      interrupt.Poll();
      const double* values = points.Tile(tile, workers[worker].tile.data());
      double weight_buffer[kTileRows];
      const bool plain = !points.weighted() && points.RowsIn(tile) == kTileRows;
      const double* weights = plain ? nullptr : points.Weights(tile, weight_buffer);
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        AddTermsOfTile(values + wanted[i].column * kTileRows, weights, wanted[i], &folds[2 * i]);
      }
    }
    for (std::size_t i = 0; i < wanted.size(); ++i) totals[worker][i].Add(folds[2 * i], folds[2 * i + 1]);
  });
  std::vector<double> sums(wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (std::size_t worker = 1; worker < totals.size(); ++worker) totals[0][i].Add(totals[worker][i]);
    sums[i] = totals[0][i].Value(wanted[i].unit);
  }
  return sums;
}

SumUnit Unit(double bound) { return SumUnit(std::min(bound, std::numeric_limits<double>::max())); }

}  // namespace

double TotalWeight(const Points& points, ThreadTeam& team) {
  if (!points.weighted()) return static_cast<double>(points.rows());
  ExactTotal total;
  const SumUnit unit = points.WeightUnit();
  for (std::size_t i = 0; i < points.rows(); ++i) {
    if (i % kBlockRows == 0) team.interrupt().Poll();
    total.Add(Fold(points.Weight(i) * unit.down()));
  }
  return total.Value(unit);
}

std::vector<ColumnStatistics> DescribeColumns(const Points& points, double total, const std::vector<double>& squares,
                                              ThreadTeam& team) {
  const std::size_t dimensions = points.dimensions();
  std::vector<ColumnStatistics> columns(dimensions);
  std::vector<ColumnSum> wanted;
  for (std::size_t j = 0; j < dimensions; ++j) wanted.push_back({j, Term::kValue, 0, 1, points.UnitOf(j)});
  const auto sums = SumColumns(points, wanted, team);
  std::vector<double> reach(dimensions);
  wanted.clear();
  for (std::size_t j = 0; j < dimensions; ++j) {
    ColumnStatistics& column = columns[j];
    column.min = points.low()[j];
    column.max = points.high()[j];
    // Rounding must not carry the mean out of the range.
    column.mean = std::clamp(sums[j] / total, column.min, column.max);
    reach[j] = std::max(column.max - column.mean, column.mean - column.min);
    const SumUnit unit_of_squares = Unit(reach[j] * reach[j] * (1 + 1e-9) * points.largest_weight());
    if (!(reach[j] > 0) || !std::isfinite(reach[j])) reach[j] = 1;
    wanted.push_back({j, Term::kSquare, column.mean, 1, unit_of_squares});
    wanted.push_back({j, Term::kCube, column.mean, reach[j], Unit((1 + 1e-9) * points.largest_weight())});
  }
  const auto moments = SumColumns(points, wanted, team);
  for (std::size_t j = 0; j < dimensions; ++j) {
    ColumnStatistics& column = columns[j];
    column.variance = (moments[2 * j] + (squares.empty() ? 0 : squares[j])) / total;
    if (!(column.variance > 0) || !std::isfinite(column.variance)) continue;
    const double ratio = reach[j] / std::sqrt(column.variance);
    column.skewness = moments[2 * j + 1] / total * (ratio * ratio * ratio);
  }
  return columns;
}

}  // namespace segmentation
