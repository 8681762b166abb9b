#include "core/compress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/fit.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

std::vector<double> Ones(std::size_t d) { return std::vector<double>(d, 1.0); }

// A cell, read back without the code under test.
struct Cell {
  double weight;
  std::vector<double> mean;
  std::vector<double> squares;
};

std::vector<Cell> CellsOf(const CompressedRows& rows, std::size_t d) {
  std::vector<Cell> cells;
  EXPECT_EQ(rows.values.size(), 2 * d + rows.cells * (1 + 2 * d));
  for (std::uint64_t c = 0; c < rows.cells; ++c) {
    const double* at = rows.values.data() + 2 * d + c * (1 + 2 * d);
    cells.push_back({at[0], {at + 1, at + 1 + d}, {at + 1 + d, at + 1 + 2 * d}});
  }
  return cells;
}

// Weight, mean and sum of squares per column, in long double.
struct Totals {
  long double weight = 0;
  std::vector<long double> mean;
  std::vector<long double> squares;
};

Totals TotalsOf(const std::vector<Cell>& cells) {
  const std::size_t d = cells.front().mean.size();
  Totals totals{0, std::vector<long double>(d), std::vector<long double>(d)};
  for (const Cell& cell : cells) totals.weight += cell.weight;
  for (std::size_t j = 0; j < d; ++j) {
    for (const Cell& cell : cells) totals.mean[j] += static_cast<long double>(cell.weight) * cell.mean[j];
    totals.mean[j] /= totals.weight;
    for (const Cell& cell : cells) {
      const long double difference = cell.mean[j] - totals.mean[j];
      totals.squares[j] += cell.weight * difference * difference + cell.squares[j];
    }
  }
  return totals;
}

std::vector<Cell> AsCells(const Matrix& rows, const std::vector<double>& weights) {
  std::vector<Cell> cells;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    cells.push_back({weights.empty() ? 1.0 : weights[i], rows[i], std::vector<double>(rows[i].size(), 0.0)});
  }
  return cells;
}

void ExpectSameTotals(const std::vector<Cell>& got, const std::vector<Cell>& expected, const std::string& what) {
  const Totals a = TotalsOf(got);
  const Totals b = TotalsOf(expected);
  EXPECT_NEAR(static_cast<double>(a.weight / b.weight), 1, 1e-12) << what;
  for (std::size_t j = 0; j < a.mean.size(); ++j) {
    const long double unit = std::fabs(b.mean[j]) + std::sqrt(b.squares[j] / b.weight);
    EXPECT_LE(std::fabs(a.mean[j] - b.mean[j]), 1e-12L * unit) << what << ", mean of column " << j;
    EXPECT_LE(std::fabs(a.squares[j] - b.squares[j]), 1e-12L * b.squares[j] + 1e-25L * unit * unit) << what << ", squares of column " << j;
  }
}

// Rows and cells together as one set.
class Mixed {
 public:
  Mixed(const Matrix& rows, const std::vector<double>& weights, CompressedRows cells, std::size_t block = SIZE_MAX)
      : rows_(rows, weights, block), cells_(std::move(cells)), bytes_(1 + cells_.values.size() * sizeof(double)) {
    std::memcpy(bytes_.data() + 1, cells_.values.data(), cells_.values.size() * sizeof(double));
    set_ = rows_.set();
    set_.cells = bytes_.data() + 1;  // no alignment assumed
    set_.cell_count = cells_.cells;
    set_.cell_rows = cells_.rows;
  }
  const RowSet& set() const { return set_; }

 private:
  test::OwnedRows rows_;
  CompressedRows cells_;
  std::vector<char> bytes_;
  RowSet set_;
};

Matrix Far(Matrix rows, double offset) {
  for (auto& row : rows) {
    for (double& value : row) value += offset;
  }
  return rows;
}

TEST(Compress, KeepsWeightMeanAndSquares) {
  for (std::size_t d : {1u, 2u, 3u, 7u, 8u, 9u, 21u}) {
    for (bool weighted : {false, true}) {
      for (std::size_t most : {1u, 2u, 17u, 300u}) {
        const Matrix rows = Far(test::Blobs(3000, d, 5, d + most), 1000);
        const auto weights = weighted ? test::RandomWeights(rows.size(), 3) : std::vector<double>();
        const test::OwnedRows owned(rows, weights, 701);
        const CompressedRows compressed = Compress(owned.set(), most, Ones(d), {});
        EXPECT_EQ(compressed.cells, most);
        EXPECT_EQ(compressed.rows, rows.size());
        ExpectSameTotals(CellsOf(compressed, d), AsCells(rows, weights), std::to_string(d) + " columns, " + std::to_string(most));
      }
    }
  }
}

