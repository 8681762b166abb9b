// What the unit tests and benchmarks share: data, rows in memory as the server would lay them out, and scalar references
// that are too simple to be wrong.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "core/interrupt.h"
#include "core/rows.h"
#include "core/points.h"
#include "core/threads.h"
#include "core/tiles.h"

namespace segmentation::test {

using Matrix = std::vector<std::vector<double>>;

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr Interrupt kNoInterrupt{};

// The same numbers on every machine: the engine is exactly specified by the standard, its distributions are not.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t Bits() { return engine_(); }
  std::size_t Below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }
  double Uniform(double low = 0, double high = 1) {
    return low + (high - low) * (static_cast<double>(engine_() >> 11) * 0x1p-53);
  }
  // Nearly normal: the sum of 12 uniform numbers has variance 1.
  double Normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += Uniform();
    return sum;
  }
  template <typename T>
  void Shuffle(std::vector<T>* items) {
    for (std::size_t i = items->size(); i > 1; --i) std::swap((*items)[i - 1], (*items)[Below(i)]);
  }

 private:
  std::mt19937_64 engine_;
};

inline Matrix UniformRows(std::size_t rows, std::size_t dimensions, std::uint64_t seed, double low = 0, double high = 1) {
  Random random(seed);
  Matrix matrix(rows, std::vector<double>(dimensions));
  for (auto& row : matrix) {
    for (double& value : row) value = random.Uniform(low, high);
  }
  return matrix;
}

// Round groups with centers anywhere in [0, 10]^dimensions.
inline Matrix Blobs(std::size_t rows, std::size_t dimensions, std::size_t groups, std::uint64_t seed, double spread = 0.5) {
  Random random(seed);
  const Matrix centers = UniformRows(groups, dimensions, seed ^ 0xB10B, 0, 10);
  Matrix matrix(rows, std::vector<double>(dimensions));
  for (auto& row : matrix) {
    const auto& center = centers[random.Below(groups)];
    for (std::size_t j = 0; j < dimensions; ++j) row[j] = center[j] + spread * random.Normal();
  }
  return matrix;
}

// Whole numbers from 0 to levels - 1: equal rows and equal distances abound.
inline Matrix LatticeRows(std::size_t rows, std::size_t dimensions, std::size_t levels, std::uint64_t seed) {
  Random random(seed);
  Matrix matrix(rows, std::vector<double>(dimensions));
  for (auto& row : matrix) {
    for (double& value : row) value = static_cast<double>(random.Below(levels));
  }
  return matrix;
}

inline std::vector<double> RandomWeights(std::size_t rows, std::uint64_t seed, std::size_t largest = 5) {
  Random random(seed);
  std::vector<double> weights(rows);
  for (double& weight : weights) weight = static_cast<double>(1 + random.Below(largest));
  return weights;
}

inline std::vector<double> Flatten(const Matrix& matrix) {
  std::vector<double> flat;
  for (const auto& row : matrix) flat.insert(flat.end(), row.begin(), row.end());
  return flat;
}

// Each row as many times as its weight says.
inline Matrix Repeated(const Matrix& matrix, const std::vector<double>& weights) {
  Matrix out;
  for (std::size_t i = 0; i < matrix.size(); ++i) out.insert(out.end(), static_cast<std::size_t>(weights[i]), matrix[i]);
  return out;
}

// Rows in blocks of at most block_rows, each in memory of its own at an odd address.
class OwnedRows {
 public:
  explicit OwnedRows(const Matrix& matrix, const std::vector<double>& weights = {}, std::size_t block_rows = SIZE_MAX) {
    set_.dimensions = matrix.empty() ? 0 : matrix.front().size();
    set_.weighted = !weights.empty();
    set_.rows = matrix.size();
    for (std::size_t first = 0; first < matrix.size(); first += std::min(block_rows, matrix.size() - first)) {
      const std::size_t count = std::min(block_rows, matrix.size() - first);
      std::vector<char>& block = memory_.emplace_back(1);
      for (std::size_t i = first; i < first + count; ++i) {
        Append(matrix[i].data(), set_.dimensions, &block);
        if (set_.weighted) Append(&weights[i], 1, &block);
      }
      set_.blocks.push_back({nullptr, count});
    }
    for (std::size_t i = 0; i < memory_.size(); ++i) set_.blocks[i].data = memory_[i].data() + 1;
  }
  OwnedRows(const OwnedRows&) = delete;
  OwnedRows& operator=(const OwnedRows&) = delete;

