#include "core/model_edit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/elementary.h"
#include "core/scorer.h"
#include "expect_error.h"
#include "random_model.h"

namespace segmentation {
namespace {

using test::ExpectError;
using test::Random;

Input NumberInput(const std::string& name, Transform transform = Transform::kNone) {
  Input input;
  input.name = name;
  input.transform = transform;
  return input;
}

Input CategoryInput(const std::string& name, std::vector<std::string> levels, Unseen unseen = Unseen::kOther) {
  Input input;
  input.name = name;
  input.categorical = true;
  input.levels = std::move(levels);
  input.unseen = unseen;
  return input;
}

// Segments 10, 11, ... at these centroids, with these inputs, unscaled.
Model PlainModel(std::vector<Input> inputs, const test::Matrix& centroids) {
  Model model;
  model.inputs = std::move(inputs);
  std::size_t columns = 0;
  for (const Input& input : model.inputs) columns += input.Columns();
  model.offset.assign(columns, 0.0);
  model.scale.assign(columns, 1.0);
  model.centroids = test::Flatten(centroids);
  for (std::size_t s = 0; s < centroids.size(); ++s) model.segments.push_back({static_cast<std::int32_t>(10 + s), 5, 5, 1});
  return model;
}

// Orthonormal rows (Gram and Schmidt).
Rotation RandomRotation(std::size_t dimensions, std::size_t columns, Random* random) {
  Rotation rotation;
  for (std::size_t q = 0; q < dimensions; ++q) {
    std::vector<double> axis;
    for (std::size_t j = 0; j < columns; ++j) axis.push_back(random->Normal());
    for (std::size_t p = 0; p < q; ++p) {
      double along = 0;
      for (std::size_t j = 0; j < columns; ++j) along += axis[j] * rotation.axes[p * columns + j];
      for (std::size_t j = 0; j < columns; ++j) axis[j] -= along * rotation.axes[p * columns + j];
    }
    double square = 0;
    for (double value : axis) square += value * value;
    for (double value : axis) rotation.axes.push_back(value / std::sqrt(square));
  }
  for (std::size_t j = 0; j < columns; ++j) rotation.center.push_back(random->Uniform(-1, 1));
  return rotation;
}

const std::vector<std::string> kChannels = {"app", "fax", "mail", "shop", "web"};

// Inputs of one kind and name, in any order, with levels of its own, scaled and perhaps rotated.
Model CustomerModel(std::uint64_t seed, bool may_rotate = true) {
  Random random(seed);
  std::vector<std::string> levels;
  while (levels.empty()) {
    for (const std::string& level : kChannels) {
      if (random.Below(2) == 0) levels.push_back(level);
    }
  }
  std::vector<Input> inputs = {NumberInput("age"), NumberInput("income", Transform::kLog1p),
                               NumberInput("balance", Transform::kAsinh),
                               CategoryInput("channel", levels, static_cast<Unseen>(random.Below(3)))};
  inputs[0].clip_high = random.Uniform(70, 90);
  inputs[1].impute = random.Uniform(0, 5000);
  random.Shuffle(&inputs);
  Model model = PlainModel(inputs, {});
  const std::size_t columns = model.Columns();
  for (std::size_t j = 0; j < columns; ++j) {
    model.offset[j] = random.Uniform(-3, 3);
    model.scale[j] = random.Uniform(0.2, 8);
  }
  std::size_t dimensions = columns;
  if (may_rotate && random.Below(2) == 0) {
    dimensions = 1 + random.Below(columns);
    model.rotation = RandomRotation(dimensions, columns, &random);
  }
  const std::size_t segments = 1 + random.Below(6);
  for (std::size_t s = 0; s < segments; ++s) {
    model.segments.push_back(
        {static_cast<std::int32_t>(3 * s + 2), random.Below(100), random.Uniform(0, 9), random.Uniform(0, 9)});
    for (std::size_t q = 0; q < dimensions; ++q) model.centroids.push_back(random.Uniform(-3, 3));
  }
  return model;
}

std::vector<RawValue> CustomerRow(const Model& model, Random* random) {
  std::vector<RawValue> row;
  const double age = random->Uniform(18, 100), income = random->Uniform(0, 9000), balance = random->Uniform(-500, 500);
  const std::string& channel = kChannels[random->Below(kChannels.size())];
  for (const Input& input : model.inputs) {
    RawValue value;
    value.missing = false;
    if (input.categorical) {
      value.text = channel;
    } else {
      value.number = input.name == "age" ? age : input.name == "income" ? income : balance;
    }
    row.push_back(value);
  }
  return row;
}

// ---- AssembleModel -------------------------------------------------------------------------------------------------

Model Preparation() {
  Model model =
      PlainModel({NumberInput("age", Transform::kLog1p), CategoryInput("channel", {"shop", "web"})}, {{0, 0, 0, 0}});
  model.inputs[0].impute = 40;
  return model;
}

Model Trained() {
  Model model = PlainModel({NumberInput("x1"), NumberInput("x2"), NumberInput("x3"), NumberInput("x4")},
                           {{1, 2, 3, 4}, {5, 6, 7, 8}});
  model.offset = {1, 0, 0, 0};
  model.scale = {2, 0.5, 0.5, 0.5};
  model.scaling = "zscore";
  model.fit.rows = 10;
  model.fit.left_out = 1;
  model.fit.skipped = 2;
  model.warnings.push_back({"unscaled", "text"});
  return model;
}

TEST(AssembleModel, TakesTheInputsOfOneAndTheRestOfTheOther) {
  const Model made = AssembleModel(Preparation(), Trained(), 30, 400);
  Model expected = Trained();
  expected.inputs = Preparation().inputs;
  expected.fit.left_out = 31;
  expected.fit.skipped = 402;
  EXPECT_EQ(EncodeModel(made), EncodeModel(expected));
}

TEST(AssembleModel, ScoresRawRowsAsTheTrainingScoresTheirColumns) {
  const std::vector<double> whole = CompileScorer(AssembleModel(Preparation(), Trained(), 0, 0)),
                            first = CompileScorer(Preparation()), second = CompileScorer(Trained());
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    RawValue row[2];
    row[0].missing = random.Below(5) == 0, row[0].number = random.Uniform(0, 90);
    row[1].missing = false, row[1].text = kChannels[random.Below(kChannels.size())];
    std::vector<double> scratch(30), columns_scratch(30), trained_scratch(30);
    const double* columns = Scorer(first.data()).ToModelSpace(row, columns_scratch.data());
    const double* expected = Scorer(second.data()).ToModelSpace(columns, trained_scratch.data());
    const double* point = Scorer(whole.data()).ToModelSpace(row, scratch.data());
    for (int j = 0; j < 4; ++j) EXPECT_EQ(point[j], expected[j]);
    EXPECT_EQ(Scorer(whole.data()).Nearest(point).segment, Scorer(second.data()).Nearest(expected).segment);
  }
}

TEST(AssembleModel, OtherColumnsAreAnError) {
  Model fewer = PlainModel({NumberInput("x1"), NumberInput("x2")}, {{1, 2}});
  const Error error = ExpectError(ErrorCode::kDimensionMismatch, [&] { AssembleModel(Preparation(), fewer, 0, 0); });
  EXPECT_NE(error.detail().find('2'), std::string::npos) << error.detail();
  EXPECT_NE(error.detail().find('4'), std::string::npos) << error.detail();
}

// ---- Renumber ------------------------------------------------------------------------------------------------------

TEST(Renumber, GivesIdsInTheOrderOfTheSegments) {
  const Model model = PlainModel({NumberInput("x")}, {{1}, {2}, {3}});
  const Model made = Renumber(model, {7, 0, 2'147'483'647});
  Model expected = model;
  expected.segments[0].id = 7, expected.segments[1].id = 0, expected.segments[2].id = 2'147'483'647;
  EXPECT_EQ(EncodeModel(made), EncodeModel(expected));
}

TEST(Renumber, IdsThatAreNegativeOrNotUniqueAreErrors) {
  const Model model = PlainModel({NumberInput("x")}, {{1}, {2}});
  ExpectError(ErrorCode::kInvalidParameter, [&] { Renumber(model, {1, -1}); });
  ExpectError(ErrorCode::kInvalidParameter, [&] { Renumber(model, {1, 1}); });
  ExpectError(ErrorCode::kInvalidParameter, [&] { Renumber(model, {INT32_MIN, 3}); });
}

TEST(Renumber, AnotherNumberOfIdsIsAnError) {
  const Model model = PlainModel({NumberInput("x")}, {{1}, {2}});
  for (const std::vector<std::int32_t>& ids : {std::vector<std::int32_t>{}, {1}, {1, 2, 3}}) {
    ExpectError(ErrorCode::kDimensionMismatch, [&] { Renumber(model, ids); });
  }
}

// ---- CentroidsOnto -------------------------------------------------------------------------------------------------

TEST(CentroidsOnto, LevelsGoToTheirNamesakesOrToOther) {
  const Model model =
      PlainModel({CategoryInput("channel", {"app", "fax", "web"}), NumberInput("age")}, {{0.1, 0.2, 0.3, 0.4, 50}});
  // "shop" is new: a share of 0. "app" and "fax" are gone: others, as those that were others before.
  const std::vector<double> with_other =
      CentroidsOnto(model, PlainModel({NumberInput("age"), CategoryInput("channel", {"shop", "web"})}, {{0, 0, 0, 0}}));
  ASSERT_EQ(with_other.size(), 4u);
  EXPECT_EQ(with_other[0], 50);
  EXPECT_EQ(with_other[1], 0);
  EXPECT_DOUBLE_EQ(with_other[2], 0.3);
  EXPECT_DOUBLE_EQ(with_other[3], 0.1 + 0.2 + 0.4);
  // Where there is no column "other", they are nowhere.
  for (Unseen unseen : {Unseen::kZero, Unseen::kNull}) {
    const Model onto = PlainModel({NumberInput("age"), CategoryInput("channel", {"shop", "web"}, unseen)}, {{0, 0, 0}});
    EXPECT_EQ(CentroidsOnto(model, onto), (std::vector<double>{50, 0, 0.3}));
  }
}

TEST(CentroidsOnto, IsBeforeTheScaleOfOnto) {
  Model model = PlainModel({NumberInput("a"), NumberInput("b", Transform::kLog1p)}, {{1, 2}, {-1, 0}});
  model.offset = {10, 1}, model.scale = {5, 0.5};
  Model onto = PlainModel({NumberInput("b", Transform::kLog1p), NumberInput("a")}, {{0, 0}});
  onto.offset = {100, 200}, onto.scale = {3, 4};
  EXPECT_EQ(CentroidsOnto(model, onto), (std::vector<double>{2, 15, 1, 5}));
}

TEST(CentroidsOnto, InputsThatOntoDoesNotHaveDoNotMatter) {
  const Model model = PlainModel({NumberInput("a"), CategoryInput("c", {"x"}), NumberInput("b")}, {{1, 0.5, 0.5, 2}});
  EXPECT_EQ(CentroidsOnto(model, PlainModel({NumberInput("b")}, {{0}})), (std::vector<double>{2}));
}

// What a column of `onto` gets, by the names that ColumnNames gives them.
std::vector<double> MappedByNames(const Model& model, const Model& onto) {
  const std::vector<std::string> from = ColumnNames(model), to = ColumnNames(onto);
  std::vector<double> mapped;
  for (std::size_t s = 0; s < model.segments.size(); ++s) {
    std::map<std::string, double> values;
    for (std::size_t j = 0; j < from.size(); ++j) {
      double z = model.rotation ? model.rotation->center[j] : model.centroids[s * from.size() + j];
      for (std::size_t q = 0; model.rotation && q < model.Dimensions(); ++q) {
        z += model.centroids[s * model.Dimensions() + q] * model.rotation->axes[q * from.size() + j];
      }
      const bool is_level = from[j].rfind("channel=", 0) == 0;
      const bool known = std::find(to.begin(), to.end(), from[j]) != to.end();
      values[is_level && !known ? "channel=(other)" : from[j]] += model.offset[j] + z * model.scale[j];
    }
    for (const std::string& name : to) mapped.push_back(values.count(name) > 0 ? values[name] : 0.0);
  }
  return mapped;
}

TEST(CentroidsOnto, FollowsTheNamesOfTheColumns) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Model model = CustomerModel(seed), onto = CustomerModel(seed + 1000);
    const std::vector<double> got = CentroidsOnto(model, onto), expected = MappedByNames(model, onto);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-12) << seed;
  }
}

