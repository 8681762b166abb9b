// Rows in the shape that the kernels like: tiles of 64 rows, column by column, in one piece of aligned memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace segmentation {

constexpr std::size_t kTileRows = 64;
// Reductions go over blocks of so many rows, and over the blocks in a fixed tree (reduce.h), whoever computes them.
constexpr std::size_t kBlockTiles = 64;
constexpr std::size_t kBlockRows = kTileRows * kBlockTiles;

// Memory for arrays that are read from one end to the other: on cache lines, and large arrays on huge pages where the system has
// them (a page fault costs as much as reading some kilobytes).
void* AllocateForStreaming(std::size_t bytes);
void FreeFromStreaming(void* memory) noexcept;
// Asks for huge pages where whole ones lie in the memory. Advice only.
void AdviseHugePages(void* memory, std::size_t bytes) noexcept;

template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  CacheLineAllocator() = default;
  template <typename U>
  explicit CacheLineAllocator(const CacheLineAllocator<U>&) {}
  T* allocate(std::size_t count) {
    if (count > SIZE_MAX / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(AllocateForStreaming(count * sizeof(T)));
  }
  // Values are left as they are found, so that a large array costs nothing until it is filled.
  template <typename U>
  void construct(U* at) noexcept {
    ::new (static_cast<void*>(at)) U;
  }
  template <typename U, typename... Args>
  void construct(U* at, Args&&... args) {
    ::new (static_cast<void*>(at)) U(static_cast<Args&&>(args)...);
  }
  void deallocate(T* pointer, std::size_t) noexcept { FreeFromStreaming(pointer); }
  friend bool operator==(const CacheLineAllocator&, const CacheLineAllocator&) { return true; }
};
using AlignedDoubles = std::vector<double, CacheLineAllocator<double>>;

// `rows` points of `dimensions` doubles, with weights or each of weight 1; all to be filled in by the caller. Rows beyond the last, which fill up its tile,
// have weight 0 and coordinates 0.
class Tiles {
 public:
  Tiles(std::size_t rows, std::size_t dimensions, bool weighted)
      : rows_(rows), dimensions_(dimensions), values_(TileCount(rows) * kTileRows * dimensions) {
    if (weighted) weights_.resize(TileCount(rows) * kTileRows);
    const std::size_t last = rows - rows % kTileRows;  // the filling of the last tile starts somewhere behind
    if (last < rows) {
      std::fill(values_.begin() + static_cast<std::ptrdiff_t>(last * dimensions), values_.end(), 0.0);
      if (weighted) std::fill(weights_.begin() + static_cast<std::ptrdiff_t>(last), weights_.end(), 0.0);
    }
    for (std::size_t i = 0; i < rows % kTileRows; ++i) last_weights_[i] = 1;
    ones_.fill(1);
  }

  std::size_t rows() const { return rows_; }
  std::size_t dimensions() const { return dimensions_; }
  bool weighted() const { return !weights_.empty(); }
  std::size_t tile_count() const { return TileCount(rows_); }
  // Rows of the tile that are real.
  std::size_t RowsIn(std::size_t tile) const { return tile + 1 < tile_count() ? kTileRows : rows_ - tile * kTileRows; }

  // Coordinate j of row r of the tile is at [j * kTileRows + r].
  const double* Tile(std::size_t tile) const { return values_.data() + tile * kTileRows * dimensions_; }
  double* Tile(std::size_t tile) { return values_.data() + tile * kTileRows * dimensions_; }
  // kTileRows weights.
  const double* Weights(std::size_t tile) const {
    if (weighted()) return weights_.data() + tile * kTileRows;
    return RowsIn(tile) == kTileRows ? ones_.data() : last_weights_.data();
  }
  void SetWeight(std::size_t row, double weight) { weights_[row] = weight; }
  double Weight(std::size_t row) const { return weighted() ? weights_[row] : 1; }

  double& At(std::size_t row, std::size_t column) { return Tile(row / kTileRows)[column * kTileRows + row % kTileRows]; }
  double At(std::size_t row, std::size_t column) const {
    return Tile(row / kTileRows)[column * kTileRows + row % kTileRows];
  }
  void CopyRow(std::size_t row, double* to) const {
    for (std::size_t j = 0; j < dimensions_; ++j) to[j] = At(row, j);
  }

  // `size` of the rows at equal distances, in their order. There are several such sets, by the part of the first distance (0 up to
  // `parts`) that is left out; with size * parts rows or more they share none.
  Tiles EveryMth(std::size_t size, std::size_t part = 0, std::size_t parts = 1) const {
    const std::size_t first = part * rows_ / parts;
    Tiles few(size, dimensions_, weighted());
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t row = (i * rows_ + first) / size;
      for (std::size_t j = 0; j < dimensions_; ++j) few.At(i, j) = At(row, j);
      if (weighted()) few.SetWeight(i, Weight(row));
    }
    return few;
  }

 private:
  static std::size_t TileCount(std::size_t rows) { return (rows + kTileRows - 1) / kTileRows; }

  std::size_t rows_;
  std::size_t dimensions_;
  AlignedDoubles values_;
  AlignedDoubles weights_;
  std::array<double, kTileRows> ones_;
  std::array<double, kTileRows> last_weights_{};
};

}  // namespace segmentation
