// Options "warm_start" and "min_gain": the centroids of an earlier model as a start beside the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/fit.h"
#include "core/options.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::ExpectError;
using test::Matrix;

Model FitWith(const Matrix& rows, std::int64_t k, const Options& options, int threads = 1) {
  return Fit(test::OwnedRows(rows).set(), k, options, test::kNoInterrupt, threads).value();
}

// To the end of Lloyd's algorithm, so that it can be told where that is.
Options Warm(const Matrix& centroids, double min_gain = 0.01, const char* others = R"({"tol":0})") {
  Options options = ParseOptions(others);
  options.warm_start = centroids;
  options.min_gain = min_gain;
  return options;
}

// Sums of squares about the nearest of these, which are the means of their rows where Lloyd's algorithm has ended.
double InertiaAbout(const Matrix& rows, const Matrix& centroids) {
  double sum = 0;
  for (const auto& row : rows) sum += test::NaiveNearest(row, test::Flatten(centroids)).square;
  return sum;
}

// Three groups on a line: two close to each other, and one far away with twice as many rows.
Matrix ThreeGroups(std::uint64_t seed) {
  test::Random random(seed);
  Matrix rows;
  for (int i = 0; i < 400; ++i) rows.push_back({(i % 4 == 0 ? 0.0 : i % 4 == 1 ? 10.0 : 100.0) + random.Normal()});
  return rows;
}

// Where Lloyd's algorithm stays stuck: one centroid for the two close groups, two for the far one.
const Matrix kStuck = {{5}, {99.5}, {100.5}};

struct Ends {
  double best = 0;   // one centroid per group
  double stuck = 0;  // where kStuck leads
};

// By means of the groups' rows, and by halving the far group at its middle until it does not change (Lloyd's algorithm by
// hand).
Ends EndsOf(const Matrix& rows) {
  const auto mean = [&](double low, double high) {
    double sum = 0, count = 0;
    for (const auto& row : rows) {
      if (row[0] >= low && row[0] < high) sum += row[0], count += 1;
    }
    return sum / count;
  };
  Ends ends;
  ends.best = InertiaAbout(rows, {{mean(-50, 5)}, {mean(5, 50)}, {mean(50, 200)}});
  double left = 99.5, right = 100.5;
  for (int i = 0; i < 200; ++i) {
    const double middle = (left + right) / 2;
    left = mean(50, middle), right = mean(middle, 200);
  }
  ends.stuck = InertiaAbout(rows, {{mean(-50, 50)}, {left}, {right}});
  return ends;
}

TEST(WarmStart, FromAWorseClusteringIsNotKept) {
  const Matrix rows = ThreeGroups(1);
  const Ends ends = EndsOf(rows);
  ASSERT_GT(ends.stuck, 2 * ends.best);
  EXPECT_NEAR(FitWith(rows, 3, Warm(kStuck)).metrics.inertia, ends.best, 1e-9 * ends.best);
  EXPECT_NEAR(FitWith(rows, 3, Warm(kStuck, 0)).metrics.inertia, ends.best, 1e-9 * ends.best);
}

TEST(WarmStart, IsKeptUnlessMinGainIsGained) {
  const Matrix rows = ThreeGroups(2);
  const Ends ends = EndsOf(rows);
  const double gain = 1 - ends.best / ends.stuck;
  EXPECT_NEAR(FitWith(rows, 3, Warm(kStuck, gain * 0.999)).metrics.inertia, ends.best, 1e-9 * ends.best);
  EXPECT_NEAR(FitWith(rows, 3, Warm(kStuck, gain * 1.001)).metrics.inertia, ends.stuck, 1e-9 * ends.stuck);
  EXPECT_NEAR(FitWith(rows, 3, Warm(kStuck, 1)).metrics.inertia, ends.stuck, 1e-9 * ends.stuck);
}

// With min_gain 1 only an inertia of 0 could be enough of a gain, and even then it is not lower by more than all of it.
TEST(WarmStart, WithMinGain1ItIsAlwaysKept) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Matrix more = ThreeGroups(seed);
    const Ends ends = EndsOf(more);
    EXPECT_NEAR(FitWith(more, 3, Warm(kStuck, 1)).metrics.inertia, ends.stuck, 1e-9 * ends.stuck);
  }
}