TEST(Compress, ManyRowsGoThroughASample) {
  const std::size_t d = 4;
  const Matrix rows = test::Blobs(200'000, d, 12, 3);
  const test::OwnedRows owned(rows, {}, 5003);
  const CompressedRows compressed = Compress(owned.set(), 2000, Ones(d), {});
  EXPECT_EQ(compressed.cells, 2000u);
  ExpectSameTotals(CellsOf(compressed, d), AsCells(rows, {}), "many rows");
}

TEST(Compress, MergesCellsWithRows) {
  const std::size_t d = 5;
  for (bool weighted : {false, true}) {
    const Matrix first = test::Blobs(5000, d, 4, 1);
    const Matrix second = Far(test::Blobs(3000, d, 4, 2), -50);
    const auto first_weights = weighted ? test::RandomWeights(first.size(), 1) : std::vector<double>();
    const auto second_weights = weighted ? test::RandomWeights(second.size(), 2) : std::vector<double>();
    const test::OwnedRows owned(first, first_weights);
    const Mixed mixed(second, second_weights, Compress(owned.set(), 200, Ones(d), {}), 999);
    const CompressedRows both = Compress(mixed.set(), 150, Ones(d), {});
    EXPECT_EQ(both.cells, 150u);
    EXPECT_EQ(both.rows, 8000u);
    std::vector<Cell> all = AsCells(first, first_weights);
    const std::vector<Cell> more = AsCells(second, second_weights);
    all.insert(all.end(), more.begin(), more.end());
    ExpectSameTotals(CellsOf(both, d), all, "merged");
    for (std::size_t j = 0; j < d; ++j) {
      double low = test::kInf, high = -test::kInf;
      for (const Cell& row : all) {
        low = std::min(low, row.mean[j]);
        high = std::max(high, row.mean[j]);
      }
      EXPECT_EQ(both.values[j], low);
      EXPECT_EQ(both.values[d + j], high);
    }
  }
}

// The rule itself, as one would write it down: slow, in long double.
std::vector<Cell> SlowSplit(std::vector<Cell> items, std::size_t most, const std::vector<double>& scale) {
  const std::size_t d = scale.size();
  std::vector<std::vector<Cell>> parts = {std::move(items)};
  while (parts.size() < most) {
    std::size_t part = 0, column = 0;
    long double widest = 0;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const Totals totals = TotalsOf(parts[p]);
      for (std::size_t j = 0; j < d; ++j) {
        const long double spread = totals.squares[j] / scale[j] / scale[j];
        if (parts[p].size() == 1 || spread <= widest) continue;
        widest = spread;
        part = p;
        column = j;
      }
    }
    if (!(widest > 0)) break;
    const long double mean = TotalsOf(parts[part]).mean[column];
    std::vector<Cell> left, right;
    for (const Cell& item : parts[part]) (item.mean[column] <= mean ? left : right).push_back(item);
    parts[part] = left;
    parts.push_back(right);
  }
  std::vector<Cell> cells;
  for (const auto& part : parts) {
    const Totals totals = TotalsOf(part);
    cells.push_back({static_cast<double>(totals.weight), {totals.mean.begin(), totals.mean.end()}, {totals.squares.begin(), totals.squares.end()}});
  }
  return cells;
}

void ExpectSameCells(std::vector<Cell> a, std::vector<Cell> b) {
  const auto before = [](const Cell& x, const Cell& y) { return x.mean < y.mean; };
  std::sort(a.begin(), a.end(), before);
  std::sort(b.begin(), b.end(), before);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_DOUBLE_EQ(a[i].weight, b[i].weight);
    for (std::size_t j = 0; j < a[i].mean.size(); ++j) {
      EXPECT_NEAR(a[i].mean[j], b[i].mean[j], 1e-9);
      EXPECT_NEAR(a[i].squares[j], b[i].squares[j], 1e-9);
    }
  }
}

