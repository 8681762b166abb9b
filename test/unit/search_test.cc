#include "core/search.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/hartigan.h"
#include "core/seeding.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::Matrix;

SearchTask TaskOf(std::size_t k, Quality quality = Quality::kDefault) {
  SearchTask task;
  task.k = k;
  task.options.quality = quality;
  return task;
}

Clustering RunSearch(const Matrix& rows, const SearchTask& task, double min_rows = 0) {
  return Search(test::MakePoints(rows), task, min_rows, test::Alone());
}

TEST(DropEmptyClusters, KeepsTheOthersInOrder) {
  Clustering state;
  state.centroids = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4};
  state.weights = {0, 2.5, 0, 1.5, 0};
  state.rows = {0, 2, 0, 1, 0};
  state.labels = {1, 3, 1};
  DropEmptyClusters(2, &state);
  EXPECT_EQ(state.centroids, (std::vector<double>{1, 1, 3, 3}));
  EXPECT_EQ(state.weights, (std::vector<double>{2.5, 1.5}));
  EXPECT_EQ(state.rows, (std::vector<double>{2, 1}));
  EXPECT_EQ(state.labels, (Labels{0, 1, 0}));
  const Clustering before = state;
  DropEmptyClusters(2, &state);
  EXPECT_EQ(state.centroids, before.centroids);
}

TEST(Search, MoreEffortIsNeverWorse) {
  int better = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Matrix rows = test::Blobs(400, 2, 12, seed);
    const double fast = RunSearch(rows, TaskOf(12, Quality::kFast)).inertia;
    const double normal = RunSearch(rows, TaskOf(12)).inertia;
    const double best = RunSearch(rows, TaskOf(12, Quality::kBest)).inertia;
    // The first start of "default" is that of "fast" and then improved; "best" begins with the winner of "default".
    EXPECT_LE(normal, fast * (1 + 1e-12)) << seed;
    EXPECT_LE(best, normal * (1 + 1e-12)) << seed;
    better += best < normal * (1 - 1e-6) || normal < fast * (1 - 1e-6) ? 1 : 0;
  }
  EXPECT_GT(better, 5);  // and mostly it pays
}

TEST(Search, IsTheBestOfItsStarts) {
  const Matrix rows = test::Blobs(300, 2, 8, 3);
  double least = test::kInf;
  for (int n_init = 1; n_init <= 10; ++n_init) {
    SearchTask task = TaskOf(8);
    task.options.n_init = n_init;
    const double inertia = RunSearch(rows, task).inertia;
    EXPECT_LE(inertia, least);
    least = inertia;
  }
}

TEST(Search, LabelsWeightsAndInertiaBelongTogether) {
  for (Quality quality : {Quality::kFast, Quality::kDefault, Quality::kBest}) {
    const Matrix rows = test::Blobs(500, 3, 6, 4);
    const Clustering state = RunSearch(rows, TaskOf(6, quality));
    ASSERT_EQ(state.k(), 6u);
    std::vector<double> count(6, 0.0);
    double inertia = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto nearest = test::NaiveNearest(rows[i], state.centroids);
      EXPECT_EQ(static_cast<std::size_t>(state.labels[i]), nearest.label);
      count[nearest.label] += 1;
      inertia += nearest.square;
    }
    EXPECT_EQ(state.rows, count);
    EXPECT_NEAR(state.inertia, inertia, 1e-12 * inertia);
  }
}

TEST(Search, FastIsOneSeedAndLloyd) {
  const Matrix rows = test::Blobs(500, 2, 6, 4);
  const Points points = test::MakePoints(rows);
  const Clustering expected = Lloyd(points, Seed(points.tiles(), 6, Init::kPlusPlus, 0, 0, test::kNoInterrupt), {300, 0},
                                    Distance::kEuclidean, test::Alone());
  EXPECT_EQ(RunSearch(rows, TaskOf(6, Quality::kFast)).centroids, expected.centroids);
}

TEST(Search, FewerDifferentRowsGiveFewerClusters) {
  const Matrix rows = test::LatticeRows(300, 1, 3, 1);
  for (Init init : {Init::kPlusPlus, Init::kRandom}) {
    for (Quality quality : {Quality::kFast, Quality::kDefault, Quality::kBest}) {
      SearchTask task = TaskOf(5, quality);
      task.options.init = init;
      const Clustering state = RunSearch(rows, task);
      EXPECT_EQ(state.inertia, 0);
      EXPECT_EQ(state.k(), 3u);
    }
  }
}

