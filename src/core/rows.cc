#include "core/rows.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/hash.h"
#include "core/tiles.h"

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

// By hash, ties by the bytes.
std::vector<const char*> Ordered(std::vector<HashedRow> rows, std::size_t row_bytes, const Interrupt& interrupt) {
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

// The heaps of SampleRows: for each bucket of hashes as many rows as it owes to the sample, those with the lowest hashes.
class Sampler {
 public:
  // counts: rows per bucket.
  Sampler(const std::vector<std::uint64_t>& counts, std::size_t rows, std::size_t size, std::size_t row_bytes)
      : row_bytes_(row_bytes), starts_(counts.size() + 1), filled_(counts.size(), 0), chosen_(size) {
    std::size_t before = 0;
    for (std::size_t bucket = 0; bucket < counts.size(); ++bucket) {
      starts_[bucket] = static_cast<std::size_t>(static_cast<Wide>(before) * size / rows);
      before += counts[bucket];
    }
    starts_[counts.size()] = size;
  }

  void Offer(std::size_t bucket, const HashedRow& row) {
    const std::size_t quota = starts_[bucket + 1] - starts_[bucket];
    if (quota == 0) return;
    const auto begin = chosen_.begin() + static_cast<std::ptrdiff_t>(starts_[bucket]);
    const auto before = [this](const HashedRow& a, const HashedRow& b) { return Before(a, b); };
    std::size_t& filled = filled_[bucket];
    if (filled == quota) {
      if (!Before(row, *begin)) return;
      std::pop_heap(begin, begin + static_cast<std::ptrdiff_t>(filled), before);
      --filled;
    }
    begin[static_cast<std::ptrdiff_t>(filled++)] = row;
    std::push_heap(begin, begin + static_cast<std::ptrdiff_t>(filled), before);
  }

  std::vector<HashedRow> Take() { return std::move(chosen_); }

 private:
  bool Before(const HashedRow& a, const HashedRow& b) const {
    return a.hash != b.hash ? a.hash < b.hash : std::memcmp(a.row, b.row, row_bytes_) < 0;
  }

  std::size_t row_bytes_;
  std::vector<std::size_t> starts_;
  std::vector<std::size_t> filled_;
  std::vector<HashedRow> chosen_;
};

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
  return Ordered(std::move(rows), row_bytes, interrupt);
}


std::vector<const char*> SampleRows(const RowSet& set, std::size_t size, ThreadTeam& team) {
  constexpr int kBucketBits = 16;
  constexpr std::size_t kBuckets = std::size_t{1} << kBucketBits;
  const std::size_t row_bytes = set.RowBytes();
  size = std::min<std::size_t>(size, set.rows);
  std::vector<std::uint64_t, CacheLineAllocator<std::uint64_t>> hashes(set.rows);
  std::vector<std::vector<std::uint64_t>> counts(team.size(), std::vector<std::uint64_t>(kBuckets, 0));
  // Pieces of blocks, for the team.
  struct Piece {
    const char* data;
    std::uint64_t rows;
    std::uint64_t first;  // in hashes
  };
  std::vector<Piece> pieces;
  std::uint64_t first = 0;
  for (const RowBlock& block : set.blocks) {
    for (std::uint64_t at = 0; at < block.rows; at += kBlockRows) {
      const std::uint64_t rows = std::min<std::uint64_t>(kBlockRows, block.rows - at);
      pieces.push_back({block.data + at * row_bytes, rows, first});
      first += rows;
    }
  }
  team.ForEach(pieces.size(), [&](std::size_t item, std::size_t worker, const Interrupt&) {
    const Piece& piece = pieces[item];
    for (std::uint64_t i = 0; i < piece.rows; ++i) {
      const std::uint64_t hash = HashBytes(piece.data + i * row_bytes, row_bytes, 0);
      hashes[piece.first + i] = hash;
      ++counts[worker][hash >> (64 - kBucketBits)];
    }
  });
  for (std::size_t worker = 1; worker < counts.size(); ++worker) {
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) counts[0][bucket] += counts[worker][bucket];
  }
  Sampler sampler(counts[0], set.rows, size, row_bytes);
  for (const Piece& piece : pieces) {
    team.interrupt().Poll();
    for (std::uint64_t i = 0; i < piece.rows; ++i) {
      const std::uint64_t hash = hashes[piece.first + i];
      sampler.Offer(hash >> (64 - kBucketBits), {hash, piece.data + i * row_bytes});
    }
  }
  return Ordered(sampler.Take(), row_bytes, team.interrupt());
}

}  // namespace segmentation
