#include "core/column_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/exact_sum.h"
#include "core/reduce.h"

namespace segmentation {
namespace {

// Adds the folds of 64 terms, each multiplied by `down`.
#define SEGMENTATION_SUM_FOLDS(name, attribute)                                                    \
  attribute void name(const double* terms, double down, double* high, double* low) {               \
    double highs[kTileRows];                                                                       \
    double lows[kTileRows];                                                                        \
    for (std::size_t r = 0; r < kTileRows; ++r) {                                                  \
      const Folds folds = Fold(terms[r] * down);                                                   \
      highs[r] = folds.high;                                                                       \
      lows[r] = folds.low;                                                                         \
    }                                                                                              \
    for (std::size_t half = kTileRows / 2; half > 0; half /= 2) {                                  \
      for (std::size_t r = 0; r < half; ++r) highs[r] += highs[r + half];                          \
      for (std::size_t r = 0; r < half; ++r) lows[r] += lows[r + half];                            \
    }                                                                                              \
    *high += highs[0];                                                                             \
    *low += lows[0];                                                                               \
  }

SEGMENTATION_SUM_FOLDS(SumFoldsNarrow, )
#if defined(__x86_64__)
SEGMENTATION_SUM_FOLDS(SumFoldsWide, __attribute__((target("avx2"))))
#endif

void SumFolds(const double* terms, double down, double* high, double* low) {
#if defined(__x86_64__)
  static const bool wide = __builtin_cpu_supports("avx2");
  if (wide) return SumFoldsWide(terms, down, high, low);
#endif
  SumFoldsNarrow(terms, down, high, low);
}

// Exact sums over the points of `width` quantities: terms(values of a column, column, quantity, out) writes the 64 terms
// of one quantity. units: per column and quantity.
template <typename Terms>
std::vector<double> SumColumns(const Points& points, std::size_t quantities, const std::vector<SumUnit>& units, ThreadTeam& team,
                               const Terms& terms) {
  const std::size_t dimensions = points.dimensions();
  const std::size_t width = dimensions * quantities;
  std::vector<std::vector<ExactTotal>> totals(team.size(), std::vector<ExactTotal>(width));
  struct Worker {
    std::vector<double> tile, folds;
  };
  std::vector<Worker> workers(team.size());
  for (Worker& worker : workers) {
    worker.tile.resize(points.in_place() ? dimensions * kTileRows : 0);
    worker.folds.resize(2 * width);
  }
  team.ForEach(points.block_count(), [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
    std::vector<double>& folds = workers[worker].folds;
    std::fill(folds.begin(), folds.end(), 0.0);
    for (std::size_t tile = block * kBlockTiles; tile < points.BlockEnd(block); ++tile) {
      interrupt.Poll();
      const double* values = points.Tile(tile, workers[worker].tile.data());
      double weight_buffer[kTileRows];
      const double* weights = points.Weights(tile, weight_buffer);
      const bool full = points.RowsIn(tile) == kTileRows;
      double out[kTileRows];
      for (std::size_t i = 0; i < width; ++i) {
        terms(values + i / quantities * kTileRows, i / quantities, i % quantities, out);
        // Rows that fill up the last tile weigh nothing, whatever their terms are.
        if (points.weighted() || !full) {
          for (std::size_t r = 0; r < kTileRows; ++r) out[r] = Weighted(weights[r], out[r]);
        }
        SumFolds(out, units[i].down(), &folds[2 * i], &folds[2 * i + 1]);
      }
    }
    for (std::size_t i = 0; i < width; ++i) totals[worker][i].Add(folds[2 * i], folds[2 * i + 1]);
  });
  std::vector<double> sums(width);
  for (std::size_t i = 0; i < width; ++i) {
    for (std::size_t worker = 1; worker < totals.size(); ++worker) totals[0][i].Add(totals[worker][i]);
    sums[i] = totals[0][i].Value(units[i]);
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
  std::vector<SumUnit> units;
  for (std::size_t j = 0; j < dimensions; ++j) units.push_back(points.UnitOf(j));
  const auto sums = SumColumns(points, 1, units, team, [](const double* x, std::size_t, std::size_t, double* out) {
    std::memcpy(out, x, kTileRows * sizeof(double));
  });
  std::vector<double> reach(dimensions);
  units.clear();
  for (std::size_t j = 0; j < dimensions; ++j) {
    ColumnStatistics& column = columns[j];
    column.min = points.low()[j];
    column.max = points.high()[j];
    // Rounding must not carry the mean out of the range.
    column.mean = std::clamp(sums[j] / total, column.min, column.max);
    reach[j] = std::max(column.max - column.mean, column.mean - column.min);
    units.push_back(Unit(reach[j] * reach[j] * (1 + 1e-9) * points.largest_weight()));
    units.push_back(Unit((1 + 1e-9) * points.largest_weight()));
    if (!(reach[j] > 0) || !std::isfinite(reach[j])) reach[j] = 1;
  }
  const auto moments = SumColumns(points, 2, units, team, [&](const double* x, std::size_t j, std::size_t quantity, double* out) {
    const double mean = columns[j].mean;
    const double unit = reach[j];
    if (quantity == 0) {
      for (std::size_t r = 0; r < kTileRows; ++r) out[r] = (x[r] - mean) * (x[r] - mean);
    } else {
      for (std::size_t r = 0; r < kTileRows; ++r) {
        const double part = (x[r] - mean) / unit;
        out[r] = part * part * part;
      }
    }
  });
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
