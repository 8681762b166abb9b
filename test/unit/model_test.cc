#include "core/model.h"

#include <gtest/gtest.h>

#include <cmath>

#include "expect_error.h"
#include "random_model.h"

namespace segmentation {
namespace {

using test::ExpectError;

Input Numeric(const std::string& name, Transform transform = Transform::kNone) {
  Input input;
  input.name = name;
  input.transform = transform;
  return input;
}

Input Categorical(const std::string& name, std::vector<std::string> levels, Unseen unseen) {
  Input input;
  input.name = name;
  input.categorical = true;
  input.levels = std::move(levels);
  input.unseen = unseen;
  return input;
}

// Two segments over one numeric column and two of a categorical.
Model SmallModel() {
  Model model;
  model.inputs = {Numeric("age"), Categorical("channel", {"shop", "web"}, Unseen::kZero)};
  model.offset = {10, 0, 0};
  model.scale = {2, 1, 1};
  model.centroids = {0, 1, 0, 1, 0, 1};
  model.segments = {{4, 10, 10, 1}, {2, 5, 5, 1}};
  return model;
}

template <typename Change>
void ExpectInvalid(Change change, const char* what) {
  Model model = SmallModel();
  ASSERT_NO_THROW(ValidateModel(model, ErrorCode::kInvalidText));
  change(&model);
  const Error error = ExpectError(
      ErrorCode::kInvalidText, [&] { ValidateModel(model, ErrorCode::kInvalidText); }, what);
  EXPECT_EQ(error.message(), "invalid input for kmeans_model");
}

TEST(ValidateModel, TakesEveryRandomModel) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    EXPECT_NO_THROW(ValidateModel(test::RandomModel(seed), ErrorCode::kInternal)) << seed;
  }
}

TEST(ValidateModel, RefusesWhatTheScorerCannotBear) {
  ExpectInvalid([](Model* m) { m->inputs.clear(); }, "no inputs");
  ExpectInvalid([](Model* m) { m->inputs[0].name = ""; }, "no name");
  ExpectInvalid([](Model* m) { m->inputs[1].name = "age"; }, "same name");
  ExpectInvalid([](Model* m) { m->inputs[0].clip_low = 2, m->inputs[0].clip_high = 1; }, "empty range");
  ExpectInvalid([](Model* m) { m->inputs[1].levels.clear(); }, "no levels");
  ExpectInvalid([](Model* m) { std::swap(m->inputs[1].levels[0], m->inputs[1].levels[1]); }, "unsorted");
  ExpectInvalid([](Model* m) { m->inputs[1].levels[1] = "shop"; }, "same level");
  ExpectInvalid([](Model* m) { m->inputs[1].unseen = Unseen::kOther; }, "one column more");
  ExpectInvalid([](Model* m) { m->inputs[1].impute_level = "phone"; }, "imputed by no level");
  ExpectInvalid([](Model* m) { m->offset.pop_back(); }, "offset short");
  ExpectInvalid([](Model* m) { m->scale.push_back(1); }, "scale long");
  ExpectInvalid([](Model* m) { m->offset[1] = test::kNaN; }, "offset NaN");
  ExpectInvalid([](Model* m) { m->scale[1] = test::kInf; }, "scale infinite");
  ExpectInvalid([](Model* m) { m->scale[2] = 0; }, "scale 0");
  ExpectInvalid([](Model* m) { m->scale[2] = -0.0; }, "scale -0");
  ExpectInvalid([](Model* m) { m->segments.clear(), m->centroids.clear(); }, "no segments");
  ExpectInvalid([](Model* m) { m->segments.pop_back(); }, "segments short");
  ExpectInvalid([](Model* m) { m->segments[1].id = 4; }, "same id");
  ExpectInvalid([](Model* m) { m->segments[1].id = -1; }, "negative id");
  ExpectInvalid([](Model* m) { m->segments[1].weight = -1; }, "negative weight");
  ExpectInvalid([](Model* m) { m->segments[1].inertia = test::kNaN; }, "inertia NaN");
  ExpectInvalid([](Model* m) { m->centroids.pop_back(); }, "centroids short");
  ExpectInvalid([](Model* m) { m->centroids.clear(); }, "no centroids");
  ExpectInvalid([](Model* m) { m->centroids[3] = -test::kInf; }, "centroid infinite");
  ExpectInvalid([](Model* m) { m->rotation = Rotation{{0, 0}, std::vector<double>(9)}; }, "center short");
  ExpectInvalid([](Model* m) { m->rotation = Rotation{{0, 0, 0}, std::vector<double>(6)}; }, "axes short");
  ExpectInvalid([](Model* m) { m->rotation = Rotation{{0, 0, 0}, std::vector<double>(9, test::kNaN)}; }, "axes NaN");
}