  const RowSet& set() const { return set_; }
  RowSet* mutable_set() { return &set_; }

 private:
  static void Append(const double* values, std::size_t count, std::vector<char>* to) {
    const std::size_t at = to->size();
    to->resize(at + count * sizeof(double));
    std::memcpy(to->data() + at, values, count * sizeof(double));
  }

  std::vector<std::vector<char>> memory_;
  RowSet set_;
};

// Points in the order given.
inline Tiles MakeTiles(const Matrix& matrix, const std::vector<double>& weights = {}) {
  Tiles tiles(matrix.size(), matrix.front().size(), !weights.empty());
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    for (std::size_t j = 0; j < matrix[i].size(); ++j) tiles.At(i, j) = matrix[i][j];
    if (!weights.empty()) tiles.SetWeight(i, weights[i]);
  }
  return tiles;
}

// The same with bounds, and with single-precision copies or without.
inline Points MakePoints(const Matrix& matrix, const std::vector<double>& weights = {}, bool filter = true) {
  ThreadTeam team(kNoInterrupt);
  Points points(MakeTiles(matrix, weights));
  points.FindBounds(team);
  if (filter) points.BuildFilter(team);
  return points;
}

// A team of the calling thread alone.
inline ThreadTeam& Alone() {
  static ThreadTeam team(kNoInterrupt);
  return team;
}

inline Matrix RowsOfPoints(const Points& points) {
  Matrix matrix(points.rows(), std::vector<double>(points.dimensions()));
  for (std::size_t i = 0; i < points.rows(); ++i) points.CopyRow(i, matrix[i].data());
  return matrix;
}

inline Matrix RowsOfTiles(const Tiles& tiles) {
  Matrix matrix(tiles.rows(), std::vector<double>(tiles.dimensions()));
  for (std::size_t i = 0; i < tiles.rows(); ++i) tiles.CopyRow(i, matrix[i].data());
  return matrix;
}

// The sum in the order of the columns: what every kernel must give, bit for bit.
inline double SquaredDistance(const double* a, const double* b, std::size_t dimensions) {
  double sum = 0;
  for (std::size_t j = 0; j < dimensions; ++j) {
    const double difference = a[j] - b[j];
    sum += difference * difference;
  }
  return sum;
}

struct NearestResult {
  std::size_t label = 0;
  double square = kInf;
  double second = kInf;  // squared distance of the runner-up
};

inline NearestResult NaiveNearest(const std::vector<double>& row, const std::vector<double>& centroids) {
  NearestResult result;
  for (std::size_t c = 0; c < centroids.size() / row.size(); ++c) {
    const double square = SquaredDistance(row.data(), centroids.data() + c * row.size(), row.size());
    if (square < result.square) {
      result.second = result.square;
      result.square = square;
      result.label = c;
    } else {
      result.second = std::min(result.second, square);
    }
  }
  return result;
}

// Inertia of a partition about the weighted means of its parts.
inline double PartitionInertia(const Matrix& matrix, const std::vector<double>& weights,
                               const std::vector<std::int32_t>& labels, std::size_t k) {
  const std::size_t dimensions = matrix.front().size();
  const auto weight = [&](std::size_t i) { return weights.empty() ? 1.0 : weights[i]; };
  Matrix mean(k, std::vector<double>(dimensions, 0.0));
  std::vector<double> total(k, 0.0);
  for (std::size_t i = 0; i < matrix.size(); ++i) total[static_cast<std::size_t>(labels[i])] += weight(i);
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    const auto c = static_cast<std::size_t>(labels[i]);
    for (std::size_t j = 0; j < dimensions; ++j) mean[c][j] += matrix[i][j] * weight(i) / total[c];
  }
  double inertia = 0;
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    inertia += weight(i) * SquaredDistance(matrix[i].data(), mean[static_cast<std::size_t>(labels[i])].data(), dimensions);
  }
  return inertia;
}

}  // namespace segmentation::test
