// Scoring against a reference that follows the steps in model.h one by one, bit for bit.
#include "core/scorer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <optional>

#include "core/distance_tile.h"
#include "core/elementary.h"
#include "core/preprocess.h"
#include "random_model.h"

namespace segmentation {
namespace {

using test::kInf;
using test::kNaN;

// ---- the reference -------------------------------------------------------------------------------------------------

std::optional<double> EncodeNumber(const Input& input, const RawValue& raw) {
  double value = raw.number;
  if (raw.missing || !std::isfinite(value)) {
    if (!input.impute) return std::nullopt;
    value = *input.impute;
  }
  if (input.clip_low && value < *input.clip_low) value = *input.clip_low;
  if (input.clip_high && value > *input.clip_high) value = *input.clip_high;
  if (input.transform == Transform::kLog1p) return Log1p(value);
  if (input.transform == Transform::kAsinh) return Asinh(value);
  return value;
}

std::optional<std::vector<double>> EncodeLevel(const Input& input, const RawValue& raw) {
  std::vector<double> columns(input.Columns(), 0.0);
  if (raw.missing && !input.impute_level) return std::nullopt;
  const std::string text(raw.missing ? std::string_view(*input.impute_level) : raw.text);
  for (std::size_t i = 0; i < input.levels.size(); ++i) {
    if (input.levels[i] == text) {
      columns[i] = 1;
      return columns;
    }
  }
  if (input.unseen == Unseen::kNull) return std::nullopt;
  if (input.unseen == Unseen::kOther) columns.back() = 1;
  return columns;
}

std::optional<std::vector<double>> ReferencePoint(const Model& model, const std::vector<RawValue>& row) {
  std::vector<double> z;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (model.inputs[i].categorical) {
      const auto columns = EncodeLevel(model.inputs[i], row[i]);
      if (!columns) return std::nullopt;
      z.insert(z.end(), columns->begin(), columns->end());
    } else {
      const auto column = EncodeNumber(model.inputs[i], row[i]);
      if (!column) return std::nullopt;
      z.push_back(*column);
    }
  }
  for (std::size_t j = 0; j < z.size(); ++j) z[j] = (z[j] - model.offset[j]) / model.scale[j];
  if (model.rotation) {
    std::vector<double> y;
    for (std::size_t q = 0; q < model.Dimensions(); ++q) {
      double sum = 0;
      for (std::size_t j = 0; j < z.size(); ++j)
        sum += model.rotation->axes[q * z.size() + j] * (z[j] - model.rotation->center[j]);
      y.push_back(sum);
    }
    z = y;
  }
  if (model.distance == Distance::kCosine && !NormalizeDirection(z.data(), z.size())) return std::nullopt;
  for (double value : z) {
    if (!std::isfinite(value)) return std::nullopt;
  }
  return z;
}

// ---- rows ----------------------------------------------------------------------------------------------------------

RawValue Number(double value) {
  RawValue raw;
  raw.missing = false;
  raw.number = value;
  return raw;
}

RawValue Text(std::string_view text) {
  RawValue raw;
  raw.missing = false;
  raw.text = text;
  return raw;
}

std::vector<RawValue> RandomRow(const Model& model, test::Random* random) {
  static constexpr double kOdd[] = {0, -0.0, -1, 1e308, -1e308, 1e-308, kNaN, kInf, -kInf};
  std::vector<RawValue> row;
  for (const Input& input : model.inputs) {
    const std::size_t kind = random->Below(12);
    if (kind == 0) {
      row.emplace_back();
    } else if (input.categorical) {
      row.push_back(Text(kind == 1   ? "unseen"
                         : kind == 2 ? ""
                                     : std::string_view(input.levels[random->Below(input.levels.size())])));
    } else {
      row.push_back(Number(kind == 1 ? kOdd[random->Below(std::size(kOdd))] : random->Uniform(-0.9, 9)));
    }
  }
  return row;
}

struct Counts {
  int scored = 0;
  int without = 0;
};

void CheckRow(const Model& model, const Scorer& scorer, const std::vector<RawValue>& row, Counts* counts) {
  std::vector<double> scratch(scorer.scratch());
  const double* point = scorer.ToModelSpace(row.data(), scratch.data());
  const auto expected = ReferencePoint(model, row);
  ASSERT_EQ(point != nullptr, expected.has_value());
  if (!scorer.has_categorical()) {
    std::vector<double> numbers;
    for (const RawValue& raw : row) numbers.push_back(raw.missing ? kNaN : raw.number);
    std::vector<double> other(scorer.scratch());
    const double* same = scorer.ToModelSpace(numbers.data(), other.data());
    ASSERT_EQ(same != nullptr, point != nullptr);
    if (point != nullptr) {
      ASSERT_EQ(std::memcmp(same, point, scorer.dimensions() * sizeof(double)), 0);
    }
  }
  ++(point == nullptr ? counts->without : counts->scored);
  if (point == nullptr) return;
  ASSERT_EQ(std::memcmp(point, expected->data(), expected->size() * sizeof(double)), 0);
  const auto nearest = test::NaiveNearest(*expected, model.centroids);
  const Neighbor one = scorer.Nearest(point);
  Neighbor first, second;
  scorer.NearestTwo(point, &first, &second);
  ASSERT_EQ(one.index, nearest.label);
  ASSERT_EQ(one.segment, model.segments[nearest.label].id);
  ASSERT_EQ(one.square, nearest.square);
  ASSERT_EQ(first.index, one.index);
  ASSERT_EQ(first.segment, one.segment);
  ASSERT_EQ(first.square, one.square);
  ASSERT_EQ(second.square, nearest.second);
  std::vector<double> squares(model.segments.size());
  scorer.SquaredDistances(point, squares.data());
  for (std::size_t s = 0; s < squares.size(); ++s) {
    ASSERT_EQ(squares[s],
              test::SquaredDistance(expected->data(), &model.centroids[s * expected->size()], expected->size()));
  }
  if (std::isfinite(second.square)) {
    ASSERT_EQ(squares[second.index], second.square);
    ASSERT_NE(second.index, first.index);
    ASSERT_EQ(second.segment, model.segments[second.index].id);
  }
}

TEST(Scorer, FollowsTheStepsOfTheFormat) {
  Counts counts;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    test::ModelShape shape;
    shape.any_size = seed % 4 == 0;
    const Model model = test::RandomModel(seed, shape);
    const std::vector<double> block = CompileScorer(model);
    const Scorer scorer(block.data());
    test::Random random(seed);
    for (int i = 0; i < 30; ++i) {
      ASSERT_NO_FATAL_FAILURE(CheckRow(model, scorer, RandomRow(model, &random), &counts)) << "model " << seed;
    }
  }
  EXPECT_GT(counts.scored, 10'000);
  EXPECT_GT(counts.without, 5'000);
}

TEST(Scorer, TheBlockCanBeMoved) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Model model = test::RandomModel(seed);
    std::vector<double> block = CompileScorer(model);
    const std::vector<double> copy = block;
    block.assign(block.size(), kNaN);
    const Scorer scorer(copy.data());
    EXPECT_EQ(scorer.inputs(), model.inputs.size());
    EXPECT_EQ(scorer.columns(), model.Columns());
    EXPECT_EQ(scorer.dimensions(), model.Dimensions());
    EXPECT_EQ(scorer.segments(), model.segments.size());
    EXPECT_EQ(scorer.has_categorical(), model.HasCategorical());
    for (std::size_t i = 0; i < model.inputs.size(); ++i) {
      EXPECT_EQ(scorer.name(i), model.inputs[i].name);
      EXPECT_EQ(scorer.is_categorical(i), model.inputs[i].categorical);
    }
    for (std::size_t s = 0; s < model.segments.size(); ++s) {
      const Segment& segment = model.segments[s];
      EXPECT_EQ(scorer.id(s), segment.id);
      EXPECT_EQ(scorer.mean_square(s), segment.weight > 0 ? segment.inertia / segment.weight : 0);
    }
  }
}

