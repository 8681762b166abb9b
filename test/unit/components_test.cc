// Option components: k-means in principal components, against k-means of rows that were transformed beforehand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/fit.h"
#include "core/json.h"
#include "core/pca.h"
#include "eigen_oracle.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::ExpectError;
using test::Matrix;

Model FitRows(const Matrix& rows, std::int64_t k, const std::string& options, const std::vector<double>& weights = {}, int threads = 1) {
  return Fit(test::OwnedRows(rows, weights).set(), k, ParseOptions(options), test::kNoInterrupt, threads).value();
}

// Groups in d columns of different sizes, mixed.
Matrix MixedGroups(std::size_t n, std::size_t d, std::size_t groups, std::uint64_t seed) {
  Matrix rows = test::Blobs(n, d, groups, seed);
  for (auto& row : rows) {
    for (std::size_t j = 1; j < d; ++j) row[j] = row[j] / static_cast<double>(j + 1) + 0.3 * row[j - 1];
  }
  return rows;
}

Matrix Scaled(const Matrix& rows, const Model& model) {
  Matrix out = rows;
  for (auto& row : out) {
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = (row[j] - model.offset[j]) / model.scale[j];
  }
  return out;
}

// The rows in the model's components, of the columns after scaling.
Matrix Rotated(const Matrix& rows, const Model& model) {
  Matrix out;
  for (const auto& row : Scaled(rows, model)) {
    out.emplace_back(model.rotation->axes.size() / row.size());
    Rotate(row.data(), model.rotation->center, model.rotation->axes, out.back().data());
  }
  return out;
}

void ExpectNear(const std::vector<double>& got, const std::vector<double>& want, double tolerance, const std::string& where) {
  ASSERT_EQ(got.size(), want.size()) << where;
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << where << " " << i;
}

void ExpectSameFit(const Model& got, const Model& want, const std::string& where) {
  ExpectNear(got.centroids, want.centroids, 1e-9, where);
  ASSERT_EQ(got.segments.size(), want.segments.size()) << where;
  for (std::size_t s = 0; s < got.segments.size(); ++s) EXPECT_EQ(got.segments[s].rows, want.segments[s].rows) << where;
  EXPECT_NEAR(got.metrics.inertia, want.metrics.inertia, 1e-10 * want.metrics.inertia) << where;
  EXPECT_NEAR(got.metrics.total_inertia, want.metrics.total_inertia, 1e-10 * want.metrics.total_inertia) << where;
  EXPECT_NEAR(got.metrics.davies_bouldin, want.metrics.davies_bouldin, 1e-9) << where;
}

std::string Centroids(const Matrix& rows) {
  std::string out;
  for (const auto& row : rows) {
    out += out.empty() ? '[' : ',';
    AppendJsonNumbers(&out, row.data(), row.size());
  }
  return out + "]";
}

TEST(Components, TheRotationIsTheEigenvectorsOfTheCovariance) {
  const std::size_t d = 5;
  for (const std::vector<double>& weights : {std::vector<double>{}, test::RandomWeights(700, 4)}) {
    const Matrix rows = MixedGroups(700, d, 4, 1);
    for (const char* scale : {"none", "zscore", "minmax", "robust"}) {
      const Model model = FitRows(rows, 3, std::string(R"({"components":5,"scale":")") + scale + "\"}", weights);
      const test::Eigenpairs expected = test::SolveEigen(test::NaiveCovariance(Scaled(rows, model), weights), d);
      for (std::size_t q = 0; q < d; ++q) {
        double same = 0;
        for (std::size_t j = 0; j < d; ++j) same += model.rotation->axes[q * d + j] * expected.vectors[q][j];
        EXPECT_NEAR(std::abs(same), 1, 1e-10) << scale;
      }
    }
  }
}

TEST(Components, SegmentsAreThoseOfTransformedRows) {
  for (const char* components : {"1", "2", "4", "0.8"}) {
    for (const char* scale : {"none", "zscore", "minmax"}) {
      for (const std::vector<double>& weights : {std::vector<double>{}, test::RandomWeights(900, 4)}) {
        const Matrix rows = MixedGroups(900, 4, 5, 3);
        const Model model = FitRows(rows, 4, std::string(R"({"components":)") + components + R"(,"scale":")" + scale + "\"}", weights);
        const Model plain = FitRows(Rotated(rows, model), 4, "{}", weights);
        ExpectSameFit(model, plain, std::string(components) + " " + scale);
      }
    }
  }
}

TEST(Components, AShareTakesAsManyAsExplainIt) {
  const Matrix rows = MixedGroups(500, 6, 4, 8);
  const std::vector<double> values = test::SolveEigen(test::NaiveCovariance(rows), 6).values;
  double total = 0;
  for (double value : values) total += value;
  for (double share : {0.01, 0.5, 0.9, 0.99, 0.999999}) {
    std::size_t count = 0;
    for (double sum = 0; count == 0 || sum < share * total; ++count) sum += values[count];
    EXPECT_EQ(FitRows(rows, 2, R"({"components":)" + std::to_string(share) + "}").Dimensions(), count) << share;
  }
}

