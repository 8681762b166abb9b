#include "core/stability.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/choose_k.h"
#include "core/fit.h"
#include "core/preprocess.h"
#include "core/random.h"
#include "core/search.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

Model Train(const test::Matrix& rows, std::int64_t k, const std::vector<double>& weights = {}, const Options& options = {}) {
  const test::OwnedRows owned(rows, weights);
  return *Fit(owned.set(), k, options, test::kNoInterrupt);
}

Stability Judge(const test::Matrix& rows, const Model& model, const std::vector<double>& weights = {}, int samples = 50, int threads = 1) {
  const test::OwnedRows owned(rows, weights);
  ThreadTeam team(test::kNoInterrupt, threads);
  return FindStability(owned.set(), model, samples, team);
}

// A Gaussian with these standard deviations.
test::Matrix Gaussian(std::size_t rows, const std::vector<double>& spreads, std::uint64_t seed) {
  test::Random random(seed);
  test::Matrix matrix;
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<double>& row = matrix.emplace_back();
    for (double spread : spreads) row.push_back(spread * random.Normal());
  }
  return matrix;
}

// Round groups of equal size at these centers, standard deviation 1.
test::Matrix Groups(const test::Matrix& centers, std::size_t rows_each, std::uint64_t seed) {
  test::Random random(seed);
  test::Matrix matrix;
  for (std::size_t i = 0; i < rows_each; ++i) {
    for (std::vector<double> row : centers) {
      for (double& value : row) value += random.Normal();
      matrix.push_back(row);
    }
  }
  return matrix;
}

double Lowest(const Stability& stability) {
  double lowest = 1;
  for (const SegmentStability& segment : stability.segments) lowest = std::min(lowest, segment.jaccard);
  return lowest;
}

TEST(Stability, GroupsApartAreFoundAgain) {
  const test::Matrix rows = Groups({{0, 0}, {20, 0}, {0, 20}}, 100, 1);
  const Stability stability = Judge(rows, Train(rows, 3));
  ASSERT_EQ(stability.segments.size(), 3u);
  for (const SegmentStability& segment : stability.segments) {
    EXPECT_EQ(segment.rows, 100u);
    EXPECT_EQ(segment.jaccard, 1);
    EXPECT_EQ(segment.jaccard_low, 1);
    EXPECT_EQ(segment.dissolved, 0);
  }
  EXPECT_EQ(stability.adjusted_rand_index, 1);
  EXPECT_TRUE(stability.structured);
  EXPECT_EQ(stability.rows, 300u);
}

TEST(Stability, CutsAnywhereAreNotFoundAgain) {
  // Five parts of a round Gaussian can be turned by any angle.
  const test::Matrix round = Gaussian(1000, {1, 1}, 2);
  const Stability cut = Judge(round, Train(round, 5));
  EXPECT_LT(Lowest(cut), 0.6);
  EXPECT_FALSE(cut.structured);
  // Of three groups one is cut in two; the other two are as good as ever.
  const test::Matrix groups = Groups({{0, 0}, {30, 0}, {0, 30}}, 100, 3);
  const Stability many = Judge(groups, Train(groups, 4));
  std::size_t whole = 0;
  for (const SegmentStability& segment : many.segments) {
    if (segment.rows == 100) {
      ++whole;
      EXPECT_GT(segment.jaccard, 0.75);
    } else {
      EXPECT_LT(segment.jaccard, 0.75) << segment.rows;
    }
  }
  EXPECT_EQ(whole, 2u);
  EXPECT_TRUE(many.structured);
}

TEST(Stability, WhatIsFoundAgainIsNotThereforeReal) {
  const test::Matrix rows = Gaussian(1000, {5, 1}, 4);
  const Stability stability = Judge(rows, Train(rows, 2));
  EXPECT_GT(Lowest(stability), 0.9);
  EXPECT_FALSE(stability.structured);
}

TEST(Stability, ManyGroupsAreAStructure) {
  // In a square they look like uniform points to a dozen clusters.
  test::Matrix centers;
  for (int i = 0; i < 64; ++i) centers.push_back({10.0 * (i % 8), 10.0 * (i / 8)});
  const test::Matrix rows = Groups(centers, 30, 5);
  const Stability stability = Judge(rows, Train(rows, 64), {}, 10);
  EXPECT_TRUE(stability.structured);
  EXPECT_GT(stability.adjusted_rand_index, 0.95);
  EXPECT_FALSE(ChooseK(test::MakeTiles(rows), 2, 10, Distance::kEuclidean, 0, test::Alone()).structured);
}

