#include "core/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "core/error.h"
#include "core/reduce.h"

namespace segmentation {
namespace {

Tiles Gather(const RowSet& rows, const Interrupt& interrupt) {
  const std::vector<const char*> order = CanonicalOrder(rows, interrupt);
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

double TotalWeight(const Tiles& tiles, const Interrupt& interrupt) {
  return SumOverTiles(tiles.tile_count(), 1, interrupt, [&](std::size_t tile, double* sum) {
    double weights[kTileRows];
    std::memcpy(weights, tiles.Weights(tile), sizeof weights);
    sum[0] += FoldTile(weights);
  })[0];
}

// Sum over the rows of weight * f(x), for each column.
template <typename F>
std::vector<double> SumColumns(const Tiles& tiles, const Interrupt& interrupt, F f) {
  return SumOverTiles(tiles.tile_count(), tiles.dimensions(), interrupt, [&](std::size_t tile, double* sums) {
    const double* weights = tiles.Weights(tile);
    for (std::size_t j = 0; j < tiles.dimensions(); ++j) {
      const double* column = tiles.Tile(tile) + j * kTileRows;
      double terms[kTileRows];
      for (std::size_t r = 0; r < kTileRows; ++r) terms[r] = Weighted(weights[r], f(column[r], j));
      sums[j] += FoldTile(terms);
    }
  });
}

std::vector<ColumnStatistics> DescribeColumns(const Tiles& tiles, const Interrupt& interrupt) {
  const double total = TotalWeight(tiles, interrupt);
  if (!std::isfinite(total)) {
    throw Error(ErrorCode::kNotFinite, "weights are too large", "Their sum is beyond the range of double precision.",
                "Divide the weights by a constant.");
  }
  std::vector<ColumnStatistics> columns(tiles.dimensions());
  // About the first row, so that a mean far from 0 does not cost digits.
  std::vector<double> first(tiles.dimensions());
  tiles.CopyRow(0, first.data());
  const auto mean = SumColumns(tiles, interrupt, [&](double x, std::size_t j) { return x - first[j]; });
  for (std::size_t j = 0; j < columns.size(); ++j) {
    columns[j].mean = first[j] + mean[j] / total;
    columns[j].min = columns[j].max = first[j];
  }
  const auto squares = SumColumns(tiles, interrupt, [&](double x, std::size_t j) {
    const double difference = x - columns[j].mean;
    return difference * difference;
  });
  for (std::size_t j = 0; j < columns.size(); ++j) columns[j].variance = squares[j] / total;
  const auto cubes = SumColumns(tiles, interrupt, [&](double x, std::size_t j) {
    const double difference = columns[j].variance > 0 ? (x - columns[j].mean) / std::sqrt(columns[j].variance) : 0.0;
    return difference * difference * difference;
  });
  for (std::size_t tile = 0; tile < tiles.tile_count(); ++tile) {
    interrupt.Poll();
    for (std::size_t j = 0; j < columns.size(); ++j) {
      const double* column = tiles.Tile(tile) + j * kTileRows;
      for (std::size_t r = 0; r < tiles.RowsIn(tile); ++r) {
        columns[j].min = std::min(columns[j].min, column[r]);
        columns[j].max = std::max(columns[j].max, column[r]);
      }
    }
  }
  for (std::size_t j = 0; j < columns.size(); ++j) columns[j].skewness = cubes[j] / total;
  return columns;
}

struct MedianAndRange {
  double median;
  double interquartile_range;
};

MedianAndRange RobustStatistics(const Tiles& tiles, std::size_t column, const Interrupt& interrupt) {
  std::vector<std::pair<double, double>> values;  // value, weight
  values.reserve(tiles.rows());
  // Whole weights are counts. Of others only the proportions mean something: the smallest counts as one.
  double smallest = tiles.Weight(0);
  bool whole = true;
  for (std::size_t i = 0; i < tiles.rows(); ++i) {
    interrupt.Poll();
    smallest = std::min(smallest, tiles.Weight(i));
    whole = whole && std::floor(tiles.Weight(i)) == tiles.Weight(i);
  }
  const double unit = whole ? 1 : smallest;
  for (std::size_t i = 0; i < tiles.rows(); ++i) {
    interrupt.Poll();
    values.emplace_back(tiles.At(i, column), tiles.Weight(i) / unit);
  }
  std::sort(values.begin(), values.end(), [&](const auto& a, const auto& b) {
    interrupt.Poll();
    return a < b;
  });
  std::vector<double> sorted(values.size());
  std::vector<double> cumulative(values.size());
  double weight = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sorted[i] = values[i].first;
    cumulative[i] = weight += values[i].second;
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

void ApplyScale(const Options& options, const Interrupt& interrupt, Preprocessed* out) {
  if (options.scale == Scale::kNone) return;
  for (std::size_t tile = 0; tile < out->points.tile_count(); ++tile) {
    interrupt.Poll();
    double* values = out->points.Tile(tile);
    for (std::size_t j = 0; j < out->points.dimensions(); ++j) {
      for (std::size_t r = 0; r < out->points.RowsIn(tile); ++r) {
        double& value = values[j * kTileRows + r];
        value = (value - out->offset[j]) / out->scale[j];
      }
    }
  }
}

// Takes every row to length 1; those that have none are dropped.
void ApplyDirections(const Options& options, const Interrupt& interrupt, Preprocessed* out) {
  Tiles& points = out->points;
  const std::size_t dimensions = points.dimensions();
  std::vector<double> row(dimensions);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < points.rows(); ++i) {
    if (i % kTileRows == 0) interrupt.Poll();
    points.CopyRow(i, row.data());
    if (!NormalizeDirection(row.data(), dimensions)) {
      if (options.on_null == OnNull::kError) {
        throw Error(ErrorCode::kInvalidParameter, "a row has no direction", "All of its features are 0 after scaling.",
                    "Cosine distance compares directions: leave such rows out, or set option \"on_null\" to \"skip\".");
      }
      continue;
    }
    for (std::size_t j = 0; j < dimensions; ++j) points.At(kept, j) = row[j];
    if (points.weighted()) points.SetWeight(kept, points.Weight(i));
    ++kept;
  }
  out->without_direction = points.rows() - kept;
  if (out->without_direction == 0) return;
  Tiles rest(kept, dimensions, points.weighted());
  for (std::size_t i = 0; i < kept; ++i) {
    for (std::size_t j = 0; j < dimensions; ++j) rest.At(i, j) = points.At(i, j);
    if (points.weighted()) rest.SetWeight(i, points.Weight(i));
  }
  points = std::move(rest);
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

Preprocessed Preprocess(const RowSet& rows, const Options& options, const Interrupt& interrupt) {
  Preprocessed out{Gather(rows, interrupt), {}, std::vector<double>(rows.dimensions), std::vector<double>(rows.dimensions), 0};
  out.columns = DescribeColumns(out.points, interrupt);
  FindScale(options, interrupt, &out);
  ApplyScale(options, interrupt, &out);
  if (options.distance == Distance::kCosine) ApplyDirections(options, interrupt, &out);
  return out;
}

}  // namespace segmentation
