#include "core/rows.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/hash.h"

namespace segmentation {
namespace {

struct HashedRow {
  std::uint64_t hash;
  const char* row;
};

// A stable counting sort by 11 bits of the hash.
void SortByDigit(const std::vector<HashedRow>& from, std::vector<HashedRow>* to, int shift, const Interrupt& interrupt) {
  constexpr std::size_t kBuckets = 2048;
  std::array<std::size_t, kBuckets> starts{};
  const auto digit = [shift](const HashedRow& row) { return (row.hash >> shift) & (kBuckets - 1); };
  for (const HashedRow& row : from) {
    interrupt.Poll();
    ++starts[digit(row)];
  }
  std::size_t at = 0;
  for (std::size_t& start : starts) at += std::exchange(start, at);
  for (const HashedRow& row : from) {
    interrupt.Poll();
    (*to)[starts[digit(row)]++] = row;
  }
}

}  // namespace

RowSet RowsOf(const SketchView& view) {
  RowSet set;
  set.dimensions = view.header.dimensions;
  set.weighted = view.header.weighted;
  set.rows = view.header.rows;
  set.skipped = view.header.skipped;
  if (set.rows > 0) set.blocks.push_back({view.rows, set.rows});
  set.cells = view.cells;
  set.cell_count = view.header.cells;
  set.cell_rows = view.header.cell_rows;
  return set;
}

std::vector<const char*> CanonicalOrder(const RowSet& set, const Interrupt& interrupt) {
  const std::size_t row_bytes = set.RowBytes();
  std::vector<HashedRow> rows;
  rows.reserve(set.rows);
  for (const RowBlock& block : set.blocks) {
    for (std::uint64_t i = 0; i < block.rows; ++i) {
      if (i % 4096 == 0) interrupt.Poll();
      const char* row = block.data + i * row_bytes;
      rows.push_back({HashBytes(row, row_bytes, 0), row});
    }
  }
  // The upper 33 bits by counting, which leaves few rows with equal ones; those by comparison.
  constexpr int kLowestDigit = 31;
  if (rows.size() > 256) {
    std::vector<HashedRow> other(rows.size());
    for (int shift = kLowestDigit; shift < 64; shift += 11) {
      SortByDigit(rows, &other, shift, interrupt);
      rows.swap(other);
    }
  }
  const auto before = [row_bytes, &interrupt](const HashedRow& a, const HashedRow& b) {
    interrupt.Poll();
    if (a.hash != b.hash) return a.hash < b.hash;
    return std::memcmp(a.row, b.row, row_bytes) < 0;
  };
  if (rows.size() <= 256) {
    std::sort(rows.begin(), rows.end(), before);
  } else {
    for (auto begin = rows.begin(); begin != rows.end();) {
      auto end = begin + 1;
      while (end != rows.end() && (end->hash >> kLowestDigit) == (begin->hash >> kLowestDigit)) ++end;
      // Equal rows make long stretches that are in order already.
      if (end - begin > 1 && !std::is_sorted(begin, end, before)) std::sort(begin, end, before);
      begin = end;
    }
  }
  std::vector<const char*> order;
  order.reserve(rows.size());
  for (const HashedRow& row : rows) order.push_back(row.row);
  return order;
}

}  // namespace segmentation