TEST(Compress, IsTheRuleOfTheWidestColumn) {
  for (std::size_t d : {1u, 3u, 8u}) {
    std::vector<double> scale(d);
    for (std::size_t j = 0; j < d; ++j) scale[j] = 1.0 + static_cast<double>(j);
    const Matrix rows = test::Blobs(600, d, 6, d);
    const auto weights = test::RandomWeights(rows.size(), d);
    const test::OwnedRows owned(rows, weights);
    ExpectSameCells(CellsOf(Compress(owned.set(), 50, scale, {}), d), SlowSplit(AsCells(rows, weights), 50, scale));
    // From cells, whose inner spread counts, and rows.
    const CompressedRows cells = Compress(owned.set(), 120, scale, {});
    const Matrix more = test::Blobs(300, d, 6, d + 1);
    const auto more_weights = test::RandomWeights(more.size(), d + 1);
    std::vector<Cell> items = CellsOf(cells, d);
    const std::vector<Cell> added = AsCells(more, more_weights);
    items.insert(items.end(), added.begin(), added.end());
    ExpectSameCells(CellsOf(Compress(Mixed(more, more_weights, cells).set(), 40, scale, {}), d), SlowSplit(items, 40, scale));
  }
}

TEST(Compress, TheScaleDecidesBetweenColumns) {
  Matrix rows;
  for (int i = 0; i < 100; ++i) rows.push_back({static_cast<double>(i % 10), 1000.0 * (i / 10)});
  const test::OwnedRows owned(rows);
  const auto distinct = [&](const CompressedRows& cells, std::size_t column) {
    std::set<double> values;
    for (const Cell& cell : CellsOf(cells, 2)) values.insert(cell.mean[column]);
    return values.size();
  };
  EXPECT_EQ(distinct(Compress(owned.set(), 8, Ones(2), {}), 0), 1u);  // the second column is wider everywhere
  const std::vector<double> spread = SpreadOfColumns(owned.set(), {});
  EXPECT_NEAR(spread[0], std::sqrt(825.0), 1e-9);  // 100 * (10^2 - 1) / 12
  EXPECT_NEAR(spread[1], 1000 * std::sqrt(825.0), 1e-6);
  EXPECT_GT(distinct(Compress(owned.set(), 8, spread, {}), 0), 1u);
}

TEST(Compress, AsManyCellsAsDifferentRows) {
  const Matrix rows = test::LatticeRows(5000, 3, 3, 1);
  const test::OwnedRows owned(rows);
  const auto cells = CellsOf(Compress(owned.set(), 4096, Ones(3), {}), 3);
  std::map<std::vector<double>, double> counts;
  for (const auto& row : rows) counts[row] += 1;
  ASSERT_EQ(cells.size(), counts.size());
  for (const Cell& cell : cells) {
    EXPECT_EQ(cell.weight, counts.at(cell.mean));  // exactly: equal rows have themselves as their mean
    for (double squares : cell.squares) EXPECT_EQ(squares, 0);
  }
}

TEST(Compress, OddRowsAreCompressed) {
  const Matrix same(1000, {0.1, 1e300 * 1e-160, -7});
  EXPECT_EQ(Compress(test::OwnedRows(same).set(), 100, Ones(3), {}).cells, 1u);
  EXPECT_EQ(SpreadOfColumns(test::OwnedRows(same).set(), {}), Ones(3));
  // Neighbours among the doubles: their mean is one of them.
  const Matrix close = {{1.0}, {std::nextafter(1.0, 2)}, {1.0}, {std::nextafter(1.0, 2)}, {std::nextafter(1.0, 2)}};
  const auto cells = CellsOf(Compress(test::OwnedRows(close).set(), 10, Ones(1), {}), 1);
  EXPECT_EQ(cells.size(), 2u);
  // One row far away from many that are close to each other.
  Matrix outlier = test::UniformRows(1000, 2, 1);
  outlier.insert(outlier.begin(), {1e9, 1e9});
  const auto split = Compress(test::OwnedRows(outlier).set(), 200, Ones(2), {});
  EXPECT_EQ(split.cells, 200u);
  ExpectSameTotals(CellsOf(split, 2), AsCells(outlier, {}), "outlier");
  EXPECT_EQ(Compress(test::OwnedRows(Matrix{{1, 2}}).set(), 5, Ones(2), {}).cells, 1u);
  EXPECT_EQ(Compress(RowSet{}, 5, {}, {}).cells, 0u);
}

// Each split takes one row off: a tree as deep as there are rows.
TEST(Compress, DeepTreesAreNoStack) {
  Matrix rows;
  for (int j = 0; j < 8; ++j) {
    for (int i = -300; i < 300; ++i) {
      rows.emplace_back(8, 0.0);
      rows.back()[static_cast<std::size_t>(j)] = std::ldexp(1.0, i);
    }
  }
  const CompressedRows cells = Compress(test::OwnedRows(rows).set(), 4800, Ones(8), {});
  EXPECT_GT(cells.cells, 1000u);
  ExpectSameTotals(CellsOf(cells, 8), AsCells(rows, {}), "deep");
}