TEST(CentroidsOnto, OtherInputsAreErrors) {
  const Model model = PlainModel({NumberInput("a"), CategoryInput("c", {"x"})}, {{1, 1, 0}});
  const struct {
    Input input;
    const char* said;
  } kDifferent[] = {
      {NumberInput("b"), "\"b\""},          {NumberInput("a", Transform::kLog1p), "transform"},
      {NumberInput("c"), "category"},       {CategoryInput("a", {"x"}), "category"},
      {CategoryInput("d", {"x"}), "\"d\""},
  };
  for (const auto& different : kDifferent) {
    const Model onto = PlainModel({different.input}, {std::vector<double>(different.input.Columns())});
    const Error error = ExpectError(
        ErrorCode::kInvalidParameter, [&] { CentroidsOnto(model, onto); }, different.input.name);
    EXPECT_NE(error.detail().find(different.said), std::string::npos) << error.detail();
    ExpectError(
        ErrorCode::kInvalidParameter, [&] { SeenBy(model, onto); }, different.input.name);
  }
}

// ---- SeenBy --------------------------------------------------------------------------------------------------------

TEST(SeenBy, ItselfScoresAlike) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Model model = CustomerModel(seed);
    const Model seen = SeenBy(model, model);
    const std::vector<double> block = CompileScorer(model), seen_block = CompileScorer(seen);
    const Scorer scorer(block.data()), seen_scorer(seen_block.data());
    Random random(seed);
    int scored = 0;
    for (int i = 0; i < 40; ++i) {
      std::vector<double> scratch(scorer.scratch()), seen_scratch(scorer.scratch());
      const std::vector<RawValue> row = CustomerRow(model, &random);
      const double* point = scorer.ToModelSpace(row.data(), scratch.data());
      const double* seen_point = seen_scorer.ToModelSpace(row.data(), seen_scratch.data());
      ASSERT_EQ(point == nullptr, seen_point == nullptr);
      if (point == nullptr) continue;
      ++scored;
      Neighbor first, second;
      scorer.NearestTwo(point, &first, &second);
      EXPECT_EQ(seen_scorer.Nearest(seen_point).segment, first.segment);
      EXPECT_NEAR(seen_scorer.Nearest(seen_point).square, first.square, 1e-10 * (1 + first.square));
    }
    if (model.inputs.end() ==
        std::find_if(model.inputs.begin(), model.inputs.end(), [](const Input& i) { return i.unseen == Unseen::kNull; })) {
      EXPECT_EQ(scored, 40);
    }
  }
}

