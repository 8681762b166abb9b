#include "core/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/reduce.h"

namespace segmentation {
namespace {

// The rows in this order.
Tiles Gather(const RowSet& rows, const std::vector<const char*>& order, const Interrupt& interrupt) {
  Tiles tiles(order.size(), rows.dimensions, rows.weighted);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i % kTileRows == 0) interrupt.Poll();
    double* to = tiles.Tile(i / kTileRows) + i % kTileRows;
    for (std::size_t j = 0; j < rows.dimensions; ++j) {
      std::memcpy(to + j * kTileRows, order[i] + j * sizeof(double), sizeof(double));
    }
    if (rows.weighted) {
      double weight;
      std::memcpy(&weight, order[i] + rows.dimensions * sizeof(double), sizeof weight);
      tiles.SetWeight(i, weight);
    }
  }
  return tiles;
}

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

// Exact sums over the points of `width` quantities: terms(column values or null, weights, column, quantity, out) writes the 64
// terms of one quantity of one column. units: per column and quantity.
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
  const std::size_t blocks = (points.tile_count() + kBlockTiles - 1) / kBlockTiles;
  team.ForEach(blocks, [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
    std::vector<double>& folds = workers[worker].folds;
    std::fill(folds.begin(), folds.end(), 0.0);
    for (std::size_t tile = block * kBlockTiles; tile < std::min((block + 1) * kBlockTiles, points.tile_count()); ++tile) {
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

SumUnit Unit(double bound) { return SumUnit(std::min(bound, std::numeric_limits<double>::max())); }

// squares: per column, what to add to the sum of squared deviations (of rows that are not there); may be empty.
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

struct MedianAndRange {
  double median;
  double interquartile_range;
};

MedianAndRange RobustStatistics(const Points& points, std::size_t column, const Interrupt& interrupt) {
  std::vector<std::pair<double, double>> values;  // value, weight
  values.reserve(points.rows());
  std::vector<double> buffer(points.in_place() ? points.dimensions() * kTileRows : 0);
  // Whole weights are counts. Of others only the proportions mean something: the smallest counts as one.
  double smallest = points.Weight(0);
  bool whole = true;
  for (std::size_t tile = 0; tile < points.tile_count(); ++tile) {
    interrupt.Poll();
    const double* x = points.Tile(tile, buffer.data()) + column * kTileRows;
    double weight_buffer[kTileRows];
    const double* weights = points.Weights(tile, weight_buffer);
    for (std::size_t r = 0; r < points.RowsIn(tile); ++r) {
      smallest = std::min(smallest, weights[r]);
      whole = whole && std::floor(weights[r]) == weights[r];
      values.emplace_back(x[r], weights[r]);
    }
  }
  std::sort(values.begin(), values.end(), [&](const auto& a, const auto& b) {
    interrupt.Poll();
    return a < b;
  });
  const double unit = whole ? 1 : smallest;
  std::vector<double> sorted(values.size());
  std::vector<double> cumulative(values.size());
  double weight = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sorted[i] = values[i].first;
    cumulative[i] = weight += values[i].second / unit;
  }
  return {SortedQuantile(sorted, cumulative, 0.5),
          SortedQuantile(sorted, cumulative, 0.75) - SortedQuantile(sorted, cumulative, 0.25)};
}

void FindScale(const Options& options, const Interrupt& interrupt, Preprocessed* out) {
  for (std::size_t j = 0; j < out->columns.size(); ++j) {
    const ColumnStatistics& column = out->columns[j];
    double offset = 0;
    double scale = 1;
    if (options.scale == Scale::kZscore) {
      offset = column.mean;
      scale = std::sqrt(column.variance);
    } else if (options.scale == Scale::kMinmax) {
      offset = column.min;
      scale = column.max - column.min;
    } else if (options.scale == Scale::kRobust) {
      const MedianAndRange robust = RobustStatistics(out->points, j, interrupt);
      offset = robust.median;
      scale = robust.interquartile_range;
    }
    if (column.min == column.max || scale == 0) scale = 1;
    out->offset[j] = offset == 0 ? 0.0 : offset;
    out->scale[j] = scale;
    if (!std::isfinite(scale) || !std::isfinite(offset) || !std::isfinite(column.variance)) {
      throw Error(ErrorCode::kNotFinite, "features are too large",
                  "The variance of feature " + std::to_string(j + 1) + " is beyond the range of double precision.",
                  "Divide the feature by a constant, or leave out the rows that make it so large.");
    }
  }
}

// Takes every row to length 1; those that have none are dropped.
void ApplyDirections(const Options& options, const Interrupt& interrupt, Preprocessed* out) {
  Tiles& points = out->points.tiles();
  const std::size_t dimensions = points.dimensions();
  std::vector<double> row(dimensions);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < points.rows(); ++i) {
    if (i % kTileRows == 0) interrupt.Poll();
    points.CopyRow(i, row.data());
    double square = 0;
    for (double value : row) square += value * value;
    if (!NormalizeDirection(row.data(), dimensions)) {
      if (options.on_null == OnNull::kError) {
        throw Error(ErrorCode::kInvalidParameter, "a row has no direction", "All of its features are 0 after scaling.",
                    "Cosine distance compares directions: leave such rows out, or set option \"on_null\" to \"skip\".");
      }
      continue;
    }
    for (std::size_t j = 0; j < dimensions; ++j) points.At(kept, j) = row[j];
    if (points.weighted()) points.SetWeight(kept, points.Weight(i));
    if (!out->inner.empty()) out->inner[kept] = out->inner[i] / square;
    ++kept;
  }
  out->without_direction = points.rows() - kept;
  if (!out->inner.empty()) out->inner.resize(kept);
  if (out->without_direction == 0) return;
  Tiles rest(kept, dimensions, points.weighted());
  for (std::size_t i = 0; i < kept; ++i) {
    for (std::size_t j = 0; j < dimensions; ++j) rest.At(i, j) = points.At(i, j);
    if (points.weighted()) rest.SetWeight(i, points.Weight(i));
  }
  out->points = Points(std::move(rest));
}

}  // namespace

