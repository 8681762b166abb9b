// Same rows, same seed, same bits, however the rows arrive; and weights mean repeated rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/fit.h"
#include "core/scorer.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

Model FitRows(const Matrix& rows, std::int64_t k, const std::string& options, const std::vector<double>& weights = {},
              std::size_t block_rows = SIZE_MAX) {
  return Fit(test::OwnedRows(rows, weights, block_rows).set(), k, ParseOptions(options), test::kNoInterrupt).value();
}

const char* const kOptions[] = {
    "{}",
    R"({"seed":12345})",
    R"({"init":"random","n_init":2})",
    R"({"quality":"fast","scale":"zscore"})",
    R"({"quality":"best","scale":"minmax"})",
    R"({"scale":"robust","min_size":20})",
    R"({"distance":"cosine"})",
    R"({"distance":"cosine","scale":"zscore","max_iter":3})",
};

TEST(FitRepeat, TheOrderOfRowsAndBlocksDoesNotMatter) {
  for (std::size_t n : {50u, 300u, 5000u}) {
    for (const char* options : kOptions) {
      Matrix rows = test::Blobs(n, 3, 4, n, 2);
      const std::string expected = EncodeModel(FitRows(rows, 4, options));
      test::Random random(n);
      for (std::size_t block : {std::size_t{17}, std::size_t{4096}, SIZE_MAX}) {
        random.Shuffle(&rows);
        EXPECT_EQ(EncodeModel(FitRows(rows, 4, options, {}, block)), expected) << n << options;
      }
    }
  }
}

TEST(FitRepeat, NorDoesItWithTiesEqualRowsAndWeights) {
  for (const char* options : kOptions) {
    if (std::string(options).find("cosine") != std::string::npos) continue;  // the lattice has a row at the origin
    Matrix rows = test::LatticeRows(700, 2, 7, 3);
    std::vector<double> weights = test::RandomWeights(700, 4);
    const std::string expected = EncodeModel(FitRows(rows, 5, options, weights));
    std::vector<std::size_t> order(rows.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    test::Random random(1);
    random.Shuffle(&order);
    Matrix shuffled_rows;
    std::vector<double> shuffled_weights;
    for (std::size_t i : order) shuffled_rows.push_back(rows[i]), shuffled_weights.push_back(weights[i]);
    EXPECT_EQ(EncodeModel(FitRows(shuffled_rows, 5, options, shuffled_weights, 100)), expected) << options;
  }
}

TEST(FitRepeat, NorDoesItAboveTheRowsThatAreSearched) {
  Matrix rows = test::Blobs(kSearchRows + 10'000, 2, 5, 3, 2);
  const std::string expected = EncodeModel(FitRows(rows, 5, R"({"n_init":2})"));
  test::Random random(1);
  random.Shuffle(&rows);
  EXPECT_EQ(EncodeModel(FitRows(rows, 5, R"({"n_init":2})", {}, 4096)), expected);
}

TEST(FitRepeat, AboveTheRowsThatAreSearchedTheResultIsAsGood) {
  const Matrix rows = test::Blobs(kSearchRows + 10'000, 2, 5, 3, 1);
  const Model sampled = FitRows(rows, 5, "{}");
  // The best that ten runs from good starts on all rows find: given centroids get Lloyd's algorithm on all rows.
  std::string start;
  const auto raw = RawCentroids(sampled);
  for (std::size_t i = 0; i < raw.size(); i += 2) {
    start += (start.empty() ? "[" : ",[") + std::to_string(raw[i]) + "," + std::to_string(raw[i + 1]) + "]";
  }
  const Model full = FitRows(rows, 5, R"({"tol":0,"init":[)" + start + "]}");
  EXPECT_LE(sampled.metrics.inertia, full.metrics.inertia * (1 + 1e-4));
  EXPECT_EQ(sampled.fit.rows, rows.size());
  EXPECT_TRUE(sampled.fit.exact);
}

TEST(FitRepeat, SeedsMatterOnlyToTheSearch) {
  const Matrix rows = test::UniformRows(2000, 2, 1);
  const Model a = FitRows(rows, 9, R"({"quality":"fast","seed":1})");
  const Model b = FitRows(rows, 9, R"({"quality":"fast","seed":2})");
  EXPECT_NE(a.centroids, b.centroids);
  EXPECT_EQ(a.metrics.total_inertia, b.metrics.total_inertia);
}

// Which rows a random start draws depends on the rows, so the start is given.
TEST(FitRepeat, IntegerWeightsAreRepeatedRows) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Matrix rows = test::Blobs(300, 2, 3, seed, 1);
    const auto weights = test::RandomWeights(300, seed);
    const Matrix repeated = test::Repeated(rows, weights);
    std::string start;
    for (std::size_t i = 0; i < 3; ++i) {
      start += (i == 0 ? "[" : ",[") + std::to_string(rows[i][0]) + "," + std::to_string(rows[i][1]) + "]";
    }
    for (const char* scale : {"none", "zscore", "minmax", "robust"}) {
      for (const char* distance : {"euclidean", "cosine"}) {
        const std::string options =
            std::string(R"({"tol":0,"init":[)") + start + R"(],"scale":")" + scale + R"(","distance":")" + distance + "\"}";
        const Model a = FitRows(rows, 3, options, weights);
        const Model b = FitRows(repeated, 3, options);
        ASSERT_EQ(a.segments.size(), b.segments.size());
        for (std::size_t s = 0; s < a.segments.size(); ++s)
          EXPECT_EQ(a.segments[s].weight, b.segments[s].weight) << options;
        for (std::size_t i = 0; i < a.centroids.size(); ++i) EXPECT_NEAR(a.centroids[i], b.centroids[i], 1e-11) << options;
        EXPECT_NEAR(a.metrics.inertia, b.metrics.inertia, 1e-10 * b.metrics.inertia);
        EXPECT_NEAR(a.metrics.total_inertia, b.metrics.total_inertia, 1e-10 * b.metrics.total_inertia);
        EXPECT_EQ(a.fit.weight, b.fit.weight);
        EXPECT_EQ(a.fit.rows, 300u);
        EXPECT_EQ(b.fit.rows, repeated.size());
      }
    }
  }
}

