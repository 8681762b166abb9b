// How fast the core is, part by part. Data are round groups, which is what Lloyd's algorithm likes; times of Fit depend on
// them.
//
//   build/default/core_bench --benchmark_min_time=0.2
#include <benchmark/benchmark.h>

#include "core/distance_tile.h"
#include "core/fit.h"
#include "core/lloyd.h"
#include "core/scorer.h"
#include "test_support.h"

namespace segmentation {
namespace {

constexpr std::size_t kClusters = 8;
constexpr std::size_t kFeatures = 8;

// Multiply-adds a second: rows * k * d.
void CountDistances(benchmark::State& state, std::size_t rows, std::size_t k, std::size_t d) {
  const auto iterations = static_cast<double>(state.iterations());
  state.counters["rows/s"] = benchmark::Counter(iterations * static_cast<double>(rows), benchmark::Counter::kIsRate);
  state.counters["madd/s"] =
      benchmark::Counter(iterations * static_cast<double>(rows * k * d), benchmark::Counter::kIsRate);
}

// Arguments: index of the vector width, dimensions, k.
void BM_NearestInTile(benchmark::State& state) {
  const auto width = static_cast<std::size_t>(state.range(0));
  if (width >= UsableTileKernels().size()) {
    state.SkipWithError("this machine does not have the width");
    return;
  }
  const TileKernels& kernels = UsableTileKernels()[width];
  const auto d = static_cast<std::size_t>(state.range(1));
  const auto k = static_cast<std::size_t>(state.range(2));
  const Tiles tiles = test::MakeTiles(test::UniformRows(kTileRows, d, 1));
  const auto centroids = test::Flatten(test::UniformRows(k, d, 2));
  double distance[kTileRows];
  std::int32_t label[kTileRows];
  for (auto _ : state) {
    kernels.nearest(tiles.Tile(0), d, centroids.data(), k, distance, label, kTileRows);
    benchmark::DoNotOptimize(distance);
    benchmark::DoNotOptimize(label);
    benchmark::ClobberMemory();
  }
  state.SetLabel(std::to_string(kernels.lanes) + " lanes");
  CountDistances(state, kTileRows, k, d);
}
BENCHMARK(BM_NearestInTile)->ArgsProduct({{0, 1, 2}, {2, 8, 50}, {8, 64}});

void BM_LloydPass(benchmark::State& state) {
  const auto rows = static_cast<std::size_t>(state.range(0));
  const auto matrix = test::Blobs(rows, kFeatures, kClusters, 1);
  const Points points = test::MakePoints(matrix);
  const auto start = test::Flatten({matrix.begin(), matrix.begin() + kClusters});
  for (auto _ : state) {
    // One iteration is two assignments (the labels belong to the centroids that come back) and one update.
    benchmark::DoNotOptimize(Lloyd(points, start, {1, 0}, Distance::kEuclidean, test::Alone()));
  }
  CountDistances(state, 2 * rows, kClusters, kFeatures);
}
BENCHMARK(BM_LloydPass)->Arg(100'000)->Unit(benchmark::kMillisecond);

// Arguments: rows; quality.
void BM_Fit(benchmark::State& state) {
  const test::OwnedRows rows(test::Blobs(static_cast<std::size_t>(state.range(0)), kFeatures, kClusters, 1, 2));
  Options options;
  options.quality = static_cast<Quality>(state.range(1));
  for (auto _ : state) {
    benchmark::DoNotOptimize(Fit(rows.set(), kClusters, options, test::kNoInterrupt));
  }
  state.SetLabel(Name(options.quality));
}
BENCHMARK(BM_Fit)->ArgsProduct({{10'000, 100'000}, {0, 1, 2}})->Unit(benchmark::kMillisecond)->Iterations(3);

// Arguments: segments, dimensions. Row by row, as a query scores.
void BM_ScorerNearest(benchmark::State& state) {
  const auto k = static_cast<std::size_t>(state.range(0));
  const auto d = static_cast<std::size_t>(state.range(1));
  const auto matrix = test::UniformRows(1000, d, 1);
  Model model;
  model.centroids = test::Flatten(test::UniformRows(k, d, 2));
  model.offset.assign(d, 0.5);
  model.scale.assign(d, 2);
  for (std::size_t j = 0; j < d; ++j) model.inputs.emplace_back().name = std::to_string(j);
  for (std::size_t s = 0; s < k; ++s) model.segments.push_back({static_cast<std::int32_t>(s), 1, 1, 1});
  const auto block = CompileScorer(model);
  const Scorer scorer(block.data());
  std::vector<double> scratch(scorer.scratch());
  for (auto _ : state) {
    std::int64_t sum = 0;
    for (const auto& row : matrix) sum += scorer.Nearest(scorer.ToModelSpace(row.data(), scratch.data())).segment;
    benchmark::DoNotOptimize(sum);
  }
  CountDistances(state, matrix.size(), k, d);
}
BENCHMARK(BM_ScorerNearest)->Args({4, 2})->Args({8, 8})->Args({10, 8})->Args({64, 8})->Args({8, 50});

void BM_CanonicalOrder(benchmark::State& state) {
  const test::OwnedRows rows(test::UniformRows(static_cast<std::size_t>(state.range(0)), kFeatures, 1));
  for (auto _ : state) benchmark::DoNotOptimize(CanonicalOrder(rows.set(), test::kNoInterrupt));
  state.counters["rows/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * static_cast<double>(state.range(0)), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_CanonicalOrder)->Arg(10'000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace segmentation