namespace {

// The rows of a set whose sketch has overflowed: a cell is a row at its mean.
struct CellPoints {
  std::vector<double> values;   // row-major, each row with its weight
  std::vector<double> spread;   // per row and column: sum of squared deviations of the rows behind it
  std::vector<double> squares;  // per column, summed
  std::vector<double> low;      // of the rows behind the cells
  std::vector<double> high;
  RowSet set;                   // of values
};

CellPoints PointsOfCells(const RowSet& rows, const Interrupt& interrupt) {
  const std::size_t dimensions = rows.dimensions;
  CellPoints out;
  const std::size_t count = rows.rows + rows.cell_count;
  out.values.reserve(count * (dimensions + 1));
  out.spread.assign(count * dimensions, 0.0);
  out.squares.assign(dimensions, 0.0);
  for (const RowBlock& block : rows.blocks) {
    for (std::uint64_t i = 0; i < block.rows; ++i) {
      interrupt.Poll();
      const std::size_t at = out.values.size();
      out.values.resize(at + dimensions + 1, 1.0);
      std::memcpy(out.values.data() + at, block.data + i * rows.RowBytes(), rows.RowBytes());
    }
  }
  const auto number = [&](std::size_t i) {
    double value;
    std::memcpy(&value, rows.cells + i * sizeof(double), sizeof value);
    return value;
  };
  for (std::size_t j = 0; j < dimensions; ++j) {
    out.low.push_back(number(j));
    out.high.push_back(number(dimensions + j));
  }
  for (std::size_t c = 0; c < rows.cell_count; ++c) {
    interrupt.Poll();
    const std::size_t at = 2 * dimensions + c * (1 + 2 * dimensions);
    for (std::size_t j = 0; j < dimensions; ++j) {
      out.values.push_back(number(at + 1 + j));
      out.spread[(rows.rows + c) * dimensions + j] = number(at + 1 + dimensions + j);
      out.squares[j] += number(at + 1 + dimensions + j);
    }
    out.values.push_back(number(at));
  }
  out.set.dimensions = dimensions;
  out.set.weighted = true;
  out.set.rows = count;
  out.set.blocks.push_back({reinterpret_cast<const char*>(out.values.data()), count});
  return out;
}

// Per point in canonical order: the squared deviations of the rows behind it, in model space.
std::vector<double> InnerSquares(const CellPoints& cells, const std::vector<const char*>& order, const std::vector<double>& scale) {
  const std::size_t dimensions = scale.size();
  std::vector<double> inner(order.size(), 0.0);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto row = static_cast<std::size_t>(order[i] - reinterpret_cast<const char*>(cells.values.data())) / cells.set.RowBytes();
    for (std::size_t j = 0; j < dimensions; ++j) inner[i] += cells.spread[row * dimensions + j] / scale[j] / scale[j];
  }
  return inner;
}

}  // namespace