Model PlainModel(std::size_t segments, std::size_t dimensions) {
  Model model;
  for (std::size_t j = 0; j < dimensions; ++j) model.inputs.emplace_back().name = "f" + std::to_string(j);
  model.offset.assign(dimensions, 0);
  model.scale.assign(dimensions, 1);
  model.centroids = test::Flatten(test::LatticeRows(segments, dimensions, 3, segments));
  for (std::size_t s = 0; s < segments; ++s) model.segments.push_back({static_cast<std::int32_t>(7 * s + 2), 1, 1, 0});
  return model;
}

// Around the group of eight centroids, with ties everywhere: as the kernel that training uses.
TEST(Scorer, AgreesWithTheTrainingKernelOnTies) {
  for (std::size_t segments = 1; segments <= 40; ++segments) {
    const Model model = PlainModel(segments, 3);
    const std::vector<double> block = CompileScorer(model);
    const Scorer scorer(block.data());
    std::vector<double> scratch(scorer.scratch());
    const test::Matrix rows = test::LatticeRows(64, 3, 3, 99);
    const Tiles tiles = test::MakeTiles(rows);
    double distance[kTileRows], second[kTileRows];
    std::int32_t label[kTileRows];
    NearestTwoInTile(tiles.Tile(0), 3, model.centroids.data(), segments, distance, label, second);
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const double* point = scorer.ToModelSpace(rows[r].data(), scratch.data());
      Neighbor one, two;
      scorer.NearestTwo(point, &one, &two);
      ASSERT_EQ(scorer.Nearest(point).index, static_cast<std::uint32_t>(label[r]));
      ASSERT_EQ(one.index, static_cast<std::uint32_t>(label[r]));
      ASSERT_EQ(one.square, distance[r]);
      ASSERT_EQ(two.square, second[r]);
    }
  }
}

