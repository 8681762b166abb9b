// Trainings with option "trim".
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/fit.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::ExpectError;
using test::Matrix;

Model FitRows(const Matrix& rows, std::int64_t k, const std::string& options, const std::vector<double>& weights = {}, int threads = 1) {
  return Fit(test::OwnedRows(rows, weights).set(), k, ParseOptions(options), test::kNoInterrupt, threads).value();
}

struct Best {
  double inertia = test::kInf;
  Matrix centroids;
};

// The least inertia of any rows that are kept in any k groups.
Best BestOfAll(const Matrix& rows, std::size_t k, std::size_t left_out) {
  const std::size_t n = rows.size();
  std::vector<std::size_t> label(n);  // k: left out
  Best best;
  for (;;) {
    if (static_cast<std::size_t>(std::count(label.begin(), label.end(), k)) == left_out) {
      double inertia = 0;
      Matrix means;
      for (std::size_t c = 0; c < k; ++c) {
        std::vector<double> mean(rows.front().size());
        double count = 0;
        for (std::size_t i = 0; i < n; ++i) {
          if (label[i] != c) continue;
          count += 1;
          for (std::size_t j = 0; j < mean.size(); ++j) mean[j] += rows[i][j];
        }
        for (double& value : mean) value /= count > 0 ? count : 1;
        for (std::size_t i = 0; i < n; ++i) inertia += label[i] == c ? test::SquaredDistance(rows[i].data(), mean.data(), mean.size()) : 0;
        means.push_back(mean);
      }
      if (inertia < best.inertia) best = {inertia, means};
    }
    std::size_t at = 0;
    while (at < n && label[at] == k) label[at++] = 0;
    if (at == n) return best;
    ++label[at];
  }
}

// Groups in [0, 10]^d, and outliers 100 and more away from all of them and from each other.
Matrix WithOutliers(std::size_t rows, std::size_t outliers, std::size_t groups, std::uint64_t seed) {
  Matrix matrix = test::Blobs(rows, 2, groups, seed, 0.2);
  for (std::size_t i = 0; i < outliers; ++i) {
    const auto side = static_cast<double>(i % 4);
    matrix.push_back({(side < 2 ? 1 : -1) * (200 + 150 * static_cast<double>(i)), (i % 2 == 0 ? 1 : -1) * (300 + 100 * static_cast<double>(i))});
  }
  test::Random random(seed);
  random.Shuffle(&matrix);
  return matrix;
}

// Nothing is better than the best of all partitions, nothing moves from there, and the search nearly always finds it, even on rows without
// any groups.
TEST(Trimmed, TinyDataGetTheBestOfAllPartitions) {
  int found = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Matrix rows = test::UniformRows(9, 2, seed, 0, 10);
    for (std::size_t k : {1u, 2u, 3u}) {
      const std::size_t out = 1 + seed % 3;
      const Best best = BestOfAll(rows, k, out);
      Options options = ParseOptions(R"({"n_init":30,"quality":"best","tol":0})");
      options.trim = static_cast<double>(out) / 9 + 1e-4;
      const Model model = Fit(test::OwnedRows(rows).set(), static_cast<std::int64_t>(k), options, test::kNoInterrupt).value();
      EXPECT_GE(model.metrics.inertia, best.inertia - 1e-9) << seed << " " << k;
      found += model.metrics.inertia <= best.inertia + 1e-9 ? 1 : 0;
      EXPECT_EQ(model.fit.left_out, out);
      EXPECT_EQ(model.fit.rows, 9 - out);
      options.init = Init::kExplicit;
      options.initial_centroids = best.centroids;
      const Model stays = Fit(test::OwnedRows(rows).set(), static_cast<std::int64_t>(k), options, test::kNoInterrupt).value();
      EXPECT_NEAR(stays.metrics.inertia, best.inertia, 1e-9) << seed << " " << k;
    }
  }
  EXPECT_GE(found, 110);  // of 120
}

