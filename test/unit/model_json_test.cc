// The text form of a model: what comes back, in which order, and what hostile text meets.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/model.h"
#include "expect_error.h"
#include "random_model.h"

namespace segmentation {
namespace {

using nlohmann::ordered_json;
using test::ExpectError;

constexpr int kModels = 1000;

Model Read(const std::string& text) {
  return DecodeModel(text, ErrorCode::kInvalidText);
}

void ExpectInvalid(const std::string& text, const std::string& what) {
  const Error error = ExpectError(
      ErrorCode::kInvalidText, [&] { Read(text); }, what);
  EXPECT_FALSE(error.detail().empty()) << what;
  ExpectError(
      ErrorCode::kInvalidBinary, [&] { DecodeModel(text, ErrorCode::kInvalidBinary); }, what);
}

// A model in which every member is there and no array is empty.
ordered_json FullModel() {
  for (std::uint64_t seed = 0;; ++seed) {
    const Model model = test::RandomModel(seed);
    const bool numeric =
        std::any_of(model.inputs.begin(), model.inputs.end(), [](const Input& i) { return !i.categorical; });
    if (model.rotation && model.HasCategorical() && numeric && model.segments.size() > 2 && !model.warnings.empty()) {
      return ordered_json::parse(EncodeModel(model));
    }
  }
}

// Applies f to every object inside the value; f gets a way to change it, and the tree is checked after each change.
template <typename F>
void ForEachObject(ordered_json* root, ordered_json* node, const std::string& path, F f) {
  if (node->is_object()) f(root, node, path);
  if (!node->is_structured()) return;
  for (auto it = node->begin(); it != node->end(); ++it) {
    const std::string name = node->is_object() ? it.key() : std::to_string(it - node->begin());
    ForEachObject(root, &*it, path + "/" + name, f);
  }
}

// Every leaf and branch below the root.
template <typename F>
void ForEachNode(ordered_json* node, const std::string& path, F f) {
  for (auto it = node->begin(); it != node->end(); ++it) {
    const std::string name = path + "/" + (node->is_object() ? it.key() : std::to_string(it - node->begin()));
    f(&*it, name);
    if (it->is_structured()) ForEachNode(&*it, name, f);
  }
}

ordered_json Shuffled(const ordered_json& value, test::Random* random) {
  if (value.is_array()) {
    ordered_json out = ordered_json::array();
    for (const auto& item : value) out.push_back(Shuffled(item, random));
    return out;
  }
  if (!value.is_object()) return value;
  std::vector<std::string> names;
  for (auto it = value.begin(); it != value.end(); ++it) names.push_back(it.key());
  random->Shuffle(&names);
  ordered_json out = ordered_json::object();
  for (const std::string& name : names) out[name] = Shuffled(value[name], random);
  return out;
}

TEST(ModelJson, StartsWithTheFormat) {
  EXPECT_EQ(EncodeModel(test::RandomModel(1)).rfind(R"({"format":1,)", 0), 0u);
}

TEST(ModelJson, RandomModelsComeBackByteByByte) {
  for (int seed = 0; seed < kModels; ++seed) {
    const Model model = test::RandomModel(static_cast<std::uint64_t>(seed));
    ASSERT_NO_THROW(ValidateModel(model, ErrorCode::kInternal)) << seed;
    const std::string text = EncodeModel(model);
    ASSERT_EQ(EncodeModel(Read(text)), text) << seed;
    for (char byte : text) ASSERT_TRUE(byte >= 0x20 && byte < 0x7F) << seed;  // one line of ASCII
  }
}

TEST(ModelJson, EveryFieldComesBack) {
  for (int seed = 0; seed < 100; ++seed) {
    const Model model = test::RandomModel(static_cast<std::uint64_t>(seed));
    const Model back = Read(EncodeModel(model));
    EXPECT_EQ(back.distance, model.distance);
    EXPECT_EQ(back.offset, model.offset);
    EXPECT_EQ(back.scale, model.scale);
    EXPECT_EQ(back.centroids, model.centroids);
    ASSERT_EQ(back.inputs.size(), model.inputs.size());
    for (std::size_t i = 0; i < model.inputs.size(); ++i) {
      EXPECT_EQ(back.inputs[i].name, model.inputs[i].name);
      EXPECT_EQ(back.inputs[i].categorical, model.inputs[i].categorical);
      EXPECT_EQ(back.inputs[i].levels, model.inputs[i].levels);
      EXPECT_EQ(back.inputs[i].impute, model.inputs[i].impute);
      EXPECT_EQ(back.inputs[i].impute_level, model.inputs[i].impute_level);
      EXPECT_EQ(back.inputs[i].clip_low, model.inputs[i].clip_low);
      EXPECT_EQ(back.inputs[i].clip_high, model.inputs[i].clip_high);
      EXPECT_EQ(back.inputs[i].Columns(), model.inputs[i].Columns());
    }
    ASSERT_EQ(back.rotation.has_value(), model.rotation.has_value());
    if (model.rotation) {
      EXPECT_EQ(back.rotation->axes, model.rotation->axes);
    }
    for (std::size_t i = 0; i < model.segments.size(); ++i) {
      EXPECT_EQ(back.segments[i].id, model.segments[i].id);
      EXPECT_EQ(back.segments[i].rows, model.segments[i].rows);
    }
    EXPECT_EQ(back.fit.seed, model.fit.seed);
    EXPECT_EQ(back.fit.exact, model.fit.exact);
    EXPECT_EQ(std::isnan(back.metrics.silhouette), std::isnan(model.metrics.silhouette));
    EXPECT_EQ(back.warnings.size(), model.warnings.size());
  }
}

TEST(ModelJson, AnyOrderOfMembersReadsTheSame) {
  test::Random random(3);
  for (int seed = 0; seed < 200; ++seed) {
    const std::string text = EncodeModel(test::RandomModel(static_cast<std::uint64_t>(seed)));
    const std::string shuffled = Shuffled(ordered_json::parse(text), &random).dump(1);  // and with white space
    ASSERT_EQ(EncodeModel(Read(shuffled)), text) << seed;
  }
}

TEST(ModelJson, MissingMembersAreErrorsThatNameThem) {
  ordered_json model = FullModel();
  int objects = 0;
  ForEachObject(&model, &model, "", [&](ordered_json* root, ordered_json* object, const std::string& path) {
    ++objects;
    const ordered_json before = *object;
    for (auto it = before.begin(); it != before.end(); ++it) {
      object->erase(it.key());
      const Error error = ExpectError(
          ErrorCode::kInvalidText, [&] { Read(root->dump()); }, path + " without " + it.key());
      EXPECT_NE(error.detail().find("\"" + it.key() + "\""), std::string::npos) << error.detail();
      *object = before;
    }
  });
  EXPECT_GE(objects, 1 + 2 + 1 + 3 + 1 + 1 + 1);  // model, inputs, rotation, segments, metrics, fit, warnings
}

TEST(ModelJson, UnknownMembersAreErrors) {
  ordered_json model = FullModel();
  ForEachObject(&model, &model, "", [&](ordered_json* root, ordered_json* object, const std::string& path) {
    (*object)["surprise"] = 1;
    ExpectInvalid(root->dump(), path + " with a surprise");
    object->erase("surprise");
  });
}

TEST(ModelJson, MembersThatAppearTwiceAreErrors) {
  const std::string text = FullModel().dump();
  int tried = 0;
  for (std::size_t at = text.find("{\""); at != std::string::npos; at = text.find("{\"", at + 1)) {
    const std::size_t end = text.find('"', at + 2);
    if (text[end - 1] == '\\' || text[end + 1] != ':') continue;  // braces inside a name
    ExpectInvalid(text.substr(0, at + 1) + text.substr(at + 1, end - at) + ":0," + text.substr(at + 1), "twice");
    ++tried;
  }
  EXPECT_GT(tried, 5);
}

// Every value in turn is replaced by one of each other type.
TEST(ModelJson, WrongTypesAreErrors) {
  ordered_json model = FullModel();
  const std::vector<ordered_json> strangers = {nullptr, true, -7.5, "text", ordered_json::array(), ordered_json::object()};
  ForEachNode(&model, "", [&](ordered_json* node, const std::string& path) {
    const ordered_json before = *node;
    for (const ordered_json& stranger : strangers) {
      const bool number_for_number = before.is_number() && stranger.is_number();
      const bool text_for_text = before.is_string() && stranger.is_string();
      if (number_for_number || text_for_text || before.type() == stranger.type()) continue;
      const std::string last = path.substr(path.rfind('/') + 1);
      const bool may_be_null = last == "impute" || last == "clip_low" || last == "clip_high" || last == "silhouette" ||
                               last == "calinski_harabasz" || last == "davies_bouldin" || last == "rotation";
      if (stranger.is_null() && may_be_null) continue;
      if (before.is_null() && may_be_null && (stranger.is_number() || stranger.is_string())) continue;
      *node = stranger;
      ExpectInvalid(model.dump(), path + " as " + stranger.dump());
    }
    *node = before;
  });
}

TEST(ModelJson, NumbersThatAreNoneAreErrors) {
  const ordered_json model = FullModel();
  for (const char* bad : {"NaN", "nan", "Infinity", "-Infinity", "1e999", "-1e999", "\"NaN\"", "0x1"}) {
    for (const char* member : {"offset", "scale", "centroids"}) {
      ordered_json marked = model;
      (member == std::string("centroids") ? marked[member][0][0] : marked[member][0]) = "MARK";
      std::string text = marked.dump();
      ExpectInvalid(text.replace(text.find("\"MARK\""), 6, bad), std::string(member) + " " + bad);
    }
  }
}

TEST(ModelJson, SizesMustAgree) {
  const ordered_json model = FullModel();
  const auto changed = [&](auto change) {
    ordered_json copy = model;
    change(&copy);
    return copy.dump();
  };
  for (const char* name : {"offset", "scale"}) {
    ExpectInvalid(changed([&](auto* m) { (*m)[name].push_back(1); }), name);
    ExpectInvalid(changed([&](auto* m) { (*m)[name].erase(0); }), name);
    ExpectInvalid(changed([&](auto* m) { (*m)[name] = ordered_json::array(); }), name);
  }
  for (const char* name : {"centroids", "segments", "inputs"}) {
    ExpectInvalid(changed([&](auto* m) { (*m)[name].erase(0); }), name);
    ExpectInvalid(changed([&](auto* m) { (*m)[name] = ordered_json::array(); }), name);
  }
  ExpectInvalid(changed([](auto* m) { (*m)["centroids"].push_back((*m)["centroids"][0]); }), "one centroid more");
  ExpectInvalid(changed([](auto* m) { (*m)["centroids"][1].push_back(0); }), "one value more");
  ExpectInvalid(changed([](auto* m) { (*m)["centroids"][0] = ordered_json::array(); }), "an empty centroid first");
  ExpectInvalid(changed([](auto* m) { (*m)["centroids"].insert((*m)["centroids"].begin(), ordered_json::array()); }),
                "an empty centroid too many");
  ExpectInvalid(changed([](auto* m) { (*m)["rotation"]["center"].push_back(0); }), "center");
  ExpectInvalid(changed([](auto* m) { (*m)["rotation"]["axes"].push_back((*m)["rotation"]["axes"][0]); }), "axis");
  ExpectInvalid(changed([](auto* m) { (*m)["rotation"]["axes"][0].push_back(0); }), "axis too long");
  ExpectInvalid(changed([](auto* m) { (*m)["rotation"]["axes"] = ordered_json::array(); }), "no axes");
  ExpectInvalid(
      changed([](auto* m) { (*m)["rotation"]["axes"].insert((*m)["rotation"]["axes"].begin(), ordered_json::array()); }),
      "an empty axis too many");
}

TEST(ModelJson, ValuesOutOfRangeAreErrors) {
  const ordered_json model = FullModel();
  const auto invalid = [&](const char* pointer, const ordered_json& value) {
    ordered_json copy = model;
    copy[ordered_json::json_pointer(pointer)] = value;
    ExpectInvalid(copy.dump(), std::string(pointer) + " = " + value.dump());
  };
  for (const ordered_json& format : std::vector<ordered_json>{0, 2, -1, 1.5, 1e300}) invalid("/format", format);
  invalid("/distance", "manhattan");
  for (const ordered_json& id : std::vector<ordered_json>{-1, 1.5, 2147483648u, 1e300}) invalid("/segments/0/id", id);
  invalid("/segments/0/id", model["segments"][1]["id"]);
  for (const char* count : {"/segments/0/rows", "/fit/rows", "/fit/skipped", "/fit/left_out", "/fit/iterations"}) {
    for (const ordered_json& bad : std::vector<ordered_json>{-1, 0.5, UINT64_MAX}) invalid(count, bad);
  }
  invalid("/segments/0/weight", -1);
  invalid("/segments/0/inertia", -1e-300);
  invalid("/scale/0", 0);
  invalid("/scale/0", -0.0);
  invalid("/fit/k", 0);
  invalid("/fit/n_init", 0);
  invalid("/fit/seed", UINT64_MAX);
  invalid("/inputs/0/name", "");
  invalid("/inputs/0/name", model["inputs"][1]["name"]);
  invalid("/inputs/0/kind", "text");
}

TEST(ModelJson, InputsMustMakeSense) {
  ordered_json model = FullModel();
  for (auto& input : model["inputs"]) {
    const ordered_json before = input;
    if (input["kind"] == "categorical") {
      const std::vector<ordered_json> bad = {{}, {"b", "a"}, {"a", "a"}, {1}, {"ä", "z"}};
      for (const auto& levels : bad) {
        // The number of columns stays as it was where it can.
        input["levels"] = levels.is_null() ? ordered_json::array() : levels;
        ExpectInvalid(model.dump(), "levels " + levels.dump());
      }
      input = before;
      input["unseen"] = "null";
      input["impute"] = "certainly not a level";
      ExpectInvalid(model.dump(), "imputed by no level");
      input["unseen"] = "sometimes";
      ExpectInvalid(model.dump(), "unseen");
    } else {
      input["clip_low"] = 2;
      input["clip_high"] = 1;
      ExpectInvalid(model.dump(), "clipped to nothing");
      input = before;
      input["transform"] = "sqrt";
      ExpectInvalid(model.dump(), "transform");
    }
    input = before;
  }
  EXPECT_NO_THROW(Read(model.dump()));  // nothing else was left changed
}

TEST(ModelJson, TruncatedAnywhereIsAnError) {
  const std::string text = FullModel().dump();
  for (std::size_t size = 0; size < text.size(); ++size) ExpectInvalid(text.substr(0, size), "truncated");
  ExpectInvalid(text + "}", "longer");
  ExpectInvalid(text + text, "twice");
}

TEST(ModelJson, DeepNestingIsAnError) {
  std::string text = FullModel().dump();
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  ExpectInvalid(text.replace(text.find("\"warnings\":") + 11, 1, "[" + deep + ","), "deep");
  ExpectInvalid(deep, "deep");
}

TEST(ModelJson, DamagedTextIsReadOrRefused) {
  test::Random random(11);
  const std::string text = FullModel().dump();
  int refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string damaged = text;
    for (std::size_t hits = 1 + random.Below(2); hits > 0; --hits) {
      damaged[random.Below(text.size())] = text[random.Below(text.size())];
    }
    try {
      const std::string out = EncodeModel(Read(damaged));
      ASSERT_EQ(EncodeModel(Read(out)), out);
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::kInvalidText) << error.message();
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace segmentation