// All by hand: the row by the scorer of `onto` itself, the centroids through their columns' names, offset, scale and
// rotation.
TEST(SeenBy, DistancesAreThoseInTheSpaceOfOnto) {
  int scored = 0, rotated = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Model model = CustomerModel(seed), onto = CustomerModel(seed + 1000);
    rotated += onto.rotation.has_value() ? 1 : 0;
    const std::vector<double> columns = MappedByNames(model, onto);
    const std::size_t width = onto.Columns(), dimensions = onto.Dimensions();
    const std::vector<double> block = CompileScorer(onto), seen_block = CompileScorer(SeenBy(model, onto));
    const Scorer scorer(block.data()), seen(seen_block.data());
    ASSERT_EQ(seen.segments(), model.segments.size());
    Random random(seed);
    for (int i = 0; i < 10; ++i) {
      const std::vector<RawValue> row = CustomerRow(onto, &random);
      std::vector<double> scratch(scorer.scratch()), seen_scratch(seen.scratch()), squares(seen.segments());
      const double* point = scorer.ToModelSpace(row.data(), scratch.data());
      const double* seen_point = seen.ToModelSpace(row.data(), seen_scratch.data());
      ASSERT_EQ(point == nullptr, seen_point == nullptr);
      if (point == nullptr) continue;
      ++scored;
      seen.SquaredDistances(seen_point, squares.data());
      for (std::size_t s = 0; s < model.segments.size(); ++s) {
        std::vector<double> z(width), y;
        for (std::size_t j = 0; j < width; ++j) z[j] = (columns[s * width + j] - onto.offset[j]) / onto.scale[j];
        for (std::size_t q = 0; q < dimensions; ++q) {
          double along = onto.rotation ? 0 : z[q];
          for (std::size_t j = 0; onto.rotation && j < width; ++j) {
            along += (z[j] - onto.rotation->center[j]) * onto.rotation->axes[q * width + j];
          }
          y.push_back(along);
        }
        const double expected = test::SquaredDistance(point, y.data(), dimensions);
        EXPECT_NEAR(squares[s], expected, 1e-10 * (1 + expected)) << seed;
        EXPECT_EQ(seen.id(s), model.segments[s].id);
      }
    }
  }
  EXPECT_GT(scored, 2000);
  EXPECT_GT(rotated, 50);
}