TEST(Stability, OutliersThatATrainingLeavesOutDoNotShakeIt) {
  test::Matrix rows = Groups({{0, 0}, {20, 0}, {0, 20}}, 100, 8);
  for (int i = 0; i < 6; ++i) rows.push_back({500.0 + 300 * i, i % 2 == 0 ? 900.0 : -900.0});
  const test::OwnedRows owned(rows);
  Options options;
  options.trim = 0.05;
  Model model = *Fit(owned.set(), 3, options, test::kNoInterrupt);
  ASSERT_EQ(model.fit.left_out, 15u);
  EXPECT_GT(Lowest(Judge(rows, model)), 0.95);
  model.fit.trim = 0;  // as if samples were clustered with all of their rows
  EXPECT_LT(Lowest(Judge(rows, model)), 0.75);
}

// The definition, set by set: of the rows drawn, those of a segment and those of a cluster.
TEST(Stability, IsWhatTheDefinitionSays) {
  const test::Matrix matrix = Gaussian(60, {1, 1, 1}, 6);
  const std::vector<double> weights = test::RandomWeights(60, 7);
  for (bool weighted : {false, true}) {
    const test::OwnedRows owned(matrix, weighted ? weights : std::vector<double>());
    Options options;
    options.seed = 11;
    const Model model = *Fit(owned.set(), 4, options, test::kNoInterrupt);
    ThreadTeam team(test::kNoInterrupt);
    constexpr int kSamples = 12;
    const Stability stability = FindStability(owned.set(), model, kSamples, team);
    const Tiles tiles = Preprocess(owned.set(), Options(), team).points.tiles();
    const std::size_t n = tiles.rows();
    std::vector<std::set<std::size_t>> segments(4);
    const std::vector<std::size_t> own = NearestCentroids(tiles, model.centroids);
    for (std::size_t i = 0; i < n; ++i) segments[own[i]].insert(i);
    std::vector<std::vector<double>> jaccards(4);
    for (std::uint32_t b = 0; b < kSamples; ++b) {
      const CounterRandom random(11, 0x22000000 + b);
      std::vector<double> times(n);
      for (std::size_t i = 0; i < n; ++i) times[static_cast<std::size_t>(random.Uniform(0, i) * static_cast<double>(n))] += 1;
      std::vector<std::size_t> drawn;
      for (std::size_t i = 0; i < n; ++i) {
        if (times[i] > 0) drawn.push_back(i);
      }
      Tiles sample(drawn.size(), 3, true);
      for (std::size_t i = 0; i < drawn.size(); ++i) {
        for (std::size_t j = 0; j < 3; ++j) sample.At(i, j) = tiles.At(drawn[i], j);
        sample.SetWeight(i, times[drawn[i]] * tiles.Weight(drawn[i]));
      }
      SearchTask task;
      task.k = 4;
      task.options.seed = static_cast<std::int64_t>(random.Bits(1, 0));
      const std::vector<std::size_t> labels = NearestCentroids(sample, Search(SearchPoints(sample, team), task, 0, team).centroids);
      for (std::size_t s = 0; s < 4; ++s) {
        double largest = 0;
        for (std::size_t c = 0; c < 4; ++c) {
          double both = 0, either = 0;
          for (std::size_t i = 0; i < drawn.size(); ++i) {
            const bool in_segment = segments[s].count(drawn[i]) > 0, in_cluster = labels[i] == c;
            both += in_segment && in_cluster, either += in_segment || in_cluster;
          }
          if (either > 0) largest = std::max(largest, both / either);
        }
        jaccards[s].push_back(largest);
      }
    }
    for (std::size_t s = 0; s < 4; ++s) {
      std::vector<double>& all = jaccards[s];
      std::sort(all.begin(), all.end());
      EXPECT_NEAR(stability.segments[s].jaccard, std::accumulate(all.begin(), all.end(), 0.0) / kSamples, 1e-12);
      EXPECT_NEAR(stability.segments[s].jaccard_low, all[0] + 0.55 * (all[1] - all[0]), 1e-12);  // 0.05 * 11
      const auto dissolved = static_cast<double>(std::count_if(all.begin(), all.end(), [](double jaccard) { return jaccard <= 0.5; }));
      EXPECT_EQ(stability.segments[s].dissolved, dissolved / kSamples);
      EXPECT_EQ(stability.segments[s].rows, segments[s].size());
    }
  }
}

