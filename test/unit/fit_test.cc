// Training as a whole: how good its results are, and what the model says about them.
#include "core/fit.h"
#include "core/lloyd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::ExpectError;
using test::Matrix;

std::optional<Model> TryFit(const Matrix& rows, std::int64_t k, const std::string& options = "{}",
                            const std::vector<double>& weights = {}) {
  return Fit(test::OwnedRows(rows, weights).set(), k, ParseOptions(options), test::kNoInterrupt);
}

Model FitRows(const Matrix& rows, std::int64_t k, const std::string& options = "{}",
              const std::vector<double>& weights = {}) {
  return TryFit(rows, k, options, weights).value();
}

bool HasWarning(const Model& model, const std::string& code) {
  return std::any_of(model.warnings.begin(), model.warnings.end(), [&](const Warning& w) { return w.code == code; });
}

// The least inertia over all partitions into at most k parts: row i joins a part in use or opens the next.
double LeastInertia(const Matrix& rows, std::size_t k, std::vector<std::int32_t>* labels, std::int32_t used) {
  if (labels->size() == rows.size()) return test::PartitionInertia(rows, {}, *labels, k);
  double least = test::kInf;
  for (std::int32_t part = 0; part <= used && part < static_cast<std::int32_t>(k); ++part) {
    labels->push_back(part);
    least = std::min(least, LeastInertia(rows, k, labels, std::max(used, part + 1)));
    labels->pop_back();
  }
  return least;
}

double LeastInertia(const Matrix& rows, std::size_t k) {
  std::vector<std::int32_t> labels;
  return LeastInertia(rows, k, &labels, 0);
}

struct Found {
  int tasks = 0;
  int best = 0;  // how many of them ended in the best partition
};

Found CountBest(const std::string& options) {
  Found found;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    for (std::size_t k : {2u, 3u, 4u}) {
      const std::size_t n = 6 + seed % 4;
      const std::size_t d = 1 + seed % 3;
      for (const Matrix& rows :
           {test::UniformRows(n, d, seed), test::Blobs(n, d, 3, seed, 2), test::LatticeRows(n, d, 6, seed)}) {
        const double best = LeastInertia(rows, k);
        const double ours = FitRows(rows, static_cast<std::int64_t>(k), options).metrics.inertia;
        EXPECT_GE(ours, best * (1 - 1e-9) - 1e-12);
        ++found.tasks;
        found.best += ours <= best * (1 + 1e-9) + 1e-12 ? 1 : 0;
      }
    }
  }
  return found;
}

// The default is ten starts, each ending in some local optimum, and a few exchanges where k >= 4, so it may miss; "best"
// may as well. Measured over seeds 0 to 399 (3,600 tasks): "default" misses 4, by up to 22 %, "best" 1. (From how often
// single starts succeed, ten of them alone should miss 6.4.)
TEST(Fit, NearlyAlwaysFindsTheBestPartitionOfAFewRows) {
  for (const char* options : {"{}", R"({"quality":"best"})"}) {
    const Found found = CountBest(options);
    EXPECT_GE(found.best, found.tasks * 99 / 100) << options;
  }
}

// Measured on the same 3,600 tasks: no miss.
TEST(Fit, WithFiftyStartsItAlwaysDoes) {
  const Found found = CountBest(R"({"n_init":50})");
  EXPECT_EQ(found.best, found.tasks);
}

TEST(Fit, FindsGroupsThatAreFarApart) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Matrix rows;
    test::Random random(seed);
    for (int i = 0; i < 600; ++i) {
      const auto group = static_cast<double>(i % 6);
      rows.push_back({100 * group + random.Normal(), 50 * (i % 2) + random.Normal()});
    }
    const Model model = FitRows(rows, 6);
    ASSERT_EQ(model.segments.size(), 6u);
    for (const Segment& segment : model.segments) EXPECT_EQ(segment.rows, 100u);
  }
}

TEST(Fit, SegmentsAreNumberedByWeightThenCentroid) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (const Matrix& rows : {test::Blobs(300, 2, 5, seed), test::LatticeRows(200, 2, 5, seed)}) {
      const Model model = FitRows(rows, 5);
      for (std::size_t s = 0; s < model.segments.size(); ++s) {
        EXPECT_EQ(model.segments[s].id, static_cast<std::int32_t>(s));
        if (s == 0) continue;
        EXPECT_GE(model.segments[s - 1].weight, model.segments[s].weight) << seed;
        if (model.segments[s - 1].weight > model.segments[s].weight) continue;
        const double* centroid = model.centroids.data() + s * 2;
        EXPECT_TRUE(std::lexicographical_compare(centroid - 2, centroid, centroid, centroid + 2)) << seed;
      }
    }
  }
}

