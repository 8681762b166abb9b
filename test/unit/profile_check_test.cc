#include "core/profile_check.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/profile.h"
#include "survey_samples.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::json;

// A profile of two segments, with everything in it.
json Whole() {
  test::Random random(1);
  ProfileRequest request;
  request.segments = {0, 1};
  request.numbers = {{"a", "feature"}, {"b", "profile"}, {"bad", "outcome"}};
  request.categories = {{"c", "profile"}};
  std::vector<SegmentTotals> segments(2);
  std::vector<NumberTotals> numbers(6);
  std::vector<std::string> rows;
  std::vector<std::size_t> places;
  for (int i = 0; i < 300; ++i) {
    rows.push_back(test::SampleRow(1, {random.Normal(), i % 7 == 0 ? test::kNaN : static_cast<double>(i % 5), static_cast<double>(i % 2)}, {i % 3 == 0 ? "x" : "y"}));
    places.push_back(random.Below(2));
  }
  std::vector<std::vector<const char*>> samples(2);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CountProfileRow(rows[i].data(), true, &segments[places[i]], &numbers[places[i] * 3], 3);
    samples[places[i]].push_back(rows[i].data());
  }
  return json::parse(ProfileJson(request, {0, segments.data(), numbers.data()}, samples, test::kNoInterrupt));
}

TEST(CheckProfile, WhatATrainingWritesIsGood) {
  const json whole = Whole();
  EXPECT_NO_THROW(CheckProfile(whole.dump(), 2));
  EXPECT_THROW(CheckProfile(whole.dump(), 1), Error);
  EXPECT_THROW(CheckProfile(whole.dump(), 3), Error);
}

// Every value in it made something else, one after the other: of another kind, negative, huge, or gone.
void Spoil(const json& whole, json* at, const json& root, int* tried) {
  const auto refuse = [&](const json& value) {
    const json kept = *at;
    *at = value;
    if (root != whole) {
      ++*tried;
      EXPECT_THROW(CheckProfile(root.dump(), 2), Error) << "was " << kept << " and is " << value;
    }
    *at = kept;
  };
  refuse("Infinity");
  refuse(json::array({1, 2, 3, "x"}));
  refuse(json::object({{"x", 1}}));
  if (at->is_structured()) {
    refuse(nullptr);
    for (auto& item : *at) Spoil(whole, &item, root, tried);
    json shorter = *at;
    shorter.erase(shorter.begin());
    // Nothing is missing where there are fewer of what there can be any number of.
    if (at->is_object() || (at->size() <= 3 && at->front().is_structured() && at->front().contains("weight"))) refuse(shorter);
    if (at->is_object()) {
      json longer = *at;
      longer["another"] = 1;
      refuse(longer);
    }
  }
}

TEST(CheckProfile, WhatIsSpoiledIsRefused) {
  const json whole = Whole();
  json spoiled = whole;
  int tried = 0;
  // Texts may be any text; a name of "Infinity" is one.
  for (const char* list : {"segments", "features", "importance", "trend"}) {
    for (auto& item : spoiled[list]) {
      if (item.is_object()) {
        for (auto& [key, value] : item.items()) {
          if (!value.is_string()) Spoil(whole, &value, spoiled, &tried);
          if (tried > 3000) return;
        }
      }
    }
  }
  EXPECT_GT(tried, 200);
}

TEST(CheckProfile, NumbersAreOfRows) {
  const json whole = Whole();
  const auto refuse = [&](const char* pointer, const json& value) {
    json spoiled = whole;
    spoiled[json::json_pointer(pointer)] = value;
    EXPECT_THROW(CheckProfile(spoiled.dump(), 2), Error) << pointer << value;
  };
  for (const json& value : {json(-1), json(1.5), json(1e-308), json(1e300), json(9223372036854775807)}) {
    refuse("/segments/0/rows", value);
    refuse("/segments/0/known", value);
    refuse("/segments/0/events", value);
    refuse("/features/0/segments/0/rows", value);
    refuse("/trend/along/0/segments/0/0/customers", value);
  }
  refuse("/segments/0/events", whole["segments"][0]["known"].get<int>() + 1);
  refuse("/segments/0/known", whole["segments"][0]["rows"].get<int>() + 1);
  refuse("/segments/0/weight", -1);
  refuse("/features/0/role", "owner");
  refuse("/features/0/feature", std::string(1001, 'x'));
  refuse("/trend/measures/0", std::string(1001, 'x'));
  json many = whole;
  for (int i = 0; i < 30'001; ++i) many["importance"].push_back(many["importance"][0]);
  EXPECT_THROW(CheckProfile(many.dump(), 2), Error);
  EXPECT_THROW(CheckProfile("7", 2), Error);
  EXPECT_THROW(CheckProfile("{", 2), Error);
}

}  // namespace
}  // namespace segmentation