// Ten groups, and a search of one random start, which misses some of them.
TEST(WarmStart, FromABetterClusteringIsKept) {
  int missed = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    test::Random random(seed);
    Matrix rows, centers;
    for (int g = 0; g < 10; ++g) centers.push_back({random.Uniform(0, 1000), random.Uniform(0, 1000)});
    for (int i = 0; i < 500; ++i)
      rows.push_back({centers[i % 10u][0] + random.Normal(), centers[i % 10u][1] + random.Normal()});
    Matrix means(10, std::vector<double>(2));
    for (std::size_t i = 0; i < 500; ++i) means[i % 10][0] += rows[i][0] / 50, means[i % 10][1] += rows[i][1] / 50;
    const double best = InertiaAbout(rows, means);
    const char* search = R"({"quality":"fast","init":"random"})";
    const double cold = FitWith(rows, 10, ParseOptions(search)).metrics.inertia;
    missed += cold > 1.5 * best ? 1 : 0;
    for (double min_gain : {0.0, 0.01, 1.0}) {
      const double warm = FitWith(rows, 10, Warm(centers, min_gain, search)).metrics.inertia;
      EXPECT_LE(warm, best * (1 + 1e-9)) << seed;
      EXPECT_LE(warm, cold * (1 + 1e-9)) << seed;
    }
  }
  EXPECT_GT(missed, 5);
}

// The order of the segments is by weight; where the search finds the same partition, nothing tells which was kept.
TEST(WarmStart, FromTheModelItselfGivesIt) {
  const Matrix rows = test::Blobs(1000, 3, 6, 5, 1.5);
  for (const char* options : {"{}", R"({"scale":"zscore"})", R"({"scale":"robust"})", R"({"scale":"minmax"})"}) {
    const Model first = FitWith(rows, 6, ParseOptions(options));
    const std::vector<double> raw = RawCentroids(first);
    Matrix centroids;
    for (std::size_t s = 0; s < 6; ++s)
      centroids.emplace_back(raw.begin() + static_cast<std::ptrdiff_t>(3 * s),
                             raw.begin() + static_cast<std::ptrdiff_t>(3 * s + 3));
    const Model again = FitWith(rows, 6, Warm(centroids, 0.01, options));
    EXPECT_LE(again.metrics.inertia, first.metrics.inertia * (1 + 1e-9)) << options;
    EXPECT_GE(again.metrics.inertia, first.metrics.inertia * (1 - 0.01)) << options;
  }
}

// Raw units: the stuck start is stuck only when it is read in those.
TEST(WarmStart, IsInTheUnitsOfTheFeatures) {
  const Matrix rows = ThreeGroups(3);
  const Ends ends = EndsOf(rows);
  for (const char* options :
       {R"({"tol":0,"scale":"zscore"})", R"({"tol":0,"scale":"minmax"})", R"({"tol":0,"scale":"robust"})"}) {
    const Model model = FitWith(rows, 3, Warm(kStuck, 1, options));
    const double scale = model.scale[0];
    EXPECT_NEAR(model.metrics.inertia * scale * scale, ends.stuck, 1e-9 * ends.stuck) << options;
  }
}

TEST(WarmStart, FewerCentroidsAreCompleted) {
  const Matrix rows = test::Blobs(600, 2, 5, 6, 0.4);
  const std::vector<double> one = RawCentroids(FitWith(rows, 1, {}));
  for (std::size_t given = 1; given <= 5; ++given) {
    const Matrix centroids(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(given));
    const Model model = FitWith(rows, 5, Warm(centroids, 1));
    EXPECT_EQ(model.segments.size(), 5u) << given;
    for (const Segment& segment : model.segments) EXPECT_GT(segment.rows, 0u);
    EXPECT_LT(model.metrics.inertia, InertiaAbout(rows, {one}) / 2) << given;
    EXPECT_EQ(model.fit.k, 5);
  }
}

TEST(WarmStart, MoreThanKAreAnError) {
  const Error error = ExpectError(ErrorCode::kInvalidParameter, [] { FitWith(ThreeGroups(1), 2, Warm(kStuck)); });
  EXPECT_NE(error.message().find("warm_start"), std::string::npos);
  EXPECT_NE(error.detail().find('3'), std::string::npos);
  EXPECT_NE(error.detail().find('2'), std::string::npos);
  ExpectError(ErrorCode::kInvalidParameter, [] { CheckOptions(Warm(kStuck), 2, 0); });
  EXPECT_NO_THROW(CheckOptions(Warm(kStuck), 3, 1));
}

TEST(WarmStart, OfAnotherDimensionIsAnError) {
  ExpectError(ErrorCode::kDimensionMismatch, [] { FitWith(test::UniformRows(20, 2, 1), 3, Warm(kStuck)); });
  ExpectError(ErrorCode::kDimensionMismatch, [] { CheckOptions(Warm(kStuck), 3, 2); });
}

