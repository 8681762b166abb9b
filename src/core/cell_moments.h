// Sums over rows and cells that are scattered in memory, and their partition by one column: the inner loops of compress.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "core/interrupt.h"

namespace segmentation {

// Items are read through pointers, this many at a time, so that what is touched twice is still in the first-level cache.
constexpr std::size_t kBlockItems = 256;

enum class ItemKind { kRow, kWeightedRow, kCell };

inline double LoadDouble(const char* from) {
  double value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Where things lie in an item.
constexpr std::size_t PositionAt(ItemKind kind) { return kind == ItemKind::kCell ? sizeof(double) : 0; }

template <ItemKind kKind>
double WeightOf(const char* item, std::size_t dimensions) {
  if constexpr (kKind == ItemKind::kCell) return LoadDouble(item);
  if constexpr (kKind == ItemKind::kWeightedRow) return LoadDouble(item + dimensions * sizeof(double));
  return 1;
}

// Moments about a shift: sum of the weights, and for each column Σ w (x − shift) and Σ w (x − shift)², what is inside of cells
// included.
struct Moments {
  explicit Moments(std::size_t dimensions) : linear(dimensions), square(dimensions) {}

  void Clear() {
    weight = 0;
    std::fill(linear.begin(), linear.end(), 0.0);
    std::fill(square.begin(), square.end(), 0.0);
  }
  double Mean(std::size_t j, const double* shift) const { return shift[j] + linear[j] / weight; }
  double Squares(std::size_t j) const { return std::max(0.0, square[j] - linear[j] / weight * linear[j]); }

  double weight = 0;
  std::vector<double> linear;
  std::vector<double> square;
};

// Two doubles in one register, of which every 64-bit machine has 16: GCC does not find them by itself in what follows.
using Pair = double __attribute__((vector_size(16)));

inline Pair LoadPair(const char* from) {
  Pair pair;
  std::memcpy(&pair, from, sizeof pair);
  return pair;
}

// Adds 2 * kPairs columns from `column` on of some items. The sums of a block stay in registers.
template <ItemKind kKind, std::size_t kPairs>
void AddPairs(const char* const* items, std::size_t count, std::size_t column, std::size_t dimensions, const double* shift,
              Moments* sums) {
  Pair linear[kPairs] = {};
  Pair square[kPairs] = {};
  Pair center[kPairs];
  std::memcpy(center, shift + column, sizeof center);
  const std::size_t position = PositionAt(kKind) + column * sizeof(double);
  for (std::size_t i = 0; i < count; ++i) {
    const char* const item = items[i];
    const double weight = WeightOf<kKind>(item, dimensions);
    for (std::size_t j = 0; j < kPairs; ++j) {
      const Pair difference = LoadPair(item + position + j * sizeof(Pair)) - center[j];
      const Pair weighted = kKind == ItemKind::kRow ? difference : weight * difference;
      linear[j] += weighted;
      square[j] += weighted * difference;
      if constexpr (kKind == ItemKind::kCell) {
        square[j] += LoadPair(item + (1 + dimensions + column) * sizeof(double) + j * sizeof(Pair));
      }
    }
  }
  for (std::size_t j = 0; j < 2 * kPairs; ++j) {
    sums->linear[column + j] += linear[j / 2][j % 2];
    sums->square[column + j] += square[j / 2][j % 2];
  }
}

template <ItemKind kKind>
void AddLastColumn(const char* const* items, std::size_t count, std::size_t dimensions, const double* shift, Moments* sums) {
  const std::size_t column = dimensions - 1;
  double linear = 0;
  double square = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double difference = LoadDouble(items[i] + PositionAt(kKind) + column * sizeof(double)) - shift[column];
    const double weighted = WeightOf<kKind>(items[i], dimensions) * difference;
    linear += weighted;
    square += weighted * difference;
    if constexpr (kKind == ItemKind::kCell) square += LoadDouble(items[i] + (1 + dimensions + column) * sizeof(double));
  }
  sums->linear[column] += linear;
  sums->square[column] += square;
}

// Adds a block of items (at most kBlockItems, so that the rounding errors of long sums stay small).
template <ItemKind kKind>
void AddBlock(const char* const* items, std::size_t count, std::size_t dimensions, const double* shift, Moments* sums) {
  double weight = static_cast<double>(count);
  if constexpr (kKind != ItemKind::kRow) {
    weight = 0;
    for (std::size_t i = 0; i < count; ++i) weight += WeightOf<kKind>(items[i], dimensions);
  }
  sums->weight += weight;
  std::size_t column = 0;
  for (; column + 8 <= dimensions; column += 8) AddPairs<kKind, 4>(items, count, column, dimensions, shift, sums);
  for (; column + 2 <= dimensions; column += 2) AddPairs<kKind, 1>(items, count, column, dimensions, shift, sums);
  if (column < dimensions) AddLastColumn<kKind>(items, count, dimensions, shift, sums);
}

// Pointers to items of one kind. Parts are ranges of them; a split reorders inside a range.
struct Items {
  ItemKind kind = ItemKind::kRow;
  std::size_t dimensions = 0;
  std::size_t count = 0;
  std::unique_ptr<const char*[]> pointers;
  std::unique_ptr<const char*[]> scratch;

