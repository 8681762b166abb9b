// Random valid models, with everything in them that format 1 allows.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "core/model.h"
#include "test_support.h"

namespace segmentation::test {

// Any finite double: mostly ordinary, sometimes of any size.
inline double AnyDouble(Random* random) {
  if (random->Below(4) != 0) return random->Uniform(-100, 100);
  for (;;) {
    const double value = std::bit_cast<double>(random->Bits());
    if (std::isfinite(value)) return value == 0 ? 0.0 : value;
  }
}

// Names as nobody should choose them: quotes, backslashes, control characters, letters of 2, 3 and 4 bytes.
inline std::string OddText(Random* random, std::size_t least = 1) {
  static const std::vector<std::string> kPieces = {"a",  "Z",  " ",    "\"",   "\\",         "/",       "'",
                                                   "\n", "\t", "\x01", "\x1f", "\x7f",       "{",       "}",
                                                   "ä",  "ß",  "€",    "漢",   "\U0001F600", "=(other)"};
  std::string text;
  for (std::size_t length = least + random->Below(6); length > 0; --length) text += kPieces[random->Below(kPieces.size())];
  return text;
}

inline std::vector<std::string> OddTexts(std::size_t count, Random* random) {
  std::set<std::string> texts;
  while (texts.size() < count) texts.insert(OddText(random));
  return {texts.begin(), texts.end()};  // ascending by bytes
}

struct ModelShape {
  bool categorical = true;
  bool rotation = true;
  bool any_size = true;  // numbers of any size; otherwise such as real models have
};

inline Input RandomInput(const std::string& name, const ModelShape& shape, Random* random) {
  const auto number = [&] { return shape.any_size ? AnyDouble(random) : random->Uniform(-5, 5); };
  Input input;
  input.name = name;
  input.categorical = shape.categorical && random->Below(3) == 0;
  if (input.categorical) {
    input.levels = OddTexts(1 + random->Below(4), random);
    input.unseen = static_cast<Unseen>(random->Below(3));
    if (random->Below(2) == 0) input.impute_level = input.levels[random->Below(input.levels.size())];
    if (input.unseen == Unseen::kOther && random->Below(4) == 0) input.impute_level = "never a level";
    return input;
  }
  input.transform = static_cast<Transform>(random->Below(3));
  if (random->Below(3) == 0) input.clip_low = number();
  if (random->Below(3) == 0) input.clip_high = number();
  if (input.clip_low && input.clip_high && *input.clip_low > *input.clip_high) std::swap(input.clip_low, input.clip_high);
  if (random->Below(3) == 0) input.impute = number();
  return input;
}

inline void AddFit(Random* random, Model* model) {
  Metrics& metrics = model->metrics;
  for (double* value : {&metrics.inertia, &metrics.total_inertia, &metrics.mean_distance, &metrics.silhouette,
                        &metrics.calinski_harabasz, &metrics.davies_bouldin}) {
    *value = AnyDouble(random);
  }
  for (double* value : {&metrics.silhouette, &metrics.calinski_harabasz, &metrics.davies_bouldin}) {
    if (random->Below(3) == 0) *value = Metrics::kUndefined;
  }
  FitRecord& fit = model->fit;
  fit.k = static_cast<std::int64_t>(1 + random->Below(100));
  fit.init = OddText(random);
  fit.n_init = static_cast<std::int64_t>(1 + random->Below(100));
  fit.max_iter = static_cast<std::int64_t>(random->Below(1000));
  fit.tol = AnyDouble(random);
  fit.quality = OddText(random, 0);
  fit.on_null = OddText(random, 0);
  fit.min_size = static_cast<std::int64_t>(random->Bits() >> 1);
  fit.trim = AnyDouble(random);
  fit.seed = static_cast<std::int64_t>(random->Bits());
  fit.iterations = random->Bits() >> 1;
  fit.rows = random->Bits() >> 20;
  fit.skipped = random->Bits() >> 50;
  fit.left_out = random->Below(2);
  fit.weight = AnyDouble(random);
  fit.exact = random->Below(2) == 0;
  for (std::size_t i = random->Below(3); i > 0; --i) model->warnings.push_back({OddText(random), OddText(random, 0)});
}

inline Model RandomModel(std::uint64_t seed, const ModelShape& shape = {}) {
  Random random(seed);
  const auto number = [&] { return shape.any_size ? AnyDouble(&random) : random.Uniform(-5, 5); };
  Model model;
  model.distance = static_cast<Distance>(random.Below(2));
  model.scaling = OddText(&random, 0);
  std::vector<std::string> names = OddTexts(1 + random.Below(5), &random);
  random.Shuffle(&names);
  std::size_t columns = 0;
  for (const std::string& name : names) {
    model.inputs.push_back(RandomInput(name, shape, &random));
    columns += model.inputs.back().Columns();
  }
  const bool identity = random.Below(4) == 0;
  for (std::size_t j = 0; j < columns; ++j) {
    model.offset.push_back(identity ? 0 : number());
    model.scale.push_back(identity ? 1 : number());
    if (model.scale.back() == 0) model.scale.back() = 1;
  }
  std::size_t dimensions = columns;
  if (shape.rotation && random.Below(3) == 0) {
    dimensions = 1 + random.Below(columns);
    model.rotation.emplace();
    for (std::size_t j = 0; j < columns; ++j) model.rotation->center.push_back(number());
    for (std::size_t j = 0; j < columns * dimensions; ++j) model.rotation->axes.push_back(number());
  }
  std::set<std::int32_t> ids;
  const std::size_t segments = 1 + random.Below(20);
  while (ids.size() < segments) ids.insert(static_cast<std::int32_t>(random.Below(random.Below(2) == 0 ? 30 : 1u << 31)));
  for (std::int32_t id : ids) {
    model.segments.push_back({id, random.Bits() >> 1, std::abs(number()), std::abs(number())});
    for (std::size_t j = 0; j < dimensions; ++j) model.centroids.push_back(number());
  }
  random.Shuffle(&model.segments);
  AddFit(&random, &model);
  return model;
}

}  // namespace segmentation::test