TEST(WarmStart, TooFarAwayIsAnError) {
  ExpectError(ErrorCode::kNotFinite, [] { FitWith(ThreeGroups(1), 3, Warm({{1e200}})); });
}

TEST(WarmStart, OnDirections) {
  Options options = Warm({{0, 0}}, 0.01, R"({"distance":"cosine"})");
  ExpectError(ErrorCode::kInvalidParameter, [&] { FitWith(test::UniformRows(20, 2, 1, 1, 2), 2, options); });
  options.warm_start = {{3, 0}, {0, 70}};
  Matrix rows;
  for (int i = 0; i < 40; ++i) rows.push_back({i % 2 == 0 ? 1 + 0.01 * i : 0.001, i % 2 == 0 ? 0.002 : 5.0 * i});
  const Model model = FitWith(rows, 2, options);
  ASSERT_EQ(model.segments.size(), 2u);
  EXPECT_EQ(model.segments[0].rows, 20u);
  EXPECT_EQ(model.segments[1].rows, 20u);
}

TEST(WarmStart, IsReadAndChecked) {
  const Options options = ParseOptions(R"({"warm_start":[[1,2.5],[-3,4e2]],"min_gain":0.25})");
  EXPECT_EQ(options.warm_start, (Matrix{{1, 2.5}, {-3, 400}}));
  EXPECT_EQ(options.min_gain, 0.25);
  EXPECT_EQ(options.init, Init::kPlusPlus);
  EXPECT_TRUE(ParseOptions("{}").warm_start.empty());
  EXPECT_EQ(ParseOptions("{}").min_gain, 0.01);
  EXPECT_EQ(ParseOptions(R"({"min_gain":0})").min_gain, 0);
  EXPECT_EQ(ParseOptions(R"({"min_gain":1})").min_gain, 1);
  for (const char* value :
       {"5", "null", "\"k-means++\"", "{}", "[]", "[[]]", "[1,2]", "[[1,2],[1]]", "[[1,\"2\"]]", "[[1,null]]", "[[1],5]"}) {
    const Error error = ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseOptions(std::string(R"({"warm_start":)") + value + "}"); }, value);
    EXPECT_NE(error.message().find("\"warm_start\""), std::string::npos) << error.message();
    EXPECT_FALSE(error.hint().empty()) << value;
  }
  for (const char* value : {"-0.001", "1.001", "\"0.1\"", "null", "[]", "true"}) {
    const Error error = ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseOptions(std::string(R"({"min_gain":)") + value + "}"); }, value);
    EXPECT_NE(error.message().find("\"min_gain\""), std::string::npos) << error.message();
    EXPECT_NE(error.hint().find("0 to 1"), std::string::npos) << error.hint();
  }
}

TEST(WarmStart, ExcludesExplicitInitialCentroids) {
  for (const char* text : {R"({"init":[[1]],"warm_start":[[1]]})", R"({"warm_start":[[1]],"init":[[1],[2]]})"}) {
    const Error error = ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseOptions(text); }, text);
    EXPECT_NE(error.message().find("\"init\""), std::string::npos);
    EXPECT_NE(error.message().find("\"warm_start\""), std::string::npos);
  }
  EXPECT_NO_THROW(ParseOptions(R"({"init":"random","warm_start":[[1]]})"));
}

// Few rows, as many as are searched whole, and more than are copied.
TEST(WarmStart, RepeatsWithAnyNumberOfThreadsAndAnyOrderOfRows) {
  for (std::size_t n : {400u, 45'000u, 70'000u}) {
    Matrix rows = test::Blobs(n, 2, 7, n, 1);
    const Matrix start = {{1, 1}, {2, 8}, {5, 5}, {9, 1}};
    for (double min_gain : {0.01, 1.0}) {
      const Options options = Warm(start, min_gain, R"({"n_init":2,"max_iter":30})");
      const std::string expected = EncodeModel(FitWith(rows, 6, options, 1));
      for (int threads : {2, 4})
        EXPECT_EQ(EncodeModel(FitWith(rows, 6, options, threads)), expected) << n << " " << threads;
      test::Random random(n);
      random.Shuffle(&rows);
      EXPECT_EQ(EncodeModel(FitWith(rows, 6, options, 3)), expected) << n;
    }
  }
}

TEST(WarmStart, KeepsMinSize) {
  const Matrix rows = ThreeGroups(4);
  // A segment of one row, which is less than five.
  const Model model = FitWith(rows, 3, Warm({{5}, {100}, {1000}}, 1, R"({"min_size":5})"));
  for (const Segment& segment : model.segments) EXPECT_GE(segment.rows, 5u);
}

}  // namespace
}  // namespace segmentation
