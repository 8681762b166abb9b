#include "core/silhouette.h"

#include <gtest/gtest.h>

#include <cmath>

#include "test_support.h"

namespace segmentation {
namespace {

Tiles Random(std::size_t rows, std::size_t dimensions, bool weighted, std::uint64_t seed) {
  test::Random random(seed);
  Tiles tiles(rows, dimensions, weighted);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < dimensions; ++j) tiles.At(i, j) = random.Normal() + static_cast<double>(i % 3);
    if (weighted) tiles.SetWeight(i, static_cast<double>(1 + i % 4));
  }
  return tiles;
}

// The definition, row by row; a row of weight w is w rows.
double ByDefinition(const Tiles& points, const std::vector<std::size_t>& labels, std::size_t k) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < points.rows(); ++i) rows.insert(rows.end(), static_cast<std::size_t>(points.Weight(i)), i);
  double sum = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<double> totals(k), counts(k);
    for (std::size_t j = 0; j < rows.size(); ++j) {
      if (i == j) continue;
      double square = 0;
      for (std::size_t c = 0; c < points.dimensions(); ++c) square += std::pow(points.At(rows[i], c) - points.At(rows[j], c), 2);
      totals[labels[rows[j]]] += std::sqrt(square);
      counts[labels[rows[j]]] += 1;
    }
    const std::size_t own = labels[rows[i]];
    if (counts[own] == 0) continue;
    double nearest = test::kInf;
    for (std::size_t c = 0; c < k; ++c) {
      if (c != own && counts[c] > 0) nearest = std::min(nearest, totals[c] / counts[c]);
    }
    const double inner = totals[own] / counts[own];
    if (std::max(inner, nearest) > 0) sum += (nearest - inner) / std::max(inner, nearest);
  }
  return sum / static_cast<double>(rows.size());
}

TEST(MeanSilhouette, IsItsDefinition) {
  for (bool weighted : {false, true}) {
    for (std::size_t rows : {2u, 5u, 64u, 65u, 200u}) {
      const Tiles points = Random(rows, 3, weighted, rows);
      std::vector<std::size_t> labels(rows);
      for (std::size_t i = 0; i < rows; ++i) labels[i] = i % 3 == 2 && rows > 2 ? 3 : i % 2;  // cluster 2 is empty
      ThreadTeam team(test::kNoInterrupt);
      EXPECT_NEAR(MeanSilhouette(points, labels, 4, team), ByDefinition(points, labels, 4), 1e-12) << rows << weighted;
    }
  }
}

TEST(MeanSilhouette, APointAloneInItsClusterHasNone) {
  Tiles points(3, 1, false);
  points.At(0, 0) = 0;
  points.At(1, 0) = 1;
  points.At(2, 0) = 5;
  ThreadTeam team(test::kNoInterrupt);
  // 0: (5 - 1) / 5, 1: (4 - 1) / 4, the third 0.
  EXPECT_NEAR(MeanSilhouette(points, {0, 0, 1}, 2, team), (0.8 + 0.75) / 3, 1e-15);
}

TEST(MeanSilhouette, OneClusterHasNone) {
  ThreadTeam team(test::kNoInterrupt);
  EXPECT_TRUE(std::isnan(MeanSilhouette(Random(10, 2, false, 1), std::vector<std::size_t>(10, 0), 3, team)));
}

TEST(MeanSilhouette, DoesNotDependOnTheTeam) {
  const Tiles points = Random(1000, 4, true, 9);
  std::vector<std::size_t> labels(1000);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i % 7;
  ThreadTeam one(test::kNoInterrupt);
  ThreadTeam three(test::kNoInterrupt, 3);
  EXPECT_EQ(MeanSilhouette(points, labels, 7, one), MeanSilhouette(points, labels, 7, three));
}

}  // namespace
}  // namespace segmentation