TEST(Trimmed, PlantedOutliersAreLeftOut) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Matrix rows = WithOutliers(570, 30, 4, seed);
    Matrix clean;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(clean), [](const auto& row) { return std::abs(row[0]) < 100; });
    ASSERT_EQ(clean.size(), 570u);
    const Model want = FitRows(clean, 4, "{}");
    const Model model = FitRows(rows, 4, R"({"trim":0.05})");
    EXPECT_EQ(model.fit.left_out, 30u);
    EXPECT_EQ(model.fit.rows, 570u);
    EXPECT_EQ(model.fit.weight, 570);
    EXPECT_EQ(model.fit.trim, 0.05);
    ASSERT_EQ(model.segments.size(), 4u);
    for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(model.centroids[i], want.centroids[i], 1e-9) << seed;
    for (std::size_t s = 0; s < 4; ++s) {
      EXPECT_EQ(model.segments[s].rows, want.segments[s].rows);
      EXPECT_NEAR(model.segments[s].inertia, want.segments[s].inertia, 1e-9 * want.segments[s].inertia);
    }
    // All metrics are of what is kept.
    EXPECT_NEAR(model.metrics.inertia, want.metrics.inertia, 1e-9 * want.metrics.inertia);
    EXPECT_NEAR(model.metrics.total_inertia, want.metrics.total_inertia, 1e-9 * want.metrics.total_inertia);
    EXPECT_NEAR(model.metrics.mean_distance, want.metrics.mean_distance, 1e-9);
    EXPECT_NEAR(model.metrics.silhouette, want.metrics.silhouette, 1e-9);
    EXPECT_NEAR(model.metrics.calinski_harabasz, want.metrics.calinski_harabasz, 1e-9 * want.metrics.calinski_harabasz);
    EXPECT_NEAR(model.metrics.davies_bouldin, want.metrics.davies_bouldin, 1e-9);
  }
}

TEST(Trimmed, RepeatsWithAnyNumberOfThreadsAndAnyOrderOfRows) {
  for (std::size_t n : {400u, 30'000u, 70'000u}) {
    Matrix rows = test::Blobs(n, 2, 5, n, 1);
    for (std::size_t i = 0; i < n / 50; ++i) rows[i][0] += 100 * static_cast<double>(i % 7);
    std::vector<double> weights = test::RandomWeights(n, 1);
    for (const char* options : {R"({"trim":0.03,"n_init":2,"max_iter":20})", R"({"trim":0.2,"n_init":1,"scale":"robust","init":"random"})"}) {
      const std::string plain = EncodeModel(FitRows(rows, 5, options));
      const std::string weighted = EncodeModel(FitRows(rows, 5, options, weights));
      for (int threads : {2, 4}) {
        EXPECT_EQ(EncodeModel(FitRows(rows, 5, options, {}, threads)), plain) << n << " " << threads;
        EXPECT_EQ(EncodeModel(FitRows(rows, 5, options, weights, threads)), weighted) << n << " " << threads;
      }
      std::vector<std::size_t> order(n);
      std::iota(order.begin(), order.end(), std::size_t{0});
      test::Random(n).Shuffle(&order);
      Matrix other;
      std::vector<double> other_weights;
      for (std::size_t i : order) other.push_back(rows[i]), other_weights.push_back(weights[i]);
      EXPECT_EQ(EncodeModel(FitRows(other, 5, options, {}, 2)), plain) << n;
      EXPECT_EQ(EncodeModel(FitRows(other, 5, options, other_weights, 2)), weighted) << n;
    }
  }
}

// On a lattice equal distances abound.
TEST(Trimmed, TiesDoNotDependOnTheOrderOfRows) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Matrix rows = test::LatticeRows(200, 2, 4, seed);
    const std::string first = EncodeModel(FitRows(rows, 3, R"({"trim":0.15})"));
    EXPECT_NE(first.find("\"left_out\":30,"), std::string::npos) << first;
    test::Random random(seed);
    for (int i = 0; i < 5; ++i) {
      random.Shuffle(&rows);
      EXPECT_EQ(EncodeModel(FitRows(rows, 3, R"({"trim":0.15})")), first) << seed;
    }
  }
}

TEST(Trimmed, AWeightOfTwoIsTwoRows) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Matrix rows = test::UniformRows(300, 2, seed);
    const std::vector<double> weights(300, 2.0);
    const Matrix twice = test::Repeated(rows, weights);
    const std::string options = R"({"trim":0.1,"tol":0,"init":[[0.2,0.2],[0.2,0.8],[0.8,0.5]]})";
    const Model a = FitRows(rows, 3, options, weights);
    const Model b = FitRows(twice, 3, options);
    EXPECT_EQ(a.fit.left_out, 30u);
    EXPECT_EQ(b.fit.left_out, 60u);
    EXPECT_EQ(a.fit.weight, b.fit.weight);
    for (std::size_t i = 0; i < a.centroids.size(); ++i) EXPECT_NEAR(a.centroids[i], b.centroids[i], 1e-12) << seed;
    EXPECT_NEAR(a.metrics.inertia, b.metrics.inertia, 1e-9 * b.metrics.inertia);
  }
}