// Start number `start`, as the header of search.h tells it: seeded, Lloyd, single-point moves, Lloyd.
Clustering OneStart(const Points& points, std::size_t k, std::uint32_t start) {
  const LloydLimits limits{300, 0};
  Clustering state = Lloyd(points, Seed(points.tiles(), k, Init::kPlusPlus, 0, start, test::kNoInterrupt), limits,
                           Distance::kEuclidean, test::Alone());
  if (MoveSinglePoints(points.tiles(), Distance::kEuclidean, 100, &state, test::kNoInterrupt) > 0) {
    state = Lloyd(points, state.centroids, limits, Distance::kEuclidean, test::Alone());
  }
  return state;
}

TEST(Search, AStartWithoutSmallClustersWinsOverABetterOne) {
  constexpr double kMinRows = 5;
  int decided = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Matrix rows = test::UniformRows(50, 2, seed);
    const Points tiles = test::MakePoints(rows);
    double least = test::kInf;        // of all starts
    double least_large = test::kInf;  // of those whose clusters are all large enough
    for (std::uint32_t start = 0; start < 10; ++start) {
      const Clustering state = OneStart(tiles, 6, start);
      least = std::min(least, state.inertia);
      if (*std::min_element(state.rows.begin(), state.rows.end()) >= kMinRows)
        least_large = std::min(least_large, state.inertia);
    }
    // The exchanges after the starts can only improve on them.
    EXPECT_LE(RunSearch(rows, TaskOf(6)).inertia, least) << seed;
    if (least_large < test::kInf) {
      const Clustering large = RunSearch(rows, TaskOf(6), kMinRows);
      EXPECT_GE(*std::min_element(large.rows.begin(), large.rows.end()), kMinRows) << seed;
      EXPECT_LE(large.inertia, least_large) << seed;
    }
    decided += least_large < test::kInf && least_large > least ? 1 : 0;
  }
  EXPECT_GT(decided, 0);  // there were tasks in which the rule made a difference
}

TEST(Search, IsRepeatable) {
  const Matrix rows = test::UniformRows(300, 2, 1);
  const Clustering a = RunSearch(rows, TaskOf(7));
  EXPECT_EQ(a.centroids, RunSearch(rows, TaskOf(7)).centroids);
  SearchTask other = TaskOf(7, Quality::kFast);
  const auto before = RunSearch(rows, other).centroids;
  other.options.seed = 1;
  EXPECT_NE(RunSearch(rows, other).centroids, before);
}

TEST(SearchSample, IsAboutAsGoodAsASearchOfAllOfIt) {
  for (std::size_t k : {2u, 8u, 20u}) {
    const Matrix rows = test::Blobs(30'000, 3, 2 * k, k, 2);
    const double all = RunSearch(rows, TaskOf(k)).inertia;
    const Clustering staged = SearchSample(test::MakePoints(rows), TaskOf(k), 0, test::Alone());
    EXPECT_LE(staged.inertia, all * 1.01) << k;
    // What comes back belongs together, and to all of the points.
    EXPECT_EQ(staged.k(), k);
    double inertia = 0;
    for (const auto& row : rows) inertia += test::NaiveNearest(row, staged.centroids).square;
    EXPECT_NEAR(staged.inertia, inertia, 1e-9 * inertia);
  }
}

TEST(SearchSample, DoesNotDependOnTheTeam) {
  // So many rows that there are two smaller samples, and clusters for one, two and four ways through them.
  const Points points = test::MakePoints(test::Blobs(110'000, 2, 12, 1, 3));
  for (std::size_t k : {3u, 8u, 16u}) {
    for (Quality quality : {Quality::kFast, Quality::kDefault, Quality::kBest}) {
      if (quality == Quality::kBest && k > 3) continue;  // a hundred exchanges a start: slow
      SearchTask task = TaskOf(k, quality);
      task.options.n_init = quality == Quality::kBest ? 2 : 4;
      const Clustering one = SearchSample(points, task, 0, test::Alone());
      ThreadTeam three(test::kNoInterrupt, 3);
      EXPECT_EQ(SearchSample(points, task, 0, three).centroids, one.centroids) << k;
    }
  }
}

TEST(SearchSample, FewerStartsThanWaysAreEnough) {
  const Points points = test::MakePoints(test::Blobs(30'000, 2, 16, 1, 0.3));
  for (int n_init : {1, 2, 3}) {
    SearchTask task = TaskOf(16);
    task.options.n_init = n_init;
    EXPECT_EQ(SearchSample(points, task, 0, test::Alone()).k(), 16u) << n_init;
  }
}

}  // namespace
}  // namespace segmentation