TEST(Fit, TheModelSaysHowItWasTrained) {
  test::OwnedRows rows(test::Blobs(200, 2, 3, 1), test::RandomWeights(200, 1));
  rows.mutable_set()->skipped = 4;
  const Options options = ParseOptions(
      R"({"n_init":3,"max_iter":50,"tol":0.01,"seed":-9,"min_size":2,"on_null":"skip","scale":"zscore","features":["a","b"]})");
  const Model model = Fit(rows.set(), 3, options, test::kNoInterrupt).value();
  EXPECT_EQ(model.fit.k, 3);
  EXPECT_EQ(model.fit.init, "k-means++");
  EXPECT_EQ(model.fit.n_init, 3);
  EXPECT_EQ(model.fit.max_iter, 50);
  EXPECT_EQ(model.fit.tol, 0.01);
  EXPECT_EQ(model.fit.quality, "default");
  EXPECT_EQ(model.fit.on_null, "skip");
  EXPECT_EQ(model.fit.min_size, 2);
  EXPECT_EQ(model.fit.seed, -9);
  EXPECT_EQ(model.fit.rows, 200u);
  EXPECT_EQ(model.fit.skipped, 4u);
  EXPECT_TRUE(model.fit.exact);
  EXPECT_GT(model.fit.iterations, 0u);
  EXPECT_EQ(model.scaling, "zscore");
  EXPECT_EQ(model.inputs[0].name, "a");
  EXPECT_EQ(model.inputs[1].name, "b");
  double weight = 0;
  std::uint64_t count = 0;
  double inertia = 0;
  for (const Segment& segment : model.segments) weight += segment.weight, count += segment.rows, inertia += segment.inertia;
  EXPECT_EQ(weight, model.fit.weight);
  EXPECT_EQ(count, model.fit.rows);
  EXPECT_NEAR(inertia, model.metrics.inertia, 1e-12 * inertia);
}

TEST(Fit, FeaturesWithoutNamesAreNumbered) {
  const Model model = FitRows(test::UniformRows(10, 3, 1), 1);
  EXPECT_EQ(ColumnNames(model), (std::vector<std::string>{"f1", "f2", "f3"}));
}

TEST(Fit, NoRowsNoModel) {
  RowSet none;
  none.dimensions = 2;
  EXPECT_FALSE(Fit(none, 3, Options(), test::kNoInterrupt).has_value());
  EXPECT_FALSE(TryFit({{0, 0}, {0, 0}}, 1, R"({"distance":"cosine","on_null":"skip"})").has_value());
}

TEST(Fit, OneRowIsOneSegment) {
  const Model model = FitRows({{3, 4}}, 1);
  EXPECT_EQ(model.centroids, (std::vector<double>{3, 4}));
  EXPECT_EQ(model.metrics.inertia, 0);
  EXPECT_FALSE(HasWarning(model, "fewer_clusters"));
  for (Scale scale : {Scale::kZscore, Scale::kMinmax, Scale::kRobust}) {
    const Model scaled = FitRows({{3, 4}}, 1, std::string(R"({"scale":")") + Name(scale) + "\"}");
    EXPECT_EQ(scaled.centroids, (std::vector<double>{0, 0}));
    EXPECT_EQ(RawCentroids(scaled), (std::vector<double>{3, 4}));
  }
}

TEST(Fit, FewerDifferentRowsGiveFewerSegmentsAndAWarning) {
  const Matrix rows = test::LatticeRows(500, 2, 2, 1);  // 4 different ones
  for (const char* options :
       {"{}", R"({"init":"random"})", R"({"quality":"fast"})", R"({"quality":"best"})", R"({"scale":"zscore"})"}) {
    const Model model = FitRows(rows, 9, options);
    EXPECT_EQ(model.segments.size(), 4u) << options;
    EXPECT_EQ(model.fit.k, 9);
    EXPECT_NEAR(model.metrics.inertia, 0, 1e-20);
    EXPECT_TRUE(HasWarning(model, "fewer_clusters")) << options;
  }
  const Model one = FitRows(Matrix(100, {7, 8}), 3);
  EXPECT_EQ(one.segments.size(), 1u);
  EXPECT_EQ(one.metrics.total_inertia, 0);
  EXPECT_TRUE(std::isnan(one.metrics.silhouette));
  EXPECT_FALSE(HasWarning(FitRows(rows, 4), "fewer_clusters"));
}