TEST(SeenBy, HasTheSegmentsOfTheOneAndTheScaleOfTheOther) {
  Model model = PlainModel({NumberInput("a")}, {{1}, {2}}), onto = PlainModel({NumberInput("a")}, {{7}});
  model.offset = {5};
  onto.offset = {3}, onto.scale = {2}, onto.scaling = "zscore", onto.inputs[0].impute = 9;
  const Model seen = SeenBy(model, onto);
  EXPECT_EQ(seen.centroids, (std::vector<double>{1.5, 2}));  // (1 + 5 - 3) / 2 and (2 + 5 - 3) / 2
  EXPECT_EQ(seen.offset, onto.offset);
  EXPECT_EQ(seen.scale, onto.scale);
  EXPECT_EQ(seen.scaling, "zscore");
  EXPECT_EQ(seen.inputs[0].impute, 9);
  ASSERT_EQ(seen.segments.size(), 2u);
  EXPECT_EQ(seen.segments[0].id, 10);
  EXPECT_EQ(seen.segments[1].id, 11);
}

TEST(SeenBy, CosineIsNotSupported) {
  const Model euclidean = PlainModel({NumberInput("a")}, {{1}});
  Model cosine = euclidean;
  cosine.distance = Distance::kCosine;
  ExpectError(ErrorCode::kNotSupported, [&] { SeenBy(cosine, euclidean); });
  ExpectError(ErrorCode::kNotSupported, [&] { SeenBy(euclidean, cosine); });
  ExpectError(ErrorCode::kNotSupported, [&] { SeenBy(cosine, cosine); });
}

TEST(SeenBy, CentroidsBeyondADoubleAreAnError) {
  Model model = PlainModel({NumberInput("a")}, {{1e300}}), onto = PlainModel({NumberInput("a")}, {{1}});
  onto.scale = {1e-300};
  ExpectError(ErrorCode::kInvalidParameter, [&] { SeenBy(model, onto); });
}

}  // namespace
}  // namespace segmentation
