// Training on rows that have been summarized in cells.
#include "core/fit.h"
#include "core/compress.h"

#include <gtest/gtest.h>

#include <cmath>

#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

Model FitRows(const Matrix& rows, std::int64_t k, const std::string& options) {
  return Fit(test::OwnedRows(rows).set(), k, ParseOptions(options), test::kNoInterrupt).value();
}

// A set of rows of which the last ones are given as cells.
struct CellRows {
  CellRows(const Matrix& rows, const Matrix& means, const std::vector<double>& weights, const Matrix& spread, std::uint64_t behind)
      : owned(rows), set(owned.set()) {
    const std::size_t d = means.front().size();
    set.dimensions = d;
    cells.assign(d, -100.0);
    cells.insert(cells.end(), d, 100.0);
    for (std::size_t i = 0; i < means.size(); ++i) {
      cells.push_back(weights[i]);
      cells.insert(cells.end(), means[i].begin(), means[i].end());
      cells.insert(cells.end(), spread[i].begin(), spread[i].end());
    }
    set.cells = reinterpret_cast<const char*>(cells.data());
    set.cell_count = means.size();
    set.cell_rows = behind;
  }
  test::OwnedRows owned;
  std::vector<double> cells;
  RowSet set;
};

TEST(FitCells, CellsOfOneRowAreThatRow) {
  const Matrix rows = test::Blobs(600, 2, 4, 1);
  const Matrix first(rows.begin(), rows.begin() + 200);
  const Matrix rest(rows.begin() + 200, rows.end());
  const CellRows mixed(first, rest, std::vector<double>(400, 1.0), Matrix(400, {0.0, 0.0}), 400);
  for (const char* options : {"{}", R"({"scale":"zscore"})", R"({"distance":"cosine"})", R"({"min_size":50})"}) {
    const Model exact = FitRows(rows, 4, options);
    const Model model = Fit(mixed.set, 4, ParseOptions(options), test::kNoInterrupt).value();
    EXPECT_FALSE(model.fit.exact);
    EXPECT_TRUE(exact.fit.exact);
    EXPECT_EQ(model.fit.rows, 600u);
    ASSERT_EQ(model.segments.size(), 4u);
    for (std::size_t i = 0; i < model.centroids.size(); ++i) EXPECT_NEAR(model.centroids[i], exact.centroids[i], 1e-9) << options;
    for (std::size_t s = 0; s < 4; ++s) EXPECT_EQ(model.segments[s].rows, exact.segments[s].rows);
    EXPECT_NEAR(model.metrics.inertia, exact.metrics.inertia, 1e-9 * exact.metrics.inertia);
    EXPECT_NEAR(model.metrics.total_inertia, exact.metrics.total_inertia, 1e-9 * exact.metrics.total_inertia);
    EXPECT_EQ(model.warnings.back().code, "not_exact");
    EXPECT_NO_THROW(EncodeModel(model));
  }
}

TEST(FitCells, WhatLiesWithinCellsCounts) {
  // Pairs of rows, each pair a cell: mean, and half the squared distance within.
  const Matrix rows = test::Blobs(2000, 2, 5, 2);
  Matrix means, spread;
  for (std::size_t i = 0; i < rows.size(); i += 2) {
    means.push_back({(rows[i][0] + rows[i + 1][0]) / 2, (rows[i][1] + rows[i + 1][1]) / 2});
    const double x = rows[i][0] - rows[i + 1][0], y = rows[i][1] - rows[i + 1][1];
    spread.push_back({x * x / 2, y * y / 2});
  }
  const CellRows cells({}, means, std::vector<double>(1000, 2.0), spread, 2000);
  const Model exact = FitRows(rows, 1, R"({"scale":"zscore"})");
  const Model model = Fit(cells.set, 1, ParseOptions(R"({"scale":"zscore"})"), test::kNoInterrupt).value();
  // With one cluster nothing is lost: moments and inertia are those of the rows.
  EXPECT_EQ(model.segments[0].rows, 2000u);
  for (std::size_t j = 0; j < 2; ++j) {
    EXPECT_NEAR(model.offset[j], exact.offset[j], 1e-12);
    EXPECT_NEAR(model.scale[j], exact.scale[j], 1e-12);
  }
  EXPECT_NEAR(model.metrics.inertia, exact.metrics.inertia, 1e-9 * exact.metrics.inertia);
  EXPECT_NEAR(model.metrics.total_inertia, exact.metrics.total_inertia, 1e-9 * exact.metrics.inertia);
  // With more, the inertia is an upper bound of what the rows have with these centroids.
  const Model five = Fit(cells.set, 5, ParseOptions("{}"), test::kNoInterrupt).value();
  double inertia = 0;
  for (const auto& row : rows) inertia += test::NaiveNearest(row, five.centroids).square;
  EXPECT_LE(inertia, five.metrics.inertia * (1 + 1e-12));
  double within = 0;
  for (const auto& cell : spread) within += cell[0] + cell[1];
  EXPECT_GE(std::sqrt(inertia), std::sqrt(five.metrics.inertia - within) - std::sqrt(within));
}

TEST(FitCells, ClustersDoNotEndWhereCellsDo) {
  // Of 40,000 uniform rows in 512 cells. The best of five clusters do not lie along the columns, as cells do: searched by the cells'
  // means alone, what is found is 0.67 % above the fit of the rows.
  const Matrix rows = test::UniformRows(40000, 3, 1);
  const test::OwnedRows owned(rows);
  const CompressedRows made = Compress(owned.set(), 512, {1, 1, 1}, test::kNoInterrupt);
  RowSet cells;
  cells.dimensions = 3;
  cells.cells = reinterpret_cast<const char*>(made.values.data());
  cells.cell_count = made.cells;
  cells.cell_rows = made.rows;
  const Model exact = Fit(owned.set(), 5, Options(), test::kNoInterrupt).value();
  const Model model = Fit(cells, 5, Options(), test::kNoInterrupt).value();
  double inertia = 0;
  for (const auto& row : rows) inertia += test::NaiveNearest(row, model.centroids).square;
  EXPECT_LT(inertia, exact.metrics.inertia * 1.002);
  // A start that is given is not searched for.
  Options given;
  given.init = Init::kExplicit;
  given.initial_centroids = {rows.begin(), rows.begin() + 5};
  given.max_iter = 1;
  given.tol = 0;
  EXPECT_EQ(Fit(cells, 5, given, test::kNoInterrupt).value().fit.iterations, 1u);
}

}  // namespace
}  // namespace segmentation