TEST(Stability, DependsOnNothingElse) {
  test::Matrix rows = Groups({{0, 0}, {3, 0}, {0, 3}}, 150, 8);
  const Model model = Train(rows, 4);
  const Stability one = Judge(rows, model, {}, 20);
  test::Random(9).Shuffle(&rows);
  for (int threads : {1, 3}) {
    const Stability other = Judge(rows, model, {}, 20, threads);
    for (std::size_t s = 0; s < 4; ++s) {
      EXPECT_EQ(other.segments[s].jaccard, one.segments[s].jaccard);
      EXPECT_EQ(other.segments[s].jaccard_low, one.segments[s].jaccard_low);
      EXPECT_EQ(other.segments[s].rows, one.segments[s].rows);
    }
    EXPECT_EQ(other.adjusted_rand_index, one.adjusted_rand_index);
    EXPECT_EQ(other.structured, one.structured);
  }
  Options options;
  options.seed = 1;
  EXPECT_NE(Judge(rows, Train(rows, 4, {}, options), {}, 20).adjusted_rand_index, one.adjusted_rand_index);
}

TEST(Stability, OfDirections) {
  test::Matrix rows = Groups({{20, 0, 0}, {0, 20, 0}, {0, 0, 20}}, 80, 10);
  for (std::vector<double>& row : rows) NormalizeDirection(row.data(), 3);
  Options options;
  options.distance = Distance::kCosine;
  const Stability stability = Judge(rows, Train(rows, 3, {}, options), {}, 10);
  EXPECT_EQ(Lowest(stability), 1);
  EXPECT_TRUE(stability.structured);
}

TEST(Stability, SegmentsWithoutRowsHaveNone) {
  const test::Matrix rows = Groups({{0, 0}, {20, 0}, {0, 20}}, 40, 12);
  const Model model = Train(rows, 3);
  test::Matrix left;
  for (const std::vector<double>& row : rows) {
    if (row[0] < 10) left.push_back(row);
  }
  const Stability stability = Judge(left, model, {}, 10);
  std::size_t empty = 0;
  for (const SegmentStability& segment : stability.segments) {
    EXPECT_EQ(segment.rows == 0, std::isnan(segment.jaccard));
    empty += segment.rows == 0 ? 1 : 0;
  }
  EXPECT_EQ(empty, 1u);
  // One row, and rows that are all the same.
  EXPECT_EQ(Judge({rows[0]}, model, {}, 10).rows, 1u);
  const Stability same = Judge(test::Matrix(50, rows[0]), model, {}, 10);
  EXPECT_FALSE(same.structured);
  EXPECT_EQ(Lowest(Judge(rows, Train(rows, 1), {}, 10)), 1);
}

TEST(Stability, ChecksWhatItIsGiven) {
  const test::Matrix rows = Gaussian(100, {1, 1}, 13);
  const Model model = Train(rows, 2);
  test::ExpectError(ErrorCode::kInvalidParameter, [&] { Judge(rows, model, {}, 9); });
  test::ExpectError(ErrorCode::kInvalidParameter, [&] { Judge(rows, model, {}, 1001); });
  test::ExpectError(ErrorCode::kInvalidParameter, [&] { Judge({}, model); });
  test::ExpectError(ErrorCode::kDimensionMismatch, [&] { Judge(Gaussian(10, {1, 1, 1}, 14), model); });
  test::ExpectError(ErrorCode::kLimit, [&] { Judge(Gaussian(kStabilityRows + 1, {1, 1}, 15), model); });
}

TEST(Stability, CanBeInterrupted) {
  const test::Matrix rows = Gaussian(2000, {1, 1}, 16);
  const Model model = Train(rows, 5);
  const test::OwnedRows owned(rows);
  volatile std::sig_atomic_t pending = 1;
  struct Stop {};
  const Interrupt interrupt{&pending, [](void*) { throw Stop(); }};
  ThreadTeam team(interrupt, 2);
  EXPECT_THROW(FindStability(owned.set(), model, 100, team), Stop);
}

}  // namespace
}  // namespace segmentation
