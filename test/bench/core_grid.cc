// Lloyd's algorithm of the core on data from a file, without a server: our side of lines 1 and 10 of scripts/bench.sh, which
// starts it and gives it one task at a time, in turn with the peers.
//
//   core_grid DATA ROWS DIMENSIONS
//
// DATA and the files of centroids are raw little-endian doubles, row by row. A task is a line of standard input,
//   CENTROIDS K ITERATIONS THREADS
// and its answer a line of JSON: seconds of the whole call of Lloyd, the iterations it made, the threads it had, the inertia.
// Reading the rows and preparing them (their bounds, single-precision copies) happens once, before the first task: "ready" says the
// seconds of that.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/lloyd.h"
#include "core/points.h"
#include "core/threads.h"

namespace segmentation {
namespace {

// ---- what depends on the interface of the core: Prepared, Prepare and RunLloyd ---------------------------------------

struct Outcome {
  std::uint64_t iterations;
  int threads;  // that were really used
  double inertia;
};

using Prepared = Points;

// As a training does with so many rows: they stay where they are.
Prepared Prepare(const std::vector<double>& rows, std::size_t dimensions) {
  RowSet set;
  set.dimensions = dimensions;
  set.rows = rows.size() / dimensions;
  set.blocks.push_back({reinterpret_cast<const char*>(rows.data()), set.rows});
  Points points(set);
  ThreadTeam team({}, 1);
  points.FindBounds(team);
  points.BuildFilter(team);
  return points;
}

Outcome RunLloyd(const Prepared& points, const std::vector<double>& start, int iterations, int threads) {
  ThreadTeam team({}, threads);
  LloydLimits limits;
  limits.max_iter = iterations;  // and no tolerance; the inertia is part of it, as it is in scikit-learn
  const Clustering result = Lloyd(points, start, limits, Distance::kEuclidean, team);
  return {result.iterations, static_cast<int>(team.size()), result.inertia};
}

// ---- the rest --------------------------------------------------------------------------------------------------------

std::vector<double> ReadDoubles(const std::string& path, std::size_t count) {
  std::vector<double> values(count);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(double)));
  if (!file) throw std::runtime_error(path + " is missing or too short");
  return values;
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Serve(const std::string& path, std::size_t rows, std::size_t dimensions) {
  const std::vector<double> values = ReadDoubles(path, rows * dimensions);
  const auto began = std::chrono::steady_clock::now();
  const Prepared points = Prepare(values, dimensions);
  std::printf("{\"ready\": %.9f}\n", SecondsSince(began));
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::string centroids;
    std::size_t k = 0;
    int iterations = 0;
    int threads = 0;
    std::istringstream(line) >> centroids >> k >> iterations >> threads;
    const std::vector<double> start = ReadDoubles(centroids, k * dimensions);
    const auto before = std::chrono::steady_clock::now();
    const Outcome outcome = RunLloyd(points, start, iterations, threads);
    const double seconds = SecondsSince(before);
    std::printf("{\"seconds\": %.9f, \"iterations\": %llu, \"threads\": %d, \"inertia\": %.17g}\n", seconds,
                static_cast<unsigned long long>(outcome.iterations), outcome.threads, outcome.inertia);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace segmentation

int main(int argc, char** argv) try {
  if (argc != 4) throw std::runtime_error("usage: core_grid DATA ROWS DIMENSIONS");
  segmentation::Serve(argv[1], std::stoul(argv[2]), std::stoul(argv[3]));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "core_grid: %s\n", error.what());
  return 1;
}