  void Allocate(std::size_t items) {
    pointers = std::make_unique_for_overwrite<const char*[]>(items);
    scratch = std::make_unique_for_overwrite<const char*[]>(items);
  }
};

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t size() const { return end - begin; }
};

template <ItemKind kKind>
void AddRange(const Items& items, Range range, const double* shift, Moments* sums, const Interrupt& interrupt) {
  for (std::size_t at = range.begin; at < range.end; at += kBlockItems) {
    interrupt.Poll();
    AddBlock<kKind>(items.pointers.get() + at, std::min(kBlockItems, range.end - at), items.dimensions, shift, sums);
  }
}

// Moves the items up to `pivot` in `column` to the front; returns where the others begin. Moments of both sides on the way.
template <ItemKind kKind>
std::size_t PartitionRange(Items* items, Range range, std::size_t column, double pivot, const double* shift, Moments* left,
                           Moments* right, const Interrupt& interrupt) {
  const std::size_t offset = PositionAt(kKind) + column * sizeof(double);
  const char** const pointers = items->pointers.get();
  const char** const scratch = items->scratch.get();
  std::size_t lefts = range.begin;
  std::size_t rights = 0;
  for (std::size_t at = range.begin; at < range.end;) {
    interrupt.Poll();
    const std::size_t stop = std::min(at + kBlockItems, range.end);
    const std::size_t first_left = lefts;
    const std::size_t first_right = rights;
    for (; at < stop; ++at) {  // without branches: which side is a coin toss
      const char* const item = pointers[at];
      const std::size_t goes_left = LoadDouble(item + offset) <= pivot ? 1 : 0;
      pointers[lefts] = item;
      scratch[rights] = item;
      lefts += goes_left;
      rights += 1 - goes_left;
    }
    AddBlock<kKind>(pointers + first_left, lefts - first_left, items->dimensions, shift, left);
    AddBlock<kKind>(scratch + first_right, rights - first_right, items->dimensions, shift, right);
  }
  std::copy(scratch, scratch + rights, pointers + lefts);
  return lefts;
}

// Widens bounds of d doubles each to a position.
inline void WidenTo(const char* position, std::size_t dimensions, double* low, double* high) {
  for (std::size_t j = 0; j < dimensions; ++j) {
    const double value = LoadDouble(position + j * sizeof(double));
    low[j] = value < low[j] ? value : low[j];
    high[j] = value > high[j] ? value : high[j];
  }
}

inline void FindRange(const Items& items, Range range, double* low, double* high, const Interrupt& interrupt) {
  for (std::size_t i = range.begin; i < range.end; ++i) {
    if (i % kBlockItems == 0) interrupt.Poll();
    WidenTo(items.pointers[i] + PositionAt(items.kind), items.dimensions, low, high);
  }
}

// Calls f with the kind as a constant.
template <typename F>
auto WithKind(ItemKind kind, F f) {
  switch (kind) {
    case ItemKind::kWeightedRow: return f(std::integral_constant<ItemKind, ItemKind::kWeightedRow>());
    case ItemKind::kCell: return f(std::integral_constant<ItemKind, ItemKind::kCell>());
    case ItemKind::kRow: break;
  }
  return f(std::integral_constant<ItemKind, ItemKind::kRow>());
}

}  // namespace segmentation