TEST(ValidateModel, TheOtherColumnMakesAnyImputationPossible) {
  Model model = SmallModel();
  model.inputs[1] = Categorical("channel", {"shop"}, Unseen::kOther);
  model.inputs[1].impute_level = "phone";
  EXPECT_NO_THROW(ValidateModel(model, ErrorCode::kInternal));
}

TEST(ColumnNames, NameLevels) {
  Model model = SmallModel();
  EXPECT_EQ(ColumnNames(model), (std::vector<std::string>{"age", "channel=shop", "channel=web"}));
  model.inputs[1].unseen = Unseen::kOther;
  EXPECT_EQ(ColumnNames(model), (std::vector<std::string>{"age", "channel=shop", "channel=web", "channel=(other)"}));
}

TEST(ColumnNames, AreAsManyAsColumns) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Model model = test::RandomModel(seed);
    EXPECT_EQ(ColumnNames(model).size(), model.Columns());
  }
}

TEST(RawCentroids, UndoTheScale) {
  EXPECT_EQ(RawCentroids(SmallModel()), (std::vector<double>{10, 1, 0, 12, 0, 1}));  // 10 + 2 z for the first column
  EXPECT_EQ(ScaledCentroids(SmallModel()), SmallModel().centroids);
}

TEST(RawCentroids, UndoTheTransform) {
  Model model;
  model.inputs = {Numeric("a", Transform::kLog1p), Numeric("b", Transform::kAsinh), Numeric("c")};
  model.offset = {1, 2, 3};
  model.scale = {0.5, 2, 4};
  model.segments = {{0, 1, 1, 0}};
  const std::vector<double> raw = {7, -11, 13};
  model.centroids = {(std::log1p(raw[0]) - 1) / 0.5, (std::asinh(raw[1]) - 2) / 2, (raw[2] - 3) / 4};
  const auto back = RawCentroids(model);
  ASSERT_EQ(back.size(), 3u);
  for (std::size_t j = 0; j < 3; ++j) EXPECT_NEAR(back[j], raw[j], 1e-13 * std::abs(raw[j]));
}

TEST(ScaledCentroids, UndoTheRotation) {
  Model model;
  model.inputs = {Numeric("a"), Numeric("b")};
  model.offset = {0, 0};
  model.scale = {1, 1};
  const double angle = 0.3;
  model.rotation = Rotation{{5, -2}, {std::cos(angle), std::sin(angle), -std::sin(angle), std::cos(angle)}};
  model.segments = {{0, 1, 1, 0}, {1, 1, 1, 0}};
  const test::Matrix scaled = {{6, 1}, {2, -3}};
  for (const auto& z : scaled) {
    const double x = z[0] - 5;
    const double y = z[1] + 2;
    model.centroids.push_back(std::cos(angle) * x + std::sin(angle) * y);
    model.centroids.push_back(-std::sin(angle) * x + std::cos(angle) * y);
  }
  const auto back = ScaledCentroids(model);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(back[i], scaled[i / 2][i % 2], 1e-14);
  // On one axis alone the way back leads to the nearest point of that axis.
  model.rotation->axes.resize(2);
  model.centroids = {3, -1};
  const auto projected = ScaledCentroids(model);
  EXPECT_NEAR(projected[0], 5 + 3 * std::cos(angle), 1e-14);
  EXPECT_NEAR(projected[1], -2 + 3 * std::sin(angle), 1e-14);
}

TEST(Names, AreTheWordsOfFormat1) {
  EXPECT_STREQ(Name(Transform::kNone), "none");
  EXPECT_STREQ(Name(Transform::kLog1p), "log1p");
  EXPECT_STREQ(Name(Transform::kAsinh), "asinh");
  EXPECT_STREQ(Name(Unseen::kOther), "other");
  EXPECT_STREQ(Name(Unseen::kZero), "zero");
  EXPECT_STREQ(Name(Unseen::kNull), "null");
}

}  // namespace
}  // namespace segmentation