// Above kSearchRows a sample is searched, which is likely to miss rows that are there once in 200,000.
TEST(Fit, RareDifferentRowsAreFound) {
  Matrix rows(200'000, {0.0});
  for (int i = 0; i < 3; ++i) rows.push_back({100.0 + i});
  const Model model = FitRows(rows, 4);
  EXPECT_EQ(model.segments.size(), 4u);
  EXPECT_EQ(model.metrics.inertia, 0);
  EXPECT_FALSE(HasWarning(model, "fewer_clusters"));
  EXPECT_EQ(FitRows(rows, 9).segments.size(), 4u);
  EXPECT_TRUE(HasWarning(FitRows(rows, 9), "fewer_clusters"));
}

// The inertia within is 5e-311 and that between 1e300: their quotient is no double.
TEST(Fit, MetricsThatOverflowAreNotDefined) {
  const Model model = FitRows({{0}, {1e-155}, {1e150}, {1e150}}, 2);
  EXPECT_TRUE(std::isnan(model.metrics.calinski_harabasz));
  EXPECT_NO_THROW(EncodeModel(model));
}

TEST(Fit, MinSizeIsKept) {
  Matrix rows = test::Blobs(300, 2, 3, 5, 0.3);
  rows.push_back({90, 90});  // alone, far away
  EXPECT_EQ(FitRows(rows, 4).segments.back().rows, 1u);
  const Model model = FitRows(rows, 4, R"({"min_size":10})");
  for (const Segment& segment : model.segments) EXPECT_GE(segment.rows, 10u);
  EXPECT_EQ(HasWarning(model, "fewer_clusters"), model.segments.size() < 4);
  const Model impossible = FitRows(rows, 4, R"({"min_size":1000})");
  EXPECT_EQ(impossible.segments.size(), 1u);
  EXPECT_TRUE(HasWarning(impossible, "min_size"));
}

TEST(Fit, MaxIterWarns) {
  const Matrix rows = test::UniformRows(3000, 2, 1);
  const Model cut = FitRows(rows, 9, R"({"max_iter":1,"quality":"fast","tol":0})");
  EXPECT_TRUE(HasWarning(cut, "not_converged"));
  EXPECT_EQ(cut.fit.iterations, 1u);
  EXPECT_FALSE(HasWarning(FitRows(rows, 9), "not_converged"));
}

TEST(Fit, WarnsOfUnscaledColumns) {
  Matrix rows = test::UniformRows(500, 2, 1);
  for (auto& row : rows) row[1] *= 100;
  EXPECT_TRUE(HasWarning(FitRows(rows, 2), "unscaled"));
  EXPECT_FALSE(HasWarning(FitRows(rows, 2, R"({"scale":"zscore"})"), "unscaled"));
  EXPECT_FALSE(HasWarning(FitRows(test::UniformRows(500, 2, 1), 2), "unscaled"));
  EXPECT_FALSE(HasWarning(FitRows(test::UniformRows(500, 1, 1), 2), "unscaled"));  // one column is always all of it
}

TEST(Fit, WarnsOfSkewedColumns) {
  Matrix rows = test::UniformRows(500, 2, 1);
  EXPECT_FALSE(HasWarning(FitRows(rows, 2), "skewed"));
  for (auto& row : rows) row[1] = std::exp(8 * row[1]);
  const Model model = FitRows(rows, 2, R"({"scale":"zscore","features":["age","income"]})");
  ASSERT_TRUE(HasWarning(model, "skewed"));
  EXPECT_NE(model.warnings.front().message.find("\"income\""), std::string::npos);
  EXPECT_EQ(model.warnings.front().message.find("\"age\""), std::string::npos);
}

TEST(Fit, ExplicitCentroidsAreInRawUnits) {
  Matrix rows;
  for (int i = 0; i < 50; ++i) rows.push_back({1000.0 + i % 5, 1}), rows.push_back({2000.0 + i % 5, 2});
  for (const char* scale : {"none", "zscore", "minmax", "robust"}) {
    const Model model = FitRows(rows, 2, std::string(R"({"init":[[1000,1],[2000,2]],"scale":")") + scale + "\"}");
    const auto raw = RawCentroids(model);
    EXPECT_NEAR(raw[0], 1002, 1e-9);
    EXPECT_NEAR(raw[1], 1, 1e-9);
    EXPECT_NEAR(raw[2], 2002, 1e-9);
    EXPECT_EQ(model.fit.init, "explicit");
    EXPECT_EQ(model.fit.n_init, 1);
  }
}

TEST(Fit, BadRequestsAreErrors) {
  const Matrix rows = test::UniformRows(10, 2, 1);
  ExpectError(ErrorCode::kInvalidParameter, [&] { TryFit(rows, 0); });
  ExpectError(ErrorCode::kInvalidParameter, [&] { TryFit(rows, -1); });
  ExpectError(ErrorCode::kInvalidParameter, [&] { TryFit(rows, 2, R"({"init":[[1,2]]})"); });
  ExpectError(ErrorCode::kDimensionMismatch, [&] { TryFit(rows, 1, R"({"init":[[1,2,3]]})"); });
  ExpectError(ErrorCode::kDimensionMismatch, [&] { TryFit(rows, 1, R"({"features":["a"]})"); });
  ExpectError(ErrorCode::kInvalidParameter, [&] { TryFit({{1, 1}, {0, 0}}, 1, R"({"distance":"cosine"})"); });
  ExpectError(ErrorCode::kInvalidParameter, [&] { TryFit(rows, 1, R"({"distance":"cosine","init":[[0,0]]})"); });
}

TEST(Fit, NumbersBeyondTheRangeAreErrors) {
  for (const char* options : {"{}", R"({"scale":"zscore"})", R"({"scale":"minmax"})", R"({"scale":"robust"})"}) {
    ExpectError(
        ErrorCode::kNotFinite,
        [&] {
          TryFit({{1e200}, {-1e200}, {0}}, 2, options);
        },
        options);
  }
  // Each column's variance is a double, the sum of all is not.
  ExpectError(ErrorCode::kNotFinite, [&] {
    TryFit(Matrix{std::vector<double>(100, 1e154), std::vector<double>(100, 0.0)}, 2);
  });
}

TEST(Fit, LargeAndSmallUnitsAreFine) {
  const Matrix rows = test::Blobs(200, 2, 3, 1);
  const Model expected = FitRows(rows, 3);
  for (double unit : {0x1p-400, 0x1p-100, 0x1p100, 0x1p400}) {
    Matrix scaled = rows;
    for (auto& row : scaled) row[0] *= unit, row[1] *= unit;
    const Model model = FitRows(scaled, 3);
    ASSERT_EQ(model.segments.size(), 3u) << unit;
    for (std::size_t s = 0; s < 3; ++s) EXPECT_EQ(model.segments[s].rows, expected.segments[s].rows) << unit;
    EXPECT_NO_THROW(EncodeModel(model));
  }
}

TEST(Fit, GivenCentroidsAreTheOnlyStartAndGetLloydAlone) {
  const Matrix rows = test::Blobs(500, 2, 6, 4);
  Options options;
  options.init = Init::kExplicit;
  options.initial_centroids = {rows.begin(), rows.begin() + 5};
  options.tol = 0;
  const Clustering expected = Lloyd(test::MakePoints(rows), test::Flatten({rows.begin(), rows.begin() + 5}), {300, 0},
                                    Distance::kEuclidean, test::Alone());
  for (Quality quality : {Quality::kFast, Quality::kDefault, Quality::kBest}) {
    options.quality = quality;
    const Model model = Fit(test::OwnedRows(rows).set(), 5, options, test::kNoInterrupt).value();
    EXPECT_DOUBLE_EQ(model.metrics.inertia, expected.inertia);  // summed by segment
    EXPECT_EQ(model.fit.iterations, expected.iterations);
  }
}

TEST(Fit, BestIsNeverWorseThanTheDefault) {
  // Many rows: they are searched through samples, where the exchanges of "best" alone end 0.3 % above the defaults' (k = 8).
  const test::OwnedRows rows(test::UniformRows(60000, 4, 1));
  for (std::int64_t k : {5, 8}) {
    Options options;
    options.n_init = 2;
    const double usual = Fit(rows.set(), k, options, test::kNoInterrupt).value().metrics.inertia;
    options.quality = Quality::kBest;
    EXPECT_LE(Fit(rows.set(), k, options, test::kNoInterrupt).value().metrics.inertia, usual) << k;
  }
}

TEST(Fit, AnInterruptEndsItSoon) {
  struct Stopped {};
  static volatile std::sig_atomic_t pending = 1;
  const Interrupt interrupt{&pending, [](void*) { throw Stopped(); }, nullptr};
  const test::OwnedRows rows(test::UniformRows(1000, 2, 1));
  EXPECT_THROW(Fit(rows.set(), 2, Options(), interrupt), Stopped);
}

}  // namespace
}  // namespace segmentation