TEST(Trimmed, WithoutItNothingChanges) {
  const Matrix rows = test::Blobs(1000, 3, 4, 1, 2);
  EXPECT_EQ(EncodeModel(FitRows(rows, 4, R"({"trim":0})")), EncodeModel(FitRows(rows, 4, "{}")));
  // A share of less than one row leaves out none of them.
  const Model less = FitRows(rows, 4, R"({"trim":0.0009})");
  EXPECT_EQ(less.fit.left_out, 0u);
  EXPECT_NEAR(less.metrics.inertia, FitRows(rows, 4, "{}").metrics.inertia, 0.01 * less.metrics.inertia);
}

TEST(Trimmed, RowsAtTheirCentroidAreKept) {
  const Matrix rows = {{0}, {0}, {0}, {8}, {8}, {8}, {8}, {100}};
  const Model three = FitRows(rows, 3, R"({"trim":0.5})");
  EXPECT_EQ(three.segments.size(), 3u);
  EXPECT_EQ(three.fit.left_out, 0u);
  EXPECT_EQ(three.metrics.inertia, 0);
  const Model two = FitRows(rows, 2, R"({"trim":0.125})");
  EXPECT_EQ(two.fit.left_out, 1u);
  EXPECT_EQ(two.metrics.inertia, 0);
  EXPECT_EQ(two.centroids, (std::vector<double>{8, 0}));
  const Model equal = FitRows(Matrix(10, {3.0}), 2, R"({"trim":0.4})");
  EXPECT_EQ(equal.segments.size(), 1u);
  EXPECT_EQ(equal.fit.rows, 10u);
}

// The start far away gets nothing but what is left out, and then the farthest row that is kept.
TEST(Trimmed, EmptyClustersTakeRowsThatAreKept) {
  const Matrix rows = {{0}, {1}, {2}, {20}, {21}, {22}, {1000}, {0.5}, {20.5}, {21.5}};
  const Model model = FitRows(rows, 3, R"({"trim":0.1,"tol":0,"init":[[1],[21],[2000]]})");
  ASSERT_EQ(model.segments.size(), 3u);
  EXPECT_EQ(model.fit.left_out, 1u);
  for (double centroid : model.centroids) EXPECT_LT(centroid, 100);
}

TEST(Trimmed, KeepsMinSize) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Model model = FitRows(WithOutliers(380, 20, 4, seed), 8, R"({"trim":0.05,"min_size":30})");
    for (const Segment& segment : model.segments) EXPECT_GE(segment.rows, 30u);
    EXPECT_EQ(model.fit.rows + model.fit.left_out, 400u);
  }
}

TEST(Trimmed, ScalesComponentsAndDirections) {
  const Matrix rows = WithOutliers(475, 25, 3, 7);
  for (const char* others : {R"("scale":"robust")", R"("scale":"zscore")", R"("scale":"minmax")", R"("components":1)", R"("quality":"best")",
                             R"("quality":"fast")", R"("init":"random")"}) {
    const Model model = FitRows(rows, 3, std::string(R"({"trim":0.05,)") + others + "}");
    EXPECT_EQ(model.fit.left_out, 25u) << others;
    EXPECT_EQ(model.fit.rows, 475u) << others;
    double sum = 0;
    for (const Segment& segment : model.segments) sum += static_cast<double>(segment.rows);
    EXPECT_EQ(sum, 475) << others;
  }
  // Directions along two axes, and one in twenty between them.
  Matrix directions;
  test::Random random(1);
  for (int i = 0; i < 400; ++i) {
    const double small = 0.01 * random.Uniform();
    const double length = random.Uniform(1, 100);
    if (i % 20 == 0) directions.push_back({length, length * (1 + small)});
    else if (i % 2 == 0) directions.push_back({length, length * small});
    else directions.push_back({length * small, length});
  }
  const Model cosine = FitRows(directions, 2, R"({"trim":0.05,"distance":"cosine"})");
  EXPECT_EQ(cosine.fit.left_out, 20u);
  EXPECT_LT(cosine.metrics.inertia, 380 * 0.01 * 0.01);
}