TEST(Compress, TooLargeNumbersAreAnError) {
  test::ExpectError(ErrorCode::kNotFinite, [] { Compress(test::OwnedRows(Matrix{{1e200}, {-1e200}}).set(), 2, Ones(1), {}); });
  test::ExpectError(ErrorCode::kNotFinite, [] { Compress(test::OwnedRows(Matrix{{1}, {2}}, {1e308, 1e308}).set(), 2, Ones(1), {}); });
}

TEST(Compress, DependsOnTheRowsAlone) {
  const Matrix rows = test::Blobs(100'000, 3, 7, 5);
  const test::OwnedRows whole(rows);
  const test::OwnedRows blocks(rows, {}, 777);
  EXPECT_EQ(Compress(whole.set(), 900, Ones(3), {}).values, Compress(blocks.set(), 900, Ones(3), {}).values);
}

// Large inputs are sorted into the parts of a sample first, and parts are split ahead of time: every cell that is counted has to
// hold rows all the same.
TEST(Compress, AllCellsOfALargeInputHoldRows) {
  CompressedRows cells;
  for (std::size_t step = 0; step < 3; ++step) {
    const test::OwnedRows rows(test::UniformRows(40'000, 8, step), {}, 5000);
    RowSet set = rows.set();
    const CompressedRows before = std::move(cells);
    if (step > 0) {
      set.cells = reinterpret_cast<const char*>(before.values.data());
      set.cell_count = before.cells;
      set.cell_rows = before.rows;
    }
    cells = Compress(set, 2000, Ones(8), {});
    EXPECT_EQ(cells.cells, 2000u);
    ASSERT_EQ(cells.values.size(), 16 + 17 * cells.cells);
    double weight = 0;
    for (std::size_t c = 0; c < cells.cells; ++c) {
      EXPECT_GT(cells.values[16 + 17 * c], 0) << step << " " << c;
      weight += cells.values[16 + 17 * c];
    }
    EXPECT_EQ(weight, 40'000.0 * static_cast<double>(step + 1));
  }
}

TEST(Compress, NoticesAnInterrupt) {
  static volatile std::sig_atomic_t pending = 1;
  const Interrupt interrupt{&pending, [](void*) { throw Error(ErrorCode::kInternal, "stopped"); }, nullptr};
  test::ExpectError(ErrorCode::kInternal, [&] { Compress(test::OwnedRows(test::UniformRows(100, 2, 1)).set(), 10, Ones(2), interrupt); });
}

// ---- how much a fit on cells loses

double Cost(const Matrix& rows, const std::vector<double>& centroids) {
  double cost = 0;
  for (const auto& row : rows) cost += test::NaiveNearest(row, centroids).square;
  return cost;
}

double Excess(const Matrix& rows, std::size_t k) {
  const std::size_t d = rows.front().size();
  Options options;
  const test::OwnedRows owned(rows);
  const auto whole = Fit(owned.set(), static_cast<std::int64_t>(k), options, {});
  Matrix means;
  std::vector<double> weights;
  for (const Cell& cell : CellsOf(Compress(owned.set(), 200 * k, Ones(d), {}), d)) {
    means.push_back(cell.mean);
    weights.push_back(cell.weight);
  }
  const test::OwnedRows cells(means, weights);
  const auto compressed = Fit(cells.set(), static_cast<std::int64_t>(k), options, {});
  return Cost(rows, compressed->centroids) / Cost(rows, whole->centroids) - 1;
}

TEST(Compress, AFitOnTheCellsCostsLittleMore) {
  std::vector<double> excesses;
  for (std::size_t d : {2u, 4u, 8u}) {
    for (std::size_t k : {3u, 10u}) {
      excesses.push_back(Excess(test::Blobs(20'000, d, k, d * k, 1.0), k));
      excesses.push_back(Excess(test::UniformRows(20'000, d, d * k), k));
    }
  }
  std::sort(excesses.begin(), excesses.end());
  for (double excess : excesses) RecordProperty("excess", std::to_string(excess));
  EXPECT_LE(excesses[excesses.size() / 2], 0.01);
  EXPECT_LE(excesses.back(), 0.03);
  std::string all;
  for (double excess : excesses) all += std::to_string(100 * excess) + " ";
  std::printf("cost excess in %%: %s\n", all.c_str());
}

}  // namespace
}  // namespace segmentation
