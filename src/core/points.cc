#include "core/points.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace segmentation {
Points::Points(Tiles tiles)
    : rows_(tiles.rows()), dimensions_(tiles.dimensions()), weighted_(tiles.weighted()), tiles_(std::move(tiles)) {}

Points::Points(const RowSet& rows)
    : rows_(rows.rows), dimensions_(rows.dimensions), weighted_(rows.weighted), tiles_(0, rows.dimensions, false) {
  const std::size_t row_bytes = RowBytes();
  starts_.reserve(tile_count());
  std::vector<char>* open = nullptr;  // a tile whose rows come from several blocks
  for (const RowBlock& block : rows.blocks) {
    std::uint64_t at = 0;
    while (at < block.rows) {
      const std::uint64_t left = block.rows - at;
      if (open == nullptr && left >= std::min<std::uint64_t>(kTileRows, rows_ - starts_.size() * kTileRows)) {
        starts_.push_back(block.data + at * row_bytes);
        at += std::min<std::uint64_t>(left, kTileRows);
        continue;
      }
      if (open == nullptr) {
        open = &copied_.emplace_back();
        open->reserve(kTileRows * row_bytes);
        starts_.push_back(open->data());
      }
      const std::uint64_t take = std::min<std::uint64_t>(left, kTileRows - open->size() / row_bytes);
      open->insert(open->end(), block.data + at * row_bytes, block.data + (at + take) * row_bytes);
      at += take;
      if (open->size() == kTileRows * row_bytes) open = nullptr;
    }
  }
}

const double* Points::Tile(std::size_t tile, double* buffer) const {
  if (!in_place()) return tiles_.Tile(tile);
  const std::size_t rows = RowsIn(tile);
  WidestRowKernels().lay_out({starts_[tile], RowBytes()}, rows, dimensions_, scaling(), buffer);
  if (rows < kTileRows) {
    for (std::size_t j = 0; j < dimensions_; ++j) std::fill_n(buffer + j * kTileRows + rows, kTileRows - rows, 0.0);
  }
  return buffer;
}

RowsInMemory Points::Rows(std::size_t tile, double* buffer) const {
  if (in_place()) return {starts_[tile], RowBytes()};
  const double* values = tiles_.Tile(tile);
  const std::size_t rows = RowsIn(tile);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < dimensions_; ++j) buffer[r * dimensions_ + j] = values[j * kTileRows + r];
  }
  return {reinterpret_cast<const char*>(buffer), dimensions_ * sizeof(double)};
}

const double* Points::Weights(std::size_t tile, double* buffer) const {
  if (!in_place()) return tiles_.Weights(tile);
  const std::size_t rows = RowsIn(tile);
  if (weighted_) {
    for (std::size_t r = 0; r < rows; ++r) buffer[r] = Weight(tile * kTileRows + r);
  } else {
    std::fill_n(buffer, rows, 1.0);
  }
  std::fill_n(buffer + rows, kTileRows - rows, 0.0);
  return buffer;
}

void Points::Scale(const std::vector<double>& offset, const std::vector<double>& scale, ThreadTeam& team) {
  for (std::size_t j = 0; j < low_.size(); ++j) {
    // Rounding keeps the order, so these stay bounds.
    low_[j] = (low_[j] - offset[j]) / scale[j];
    high_[j] = (high_[j] - offset[j]) / scale[j];
  }
  if (in_place()) {
    scaled_ = true;
    offset_ = offset;
    scale_ = scale;
    return;
  }
  team.ForEach(block_count(), [&](std::size_t block, std::size_t, const Interrupt& interrupt) {
    for (std::size_t tile = block * kBlockTiles; tile < BlockEnd(block); ++tile) {
      interrupt.Poll();
      for (std::size_t j = 0; j < dimensions_; ++j) {
        double* column = tiles_.Tile(tile) + j * kTileRows;
        const std::size_t rows = RowsIn(tile);
        for (std::size_t r = 0; r < rows; ++r) column[r] = (column[r] - offset[j]) / scale[j];
      }
    }
  });
}

void Points::FindBounds(ThreadTeam& team) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  struct Bounds {
    std::vector<double> low, high, buffer;
    double weight = 0;
  };
  std::vector<Bounds> found(team.size());
  for (Bounds& bounds : found) {
    bounds.low.assign(dimensions_, kInfinity);
    bounds.high.assign(dimensions_, -kInfinity);
    if (in_place()) bounds.buffer.resize(dimensions_ * kTileRows);
  }
  team.ForEach(block_count(), [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
    Bounds& bounds = found[worker];
    for (std::size_t tile = block * kBlockTiles; tile < BlockEnd(block); ++tile) {
      interrupt.Poll();
      const double* values = Tile(tile, bounds.buffer.data());
      const std::size_t rows = RowsIn(tile);
      for (std::size_t j = 0; j < dimensions_; ++j) {
        const double* column = values + j * kTileRows;
        double low = bounds.low[j];
        double high = bounds.high[j];
        for (std::size_t r = 0; r < rows; ++r) {
          low = column[r] < low ? column[r] : low;
          high = column[r] > high ? column[r] : high;
        }
        bounds.low[j] = low;
        bounds.high[j] = high;
      }
      if (weighted_) {
        double weights[kTileRows];
        const double* weight = Weights(tile, weights);
        for (std::size_t r = 0; r < rows; ++r) bounds.weight = std::max(bounds.weight, weight[r]);
      }
    }
  });
  low_ = std::move(found[0].low);
  high_ = std::move(found[0].high);
  largest_weight_ = weighted_ ? found[0].weight : 1;
  for (std::size_t worker = 1; worker < found.size(); ++worker) {
    for (std::size_t j = 0; j < dimensions_; ++j) {
      low_[j] = std::min(low_[j], found[worker].low[j]);
      high_[j] = std::max(high_[j], found[worker].high[j]);
    }
    if (weighted_) largest_weight_ = std::max(largest_weight_, found[worker].weight);
  }
}

SumUnit Points::UnitOf(std::size_t column) const {
  const double bound = std::max(std::abs(low_[column]), std::abs(high_[column])) * largest_weight_;
  return SumUnit(std::min(bound, std::numeric_limits<double>::max()));
}

void Points::BuildFilter(ThreadTeam& team, std::size_t most_plain_bytes) {
  filter_ = FilterTiles(tile_count(), low_, high_, most_plain_bytes);
  struct Buffers {
    std::vector<double> values;
    std::vector<float> copy;
  };
  std::vector<Buffers> buffers(team.size());
  for (Buffers& buffer : buffers) {
    if (in_place()) buffer.values.resize(dimensions_ * kTileRows);
    if (filter_.packed()) buffer.copy.resize(dimensions_ * kTileRows);
  }
  team.ForEach(block_count(), [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
    Buffers& buffer = buffers[worker];
    for (std::size_t tile = block * kBlockTiles; tile < BlockEnd(block); ++tile) {
      interrupt.Poll();
      filter_.Set(tile, Tile(tile, buffer.values.data()), RowsIn(tile), buffer.copy.data());
    }
  });
}

}  // namespace segmentation