TEST(Scorer, OneSegmentHasNoRunnerUp) {
  const std::vector<double> block = CompileScorer(PlainModel(1, 2));
  const double point[2] = {5, 5};
  Neighbor first, second;
  Scorer(block.data()).NearestTwo(point, &first, &second);
  EXPECT_EQ(first.segment, 2);
  EXPECT_EQ(second.square, kInf);
}

TEST(Scorer, MissingValuesOfAPlainModelGiveNoScore) {
  const std::vector<double> block = CompileScorer(PlainModel(3, 2));
  const Scorer scorer(block.data());
  double scratch[4];
  for (double bad : {kNaN, kInf, -kInf}) {
    for (std::size_t at : {0u, 1u}) {
      double row[2] = {1, 1};
      row[at] = bad;
      EXPECT_EQ(scorer.ToModelSpace(row, scratch), nullptr);
    }
  }
}

TEST(Scorer, TheScratchSpaceHoldsThePointBeforeTheRotation) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    test::ModelShape shape;
    shape.any_size = false;
    const Model model = test::RandomModel(seed, shape);
    if (!model.rotation) continue;
    const std::vector<double> block = CompileScorer(model);
    const Scorer scorer(block.data());
    test::Random random(seed);
    const auto row = RandomRow(model, &random);
    std::vector<double> scratch(scorer.scratch());
    if (scorer.ToModelSpace(row.data(), scratch.data()) == nullptr) continue;
    Model flat = model;
    flat.rotation.reset();
    flat.distance = Distance::kEuclidean;
    const auto z = ReferencePoint(flat, row);
    EXPECT_EQ(std::memcmp(scratch.data(), z->data(), z->size() * sizeof(double)), 0);
  }
}

}  // namespace
}  // namespace segmentation