TEST(Components, ManyRowsInAnyOrderOnAnyThreads) {
  Matrix rows = MixedGroups(60'000, 3, 4, 2);
  const char* options = R"({"components":2,"scale":"zscore","n_init":2})";
  const Model model = FitRows(rows, 4, options);
  ExpectSameFit(model, FitRows(Rotated(rows, model), 4, R"({"n_init":2})"), "60,000 rows");
  std::mt19937_64 random(1);
  std::shuffle(rows.begin(), rows.end(), random);
  EXPECT_EQ(EncodeModel(FitRows(rows, 4, options, {}, 3)), EncodeModel(model));
}

TEST(Components, CosineComparesDirectionsOfComponents) {
  const Matrix rows = MixedGroups(400, 4, 3, 5);
  const Model model = FitRows(rows, 3, R"({"components":3,"distance":"cosine"})");
  const Model plain = FitRows(Rotated(rows, model), 3, R"({"distance":"cosine"})");
  ExpectNear(model.centroids, plain.centroids, 1e-9, "cosine");
  EXPECT_NEAR(model.metrics.inertia, plain.metrics.inertia, 1e-10 * plain.metrics.inertia);
}

TEST(Components, GivenCentroidsAreInRawUnits) {
  const Matrix rows = MixedGroups(600, 4, 4, 6);
  const Matrix init = {rows[0], rows[100], rows[200]};
  const Model model = FitRows(rows, 3, R"({"components":2,"scale":"minmax","max_iter":1,"init":)" + Centroids(init) + "}");
  const Model plain = FitRows(Rotated(rows, model), 3, R"({"max_iter":1,"init":)" + Centroids(Rotated(init, model)) + "}");
  ExpectSameFit(model, plain, "init");
  // A model's own centroids, back in raw units, lead to the model.
  const Model best = FitRows(rows, 3, R"({"components":2,"scale":"minmax"})");
  const std::vector<double> raw = RawCentroids(best);
  Matrix start;
  for (std::size_t s = 0; s < 3; ++s) start.emplace_back(raw.begin() + static_cast<std::ptrdiff_t>(4 * s), raw.begin() + static_cast<std::ptrdiff_t>(4 * s + 4));
  const Model again = FitRows(rows, 3, R"({"components":2,"scale":"minmax","min_gain":1,"warm_start":)" + Centroids(start) + "}");
  ExpectSameFit(again, best, "warm_start");
}

TEST(Components, CellsKeepWhatLiesWithinThem) {
  const Matrix rows = MixedGroups(800, 3, 3, 7);
  // Pairs of rows as cells: the mean, and half the squared differences.
  std::vector<double> cells(3, -100.0);
  cells.insert(cells.end(), 3, 100.0);
  for (std::size_t i = 0; i < rows.size(); i += 2) {
    cells.push_back(2);
    for (std::size_t j = 0; j < 3; ++j) cells.push_back((rows[i][j] + rows[i + 1][j]) / 2);
    for (std::size_t j = 0; j < 3; ++j) cells.push_back((rows[i][j] - rows[i + 1][j]) * (rows[i][j] - rows[i + 1][j]) / 2);
  }
  RowSet set;
  set.dimensions = 3;
  set.cells = reinterpret_cast<const char*>(cells.data());
  set.cell_count = rows.size() / 2;
  set.cell_rows = rows.size();
  const auto fit = [&](const char* options) { return Fit(set, 3, ParseOptions(options), test::kNoInterrupt).value(); };
  const Model plain = fit("{}");
  // All the components are a rotation, which keeps every distance.
  const Model all = fit(R"({"components":3})");
  EXPECT_EQ(all.fit.rows, 800u);
  EXPECT_NEAR(all.metrics.total_inertia, plain.metrics.total_inertia, 1e-9 * plain.metrics.total_inertia);
  EXPECT_NEAR(all.metrics.inertia, plain.metrics.inertia, 1e-3 * plain.metrics.inertia);
  const Model two = fit(R"({"components":2})");
  EXPECT_EQ(two.Dimensions(), 2u);
  EXPECT_LT(two.metrics.total_inertia, all.metrics.total_inertia);
  EXPECT_GT(two.metrics.total_inertia, 0.5 * all.metrics.total_inertia);
}

TEST(Components, WhatCannotBe) {
  const Matrix rows = MixedGroups(50, 3, 2, 1);
  ExpectError(ErrorCode::kInvalidParameter, [&] { FitRows(rows, 2, R"({"components":4})"); });
  // Constant columns are no direction; where all of them are, there is one component, of variance 0.
  Matrix constant = rows;
  for (auto& row : constant) row[1] = 0.1;
  const Model model = FitRows(constant, 2, R"({"components":2,"scale":"zscore"})");
  EXPECT_EQ(model.rotation->axes[1], 0);
  EXPECT_EQ(model.rotation->axes[4], 0);
  const Model point = FitRows(Matrix(20, {1.0, 2.0}), 1, R"({"components":0.5})");
  EXPECT_EQ(point.Dimensions(), 1u);
  EXPECT_EQ(point.metrics.inertia, 0);
}

}  // namespace
}  // namespace segmentation