// What the model says of its training rows is what scoring them gives.
TEST(FitRepeat, ScoringTheTrainingRowsGivesTheSegmentsBack) {
  for (const char* options : kOptions) {
    for (bool lattice : {false, true}) {
      if (lattice && std::string(options).find("cosine") != std::string::npos) continue;
      const Matrix rows = lattice ? test::LatticeRows(1000, 3, 5, 2) : test::Blobs(1000, 3, 4, 9, 2);
      const Model model = FitRows(rows, 4, options);
      const std::vector<double> block = CompileScorer(model);
      const Scorer scorer(block.data());
      std::vector<double> scratch(scorer.scratch());
      std::vector<std::uint64_t> count(model.segments.size(), 0);
      std::vector<double> inertia(model.segments.size(), 0.0);
      for (const auto& row : rows) {
        const double* point = scorer.ToModelSpace(row.data(), scratch.data());
        ASSERT_NE(point, nullptr);
        const Neighbor nearest = scorer.Nearest(point);
        ++count[nearest.index];
        inertia[nearest.index] += nearest.square;
      }
      for (std::size_t s = 0; s < count.size(); ++s) {
        EXPECT_EQ(count[s], model.segments[s].rows) << options;
        EXPECT_NEAR(inertia[s], model.segments[s].inertia, 1e-12 * inertia[s]) << options;
      }
    }
  }
}

TEST(FitRepeat, TheNumberOfThreadsDoesNotMatter) {
  const Matrix few = test::Blobs(40'000, 3, 6, 3, 2);
  const Matrix many = test::Blobs(kSearchRows + 30'000, 3, 6, 3, 2);
  for (const Matrix* rows : {&few, &many}) {
    const test::OwnedRows owned(*rows, {}, 5000);
    for (const char* options : {R"({"n_init":3})", R"({"scale":"zscore","n_init":2})", R"({"quality":"fast","scale":"robust"})"}) {
      const std::string expected = EncodeModel(Fit(owned.set(), 7, ParseOptions(options), test::kNoInterrupt, 1).value());
      for (int threads : {2, 4}) {
        EXPECT_EQ(EncodeModel(Fit(owned.set(), 7, ParseOptions(options), test::kNoInterrupt, threads).value()), expected) << options;
      }
    }
  }
}

}  // namespace
}  // namespace segmentation
