#include "core/cell_points.h"

#include <cmath>
#include <cstring>

#include "core/cell_moments.h"

namespace segmentation {

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
  const auto number = [&](std::size_t i) { return LoadDouble(rows.cells + i * sizeof(double)); };
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

std::vector<double> DeviationsInOrder(const CellPoints& cells, const std::vector<const char*>& order, const std::vector<double>& scale) {
  const std::size_t dimensions = scale.size();
  std::vector<double> deviations(order.size() * dimensions);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto row = static_cast<std::size_t>(order[i] - reinterpret_cast<const char*>(cells.values.data())) / cells.set.RowBytes();
    for (std::size_t j = 0; j < dimensions; ++j) {
      deviations[i * dimensions + j] = cells.spread[row * dimensions + j] / scale[j] / scale[j];
    }
  }
  return deviations;
}

Tiles DrawRows(const Tiles& points, const std::vector<double>& deviations, std::size_t count, const CounterRandom& random,
               const Interrupt& interrupt) {
  const std::size_t dimensions = points.dimensions();
  double total = 0;
  for (std::size_t i = 0; i < points.rows(); ++i) total += points.Weight(i);
  Tiles rows(count, dimensions, false);
  std::size_t point = 0;
  double until = points.Weight(0);
  for (std::size_t i = 0; i < count; ++i) {
    if (i % kTileRows == 0) interrupt.Poll();
    const double at = (static_cast<double>(i) + 0.5) / static_cast<double>(count) * total;
    while (until < at && point + 1 < points.rows()) until += points.Weight(++point);
    for (std::size_t j = 0; j < dimensions; ++j) {
      const double width = std::sqrt(12 * deviations[point * dimensions + j] / points.Weight(point));
      rows.At(i, j) = points.At(point, j) + (random.Uniform(static_cast<std::uint32_t>(j), i) - 0.5) * width;
    }
  }
  return rows;
}

}  // namespace segmentation