TEST(Trimmed, AWarmStartIsKeptUnlessMinGainIsGained) {
  const Matrix rows = WithOutliers(570, 30, 4, 3);
  const Model model = FitRows(rows, 4, R"({"trim":0.05})");
  const Matrix stuck = {{5, 5}, {200, 300}, {-500, 500}, {350, -400}};
  Options options = ParseOptions(R"({"trim":0.05,"min_gain":1})");
  options.warm_start = stuck;
  const Model kept = Fit(test::OwnedRows(rows).set(), 4, options, test::kNoInterrupt).value();
  options.min_gain = 0.01;
  const Model gained = Fit(test::OwnedRows(rows).set(), 4, options, test::kNoInterrupt).value();
  EXPECT_GE(kept.metrics.inertia, gained.metrics.inertia);
  EXPECT_NEAR(gained.metrics.inertia, model.metrics.inertia, 1e-9 * model.metrics.inertia);
  EXPECT_EQ(kept.fit.left_out, 30u);
}

TEST(Trimmed, RangesAreTheSameModels) {
  const test::OwnedRows rows(WithOutliers(285, 15, 3, 2));
  const Options options = ParseOptions(R"({"trim":0.05,"n_init":3})");
  const std::vector<Model> models = FitRange(rows.set(), 1, 4, options, test::kNoInterrupt);
  ASSERT_EQ(models.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(EncodeModel(models[i]), EncodeModel(Fit(rows.set(), static_cast<std::int64_t>(i) + 1, options, test::kNoInterrupt).value()));
  }
}

// A cell of one row is that row; a heavy one is kept as a whole where its weight is more than may be left out.
TEST(Trimmed, CellsAreKeptOrLeftOutAsAWhole) {
  std::vector<double> values = {-1e6, 1e6};  // bounds of all rows
  const auto add = [&](double weight, double mean) { values.insert(values.end(), {weight, mean, 0.0}); };
  for (int i = 0; i < 40; ++i) add(2, (i % 2 == 0 ? 0 : 50) + 0.01 * i);
  add(4, 1000);
  add(5, 2000);
  RowSet set;
  set.dimensions = 1;
  set.cells = reinterpret_cast<const char*>(values.data());
  set.cell_count = 42;
  set.cell_rows = 89;
  const Model both = Fit(set, 2, ParseOptions(R"({"trim":0.11})"), test::kNoInterrupt).value();
  EXPECT_EQ(both.fit.left_out, 9u);
  EXPECT_EQ(both.fit.rows, 80u);
  EXPECT_EQ(both.fit.weight, 80);
  EXPECT_LT(both.metrics.inertia, 80);
  EXPECT_EQ(both.segments[0].rows + both.segments[1].rows, 80u);
  // 8 may be left out: the farthest cell, and not the one behind it.
  const Model one = Fit(set, 3, ParseOptions(R"({"trim":0.09})"), test::kNoInterrupt).value();
  EXPECT_EQ(one.fit.rows + one.fit.left_out, 89u);
  EXPECT_LE(one.fit.left_out, 8u);
  EXPECT_FALSE(one.fit.exact);
  EXPECT_EQ(one.warnings.back().code, "not_exact");
}

TEST(Trimmed, IsReadAndChecked) {
  EXPECT_EQ(ParseOptions("{}").trim, 0);
  for (const char* good : {"0", "0.05", "0.5", "1e-9"}) EXPECT_EQ(ParseOptions(std::string(R"({"trim":)") + good + "}").trim, std::stod(good));
  EXPECT_EQ(ParseOptions(R"({"trim":0.1})", OptionsOf::kTrain).trim, 0.1);
  for (const char* bad : {"-0.01", "0.51", "1", "\"0.1\"", "null", "[]", "true"}) {
    const Error error = ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseOptions(std::string(R"({"trim":)") + bad + "}"); }, bad);
    EXPECT_NE(error.message().find("\"trim\""), std::string::npos) << error.message();
    EXPECT_NE(error.hint().find("0 to 0.5"), std::string::npos) << error.hint();
  }
  const Options options = ParseOptions(R"({"trim":0.1})");
  EXPECT_NO_THROW(CheckOptions(options, kMaxClusters - 1, 1));
  ExpectError(ErrorCode::kInvalidParameter, [&] { CheckOptions(options, kMaxClusters, 1); });
  EXPECT_NO_THROW(CheckOptions(ParseOptions("{}"), kMaxClusters, 1));
}

}  // namespace
}  // namespace segmentation
