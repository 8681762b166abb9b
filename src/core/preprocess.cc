#include "core/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "core/cell_points.h"
#include "core/column_statistics.h"
#include "core/error.h"
#include "core/pca.h"
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

// One scale for the columns of a block (Options::blocks).
void ScaleBlocks(const Options& options, Preprocessed* out) {
  const auto scaled_variance = [&](std::size_t j) { return out->columns[j].variance / out->scale[j] / out->scale[j]; };
  double sum = 0;
  std::size_t count = 0;
  auto block = options.blocks.begin();
  for (std::size_t j = 0; j < out->columns.size(); ++j) {
    while (block != options.blocks.end() && block->last < j) ++block;
    if ((block != options.blocks.end() && j >= block->first) || !(out->columns[j].variance > 0)) continue;
    sum += scaled_variance(j);
    ++count;
  }
  const double wanted = count > 0 ? sum / static_cast<double>(count) : 1;
  for (const ColumnBlock& columns : options.blocks) {
    double variance = 0;
    for (std::size_t j = columns.first; j <= columns.last; ++j) variance += out->columns[j].variance;
    const double scale = std::sqrt(variance / wanted);
    for (std::size_t j = columns.first; j <= columns.last; ++j) {
      out->offset[j] = options.scale == Scale::kZscore ? out->columns[j].mean : 0.0;
      out->scale[j] = scale > 0 && std::isfinite(scale) ? scale : 1;
    }
  }
}

// Takes the points to their principal components. squares: per column in model space, of rows that only their mean stands for.
void ApplyRotation(const Options& options, const std::vector<double>& squares, ThreadTeam& team, Preprocessed* out) {
  const Points& points = out->points;
  const std::size_t columns = points.dimensions();
  std::vector<double> center;
  for (std::size_t j = 0; j < columns; ++j) center.push_back((out->columns[j].mean - out->offset[j]) / out->scale[j]);
  PrincipalComponents components = ComponentsOf(Covariances(points, center, out->weight, squares, team), columns, team.interrupt());
  KeepComponents(options.components, &components);
  Tiles rotated = RotateTiles(points.tiles(), center, components.axes, team);
  // What lies within a cell has no correlations that are known of.
  std::vector<double> deviations;
  for (std::size_t i = 0; i < out->deviations.size(); i += columns) {
    for (std::size_t q = 0; q < components.size(); ++q) {
      double sum = 0;
      for (std::size_t j = 0; j < columns; ++j) sum += components.axes[q * columns + j] * components.axes[q * columns + j] * out->deviations[i + j];
      deviations.push_back(sum);
    }
  }
  out->deviations = std::move(deviations);
  out->variances = components.variances;
  out->rotation = Rotation{std::move(center), std::move(components.axes)};
  out->points = Points(std::move(rotated));
  out->points.FindBounds(team);
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

bool NormalizeDirection(double* point, std::size_t dimensions) {
  double square = 0;
  for (std::size_t j = 0; j < dimensions; ++j) square += point[j] * point[j];
  const double length = std::sqrt(square);
  if (!(length > 0) || !std::isfinite(length)) return false;
  for (std::size_t j = 0; j < dimensions; ++j) point[j] /= length;
  return true;
}

std::vector<double> ToModelSpace(const std::vector<std::vector<double>>& given, const Options& options, const Preprocessed& rows) {
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

double SortedQuantile(const std::vector<double>& sorted, const std::vector<double>& cumulative, double q) {
  // Weights below 1 in the mean cannot be numbers of rows: then they say how much of a row each one is.
  const double total = std::max(cumulative.back(), static_cast<double>(sorted.size()));
  const double unit_weight = cumulative.back() < total ? cumulative.back() / total * (1 + 1e-9) : 1;  // past what rounding has left between sums
  const double position = std::max(0.0, q * (total - 1));
  const double below = std::floor(position);
  // The value that holds the n-th unit of weight, counted from 0.
  const auto value_at = [&](double unit) {
    const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), unit * unit_weight);
    return found == cumulative.end() ? sorted.back() : sorted[static_cast<std::size_t>(found - cumulative.begin())];
  };
  const double low = value_at(below);
  return low + (position - below) * (value_at(below + 1) - low);
}

Preprocessed Preprocess(const RowSet& rows, const Options& options, ThreadTeam& team) {
  const bool with_cells = rows.cell_count > 0;
  const CellPoints cells = with_cells ? PointsOfCells(rows, team.interrupt()) : CellPoints{};
  const RowSet& set = with_cells ? cells.set : rows;
  const bool in_place = !with_cells && set.rows > kLargestCopy && options.distance == Distance::kEuclidean && options.components == 0 && !(options.trim > 0);
  std::vector<const char*> order;
  if (!in_place) order = CanonicalOrder(set, team.interrupt());
  Preprocessed out{in_place ? Points(set) : Points(Gather(set, order, team.interrupt())), {}, {}, {}, {}, {}, 0, 0, {}, {}};
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
  ScaleBlocks(options, &out);
  if (options.scale != Scale::kNone || !options.blocks.empty()) out.points.Scale(out.offset, out.scale, team);
  if (with_cells) {
    out.deviations = DeviationsInOrder(cells, order, out.scale);
  }
  if (options.components > 0) {
    std::vector<double> squares = cells.squares;
    for (std::size_t j = 0; j < squares.size(); ++j) squares[j] /= out.scale[j] * out.scale[j];
    ApplyRotation(options, squares, team, &out);
  }
  if (with_cells) {
    out.inner.assign(order.size(), 0.0);
    for (std::size_t i = 0; i < out.deviations.size(); ++i) out.inner[i / out.points.dimensions()] += out.deviations[i];
  }
  if (options.distance == Distance::kCosine) {
    out.deviations.clear();
    ApplyDirections(options, team.interrupt(), &out);
    if (out.points.rows() > 0) {
      out.points.FindBounds(team);
      out.weight = TotalWeight(out.points, team);
    }
  }
  return out;
}

}  // namespace segmentation