bool NormalizeDirection(double* point, std::size_t dimensions) {
  double square = 0;
  for (std::size_t j = 0; j < dimensions; ++j) square += point[j] * point[j];
  const double length = std::sqrt(square);
  if (!(length > 0) || !std::isfinite(length)) return false;
  for (std::size_t j = 0; j < dimensions; ++j) point[j] /= length;
  return true;
}

double SortedQuantile(const std::vector<double>& sorted, const std::vector<double>& cumulative, double q) {
  const double total = cumulative.back();
  const double position = std::max(0.0, q * (total - 1));
  const double below = std::floor(position);
  // The value that holds the n-th unit of weight, counted from 0.
  const auto value_at = [&](double unit) {
    const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), unit);
    return found == cumulative.end() ? sorted.back() : sorted[static_cast<std::size_t>(found - cumulative.begin())];
  };
  const double low = value_at(below);
  return low + (position - below) * (value_at(below + 1) - low);
}

Preprocessed Preprocess(const RowSet& rows, const Options& options, ThreadTeam& team) {
  const bool with_cells = rows.cell_count > 0;
  const CellPoints cells = with_cells ? PointsOfCells(rows, team.interrupt()) : CellPoints{};
  const RowSet& set = with_cells ? cells.set : rows;
  const bool in_place = !with_cells && set.rows > kLargestCopy && options.distance == Distance::kEuclidean;
  std::vector<const char*> order;
  if (!in_place) order = CanonicalOrder(set, team.interrupt());
  Preprocessed out{in_place ? Points(set) : Points(Gather(set, order, team.interrupt())), {}, {}, {}, 0, 0, {}};
  out.offset.assign(rows.dimensions, 0.0);
  out.scale.assign(rows.dimensions, 1.0);
  if (out.points.rows() == 0) return out;
  out.points.FindBounds(team);
  out.weight = TotalWeight(out.points, team);
  if (!std::isfinite(out.weight)) {
    throw Error(ErrorCode::kNotFinite, "weights are too large", "Their sum is beyond the range of double precision.",
                "Divide the weights by a constant.");
  }
  out.columns = DescribeColumns(out.points, out.weight, cells.squares, team);
  if (with_cells) {
    for (std::size_t j = 0; j < rows.dimensions; ++j) {
      out.columns[j].min = std::min(out.columns[j].min, cells.low[j]);
      out.columns[j].max = std::max(out.columns[j].max, cells.high[j]);
    }
  }
  FindScale(options, team.interrupt(), &out);
  if (options.scale != Scale::kNone) out.points.Scale(out.offset, out.scale, team);
  if (with_cells) out.inner = InnerSquares(cells, order, out.scale);
  if (options.distance == Distance::kCosine) {
    ApplyDirections(options, team.interrupt(), &out);
    if (out.points.rows() > 0) {
      out.points.FindBounds(team);
      out.weight = TotalWeight(out.points, team);
    }
  }
  return out;
}

}  // namespace segmentation
