#include "core/outliers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "core/error.h"
#include "core/kd_tree.h"
#include "core/threads.h"
#include "core/tiles.h"

namespace segmentation {
namespace {

// Fewer rows take some milliseconds, and there may be many partitions of them.
constexpr std::uint64_t kRowsForThreads = 1000;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double ReadDouble(const char* from) {
  double value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The rows in ascending order, equal ones as one.
struct DifferentRows {
  std::vector<double> rows;            // row-major
  std::vector<std::uint32_t> counts;   // how many of the set are equal to each
  std::vector<std::uint32_t> numbers;  // of each row of the set, which it is
};

struct SortedRow {
  double first_column;
  const char* row;
  std::uint32_t number;  // in the set
};

std::vector<SortedRow> SortRows(const RowSet& set, const Interrupt& interrupt) {
  std::vector<SortedRow> sorted;
  sorted.reserve(set.rows);
  for (const RowBlock& block : set.blocks) {
    for (std::uint64_t i = 0; i < block.rows; ++i) {
      interrupt.Poll();
      const char* row = block.data + i * set.RowBytes();
      sorted.push_back({ReadDouble(row), row, static_cast<std::uint32_t>(sorted.size())});
    }
  }
  std::sort(sorted.begin(), sorted.end(), [&](const SortedRow& a, const SortedRow& b) {
    interrupt.Poll();
    if (a.first_column != b.first_column) return a.first_column < b.first_column;
    for (std::size_t at = sizeof(double); at < set.dimensions * sizeof(double); at += sizeof(double)) {
      const double of_a = ReadDouble(a.row + at);
      const double of_b = ReadDouble(b.row + at);
      if (of_a != of_b) return of_a < of_b;
    }
    return false;
  });
  return sorted;
}

DifferentRows FindDifferentRows(const RowSet& set, const Interrupt& interrupt) {
  const std::vector<SortedRow> sorted = SortRows(set, interrupt);
  const std::size_t row_bytes = set.dimensions * sizeof(double);
  DifferentRows different;
  different.numbers.resize(sorted.size());
  different.rows.reserve(sorted.size() * set.dimensions);
  different.counts.reserve(sorted.size());
  const char* before = nullptr;
  for (const SortedRow& row : sorted) {
    interrupt.Poll();
    // There is no -0, so that equal numbers are equal bytes.
    if (before == nullptr || std::memcmp(before, row.row, row_bytes) != 0) {
      different.counts.push_back(0);
      different.rows.resize(different.rows.size() + set.dimensions);
      std::memcpy(different.rows.data() + different.rows.size() - set.dimensions, row.row, row_bytes);
    }
    ++different.counts.back();
    different.numbers[row.number] = static_cast<std::uint32_t>(different.counts.size() - 1);
    before = row.row;
  }
  return different;
}

// No two rows may be so far apart that the square of their distance is infinite.
void CheckExtent(const std::vector<double>& rows, std::size_t dimensions, const Interrupt& interrupt) {
  double square = 0;
  for (std::size_t j = 0; j < dimensions; ++j) {
    interrupt.Poll();
    double low = rows[j];
    double high = rows[j];
    for (std::size_t at = j; at < rows.size(); at += dimensions) {
      interrupt.Poll();
      low = std::min(low, rows[at]);
      high = std::max(high, rows[at]);
    }
    square += (high - low) * (high - low);
  }
  if (!std::isfinite(square)) {
    throw Error(ErrorCode::kNotFinite, "features are too large", "Their squared distances are beyond the range of double precision.",
                "Scale the features.");
  }
}

// The neighbours of all different rows, and the factors made of them.
class OutlierFactors {
 public:
  OutlierFactors(const DifferentRows& different, std::size_t dimensions, std::uint64_t neighbors, ThreadTeam& team)
      : different_(different),
        dimensions_(dimensions),
        neighbors_(neighbors),
        room_(std::min<std::uint64_t>(neighbors, different.counts.size())),
        lists_(different.counts.size() * room_),
        reach_(different.counts.size()),
        density_(different.counts.size()),
        team_(team) {}

  // Of each different row.
  std::vector<double> Compute() {
    FindNeighbors();
    ForEachRow([this](std::uint32_t row) {
      density_[row] = 1 / (Mean(row, [&](std::uint32_t other) { return std::max(reach_[other], Distance(row, other)); }) + 1e-10);
    });
    std::vector<double> factors(density_.size());
    ForEachRow([&](std::uint32_t row) {
      factors[row] = Mean(row, [&](std::uint32_t other) { return density_[other] / density_[row]; });
    });
    return factors;
  }

 private:
  void FindNeighbors() {
    const KdTree tree(different_.rows, dimensions_, team_);
    std::vector<NearestRows> searches(team_.size(), NearestRows(different_.counts));
    team_.ForEach(tree.tile_count(), [&](std::size_t tile, std::size_t worker, const Interrupt& interrupt) {
      NearestRows& nearest = searches[worker];
      for (std::size_t i = 0; i < tree.rows_in(tile); ++i) {
        const std::uint32_t row = tree.row_in(tile, i);
        nearest.Begin(row, neighbors_);
        tree.Search(different_.rows.data() + row * dimensions_, &nearest, interrupt);
        Keep(row, &nearest);
      }
    });
  }

  // Writes the list of a row: other rows, the nearest first, until they stand for as many neighbours as are wanted.
  void Keep(std::uint32_t row, NearestRows* nearest) {
    const std::vector<Neighbor>& sorted = nearest->Sorted();
    std::uint32_t* to = lists_.data() + row * room_;
    for (const Neighbor& neighbor : sorted) *to++ = neighbor.row;
    reach_[row] = std::sqrt(sorted.back().square);
  }

  // The mean of a function of the neighbours. Rows of a list count as often as they stand for; what is too much, in the last.
  template <typename Function>
  double Mean(std::uint32_t row, const Function& function) const {
    double sum = 0;
    std::uint64_t left = neighbors_;
    for (const std::uint32_t* other = lists_.data() + row * room_; left > 0; ++other) {
      const std::uint64_t count = std::min<std::uint64_t>(left, different_.counts[*other] - (*other == row ? 1 : 0));
      sum += static_cast<double>(count) * function(*other);
      left -= count;
    }
    return sum / static_cast<double>(neighbors_);
  }

  double Distance(std::uint32_t row, std::uint32_t other) const {
    const double* x = different_.rows.data() + row * dimensions_;
    const double* y = different_.rows.data() + other * dimensions_;
    double square = 0;
    for (std::size_t j = 0; j < dimensions_; ++j) square += (x[j] - y[j]) * (x[j] - y[j]);
    return std::sqrt(square);
  }

  template <typename Body>
  void ForEachRow(const Body& body) {
    const std::size_t rows = different_.counts.size();
    team_.ForEach((rows + kTileRows - 1) / kTileRows, [&](std::size_t block, std::size_t, const Interrupt& interrupt) {
      for (std::size_t row = block * kTileRows; row < std::min(rows, (block + 1) * kTileRows); ++row) {
        interrupt.Poll();
        body(static_cast<std::uint32_t>(row));
      }
    });
  }

  const DifferentRows& different_;
  std::size_t dimensions_;
  std::uint64_t neighbors_;
  std::uint64_t room_;                 // of a list
  // Left as it is found until a list is written: filling it with zeros would take longer than a cancel may.
  std::vector<std::uint32_t, CacheLineAllocator<std::uint32_t>> lists_;
  std::vector<double> reach_;          // distance to the last neighbour
  std::vector<double> density_;
  ThreadTeam& team_;
};

}  // namespace

std::uint64_t NeighborBytes(std::uint64_t rows, std::uint64_t neighbors) {
  if (rows == 0) return 0;
  return rows * std::min(neighbors, rows - 1) * sizeof(std::uint32_t);
}

std::vector<double> LocalOutlierFactors(const RowSet& rows, std::size_t neighbors, const Interrupt& interrupt, int threads) {
  if (neighbors < 1) throw Error(ErrorCode::kInvalidParameter, "number of neighbors must be at least 1");
  if (rows.cell_count > 0) throw Error(ErrorCode::kNotSupported, "local outlier factors need all rows, not a summary of them");
  if (rows.rows >= std::numeric_limits<std::uint32_t>::max()) throw Error(ErrorCode::kLimit, "too many rows");
  if (rows.rows <= 1) return std::vector<double>(rows.rows, kNaN);
  const DifferentRows different = FindDifferentRows(rows, interrupt);
  CheckExtent(different.rows, rows.dimensions, interrupt);
  ThreadTeam team(interrupt, rows.rows < kRowsForThreads ? 1 : threads);
  OutlierFactors computation(different, rows.dimensions, std::min<std::uint64_t>(neighbors, rows.rows - 1), team);
  const std::vector<double> of_different = computation.Compute();
  std::vector<double> factors(rows.rows);
  for (std::size_t i = 0; i < factors.size(); ++i) factors[i] = of_different[different.numbers[i]];
  return factors;
}

double ContaminationThreshold(std::vector<double> factors, double contamination) {
  if (!(contamination > 0 && contamination <= 0.5)) {
    throw Error(ErrorCode::kInvalidParameter, "contamination must be above 0 and at most 0.5");
  }
  if (factors.size() <= 1) return kNaN;
  // Of the negative factors, from below; the percentage there and back as numpy does it.
  const double at = static_cast<double>(factors.size() - 1) * (100 * contamination / 100);
  const double below = std::floor(at);
  const double share = at - below;
  for (double& factor : factors) factor = -factor;
  const auto lower = factors.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(factors.begin(), lower, factors.end());
  const double a = *lower;
  const double b = *std::min_element(lower + 1, factors.end());
  return -(share < 0.5 ? a + (b - a) * share : b - (b - a) * (1 - share));
}

}  // namespace segmentation
