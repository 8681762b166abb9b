#include "core/options.h"

#include <gtest/gtest.h>

#include <string>

#include "expect_error.h"

namespace segmentation {
namespace {

using test::ExpectError;

TEST(ParseOptions, DefaultsAreThoseOfTheDesign) {
  const Options options = ParseOptions("{}");
  EXPECT_EQ(options.init, Init::kPlusPlus);
  EXPECT_EQ(options.n_init, 10);
  EXPECT_EQ(options.max_iter, 300);
  EXPECT_EQ(options.tol, 1e-4);
  EXPECT_EQ(options.quality, Quality::kDefault);
  EXPECT_EQ(options.seed, 0);
  EXPECT_EQ(options.scale, Scale::kNone);
  EXPECT_EQ(options.distance, Distance::kEuclidean);
  EXPECT_EQ(options.on_null, OnNull::kError);
  EXPECT_EQ(options.min_size, 0);
  EXPECT_TRUE(options.features.empty());
  EXPECT_TRUE(options.initial_centroids.empty());
}

TEST(ParseOptions, ReadsEveryOption) {
  const Options options = ParseOptions(R"({"init":"random","n_init":3,"max_iter":7,"tol":0,"quality":"best","seed":-5,
      "scale":"robust","distance":"cosine","on_null":"skip","min_size":12,"features":["a","\u00e9"]})");
  EXPECT_EQ(options.init, Init::kRandom);
  EXPECT_EQ(options.n_init, 3);
  EXPECT_EQ(options.max_iter, 7);
  EXPECT_EQ(options.tol, 0);
  EXPECT_EQ(options.quality, Quality::kBest);
  EXPECT_EQ(options.seed, -5);
  EXPECT_EQ(options.scale, Scale::kRobust);
  EXPECT_EQ(options.distance, Distance::kCosine);
  EXPECT_EQ(options.on_null, OnNull::kSkip);
  EXPECT_EQ(options.min_size, 12);
  EXPECT_EQ(options.features, (std::vector<std::string>{"a", "\xC3\xA9"}));
}

TEST(ParseOptions, EveryWordIsReadAsItsName) {
  for (Init value : {Init::kPlusPlus, Init::kRandom}) {
    EXPECT_EQ(ParseOptions(std::string(R"({"init":")") + Name(value) + "\"}").init, value);
  }
  for (Quality value : {Quality::kFast, Quality::kDefault, Quality::kBest}) {
    EXPECT_EQ(ParseOptions(std::string(R"({"quality":")") + Name(value) + "\"}").quality, value);
  }
  for (Scale value : {Scale::kNone, Scale::kZscore, Scale::kMinmax, Scale::kRobust}) {
    EXPECT_EQ(ParseOptions(std::string(R"({"scale":")") + Name(value) + "\"}").scale, value);
  }
  for (Distance value : {Distance::kEuclidean, Distance::kCosine}) {
    EXPECT_EQ(ParseOptions(std::string(R"({"distance":")") + Name(value) + "\"}").distance, value);
  }
  for (OnNull value : {OnNull::kError, OnNull::kSkip}) {
    EXPECT_EQ(ParseOptions(std::string(R"({"on_null":")") + Name(value) + "\"}").on_null, value);
  }
}

TEST(ParseOptions, ReadsInitialCentroids) {
  const Options options = ParseOptions(R"({"init":[[1,2.5],[-3,4e2]]})");
  EXPECT_EQ(options.init, Init::kExplicit);
  EXPECT_EQ(options.initial_centroids, (std::vector<std::vector<double>>{{1, 2.5}, {-3, 400}}));
}

TEST(ParseOptions, SeedsCoverBigint) {
  EXPECT_EQ(ParseOptions(R"({"seed":9223372036854775807})").seed, INT64_MAX);
  EXPECT_EQ(ParseOptions(R"({"seed":-9223372036854775808})").seed, INT64_MIN);
}

TEST(ParseOptions, BadValuesAreErrorsThatNameTheOptionAndTheValidOnes) {
  const struct {
    const char* key;
    const char* value;
  } kBad[] = {
      {"init", "\"kmeans\""},
      {"init", "\"explicit\""},
      {"init", "1"},
      {"init", "null"},
      {"init", "[]"},
      {"init", "[[]]"},
      {"init", "[1,2]"},
      {"init", "[[1,2],[1]]"},
      {"init", "[[1,\"2\"]]"},
      {"init", "[[1,null]]"},
      {"n_init", "0"},
      {"n_init", "-1"},
      {"n_init", "1.5"},
      {"n_init", "\"3\""},
      {"n_init", "1001"},
      {"max_iter", "0"},
      {"max_iter", "1000001"},
      {"max_iter", "true"},
      {"tol", "-1e-9"},
      {"tol", "\"0\""},
      {"tol", "null"},
      {"quality", "\"good\""},
      {"quality", "1"},
      {"quality", "\"Best\""},
      {"seed", "1.5"},
      {"seed", "\"1\""},
      {"seed", "9223372036854775808"},
      {"scale", "\"z\""},
      {"scale", "null"},
      {"distance", "\"l2\""},
      {"distance", "[]"},
      {"on_null", "\"ignore\""},
      {"on_null", "true"},
      {"min_size", "-1"},
      {"min_size", "0.5"},
      {"features", "\"a\""},
      {"features", "[]"},
      {"features", "[1]"},
      {"features", "[\"\"]"},
      {"features", "[\"a\",\"a\"]"},
  };
  for (const auto& bad : kBad) {
    const std::string text = std::string("{\"") + bad.key + "\":" + bad.value + "}";
    const Error error = ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseOptions(text); }, text);
    EXPECT_NE(error.message().find(std::string("\"") + bad.key + "\""), std::string::npos) << error.message();
    EXPECT_FALSE(error.hint().empty()) << text;
  }
}

TEST(ParseOptions, UnknownOptionsAreErrorsThatListTheKnown) {
  const Error error = ExpectError(ErrorCode::kInvalidParameter, [] { ParseOptions(R"({"scaling":"zscore"})"); });
  EXPECT_EQ(error.message(), "unknown option \"scaling\"");
  for (const char* key :
       {"distance", "features", "init", "max_iter", "min_size", "n_init", "on_null", "quality", "scale", "seed", "tol"}) {
    EXPECT_NE(error.hint().find(key), std::string::npos) << key;
  }
  for (const char* text : {R"({"":1})", R"({"Seed":1})", R"({"seed ":1})"}) {
    ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseOptions(text); }, text);
  }
}

TEST(ParseOptions, ComponentsAreANumberOrAShare) {
  EXPECT_EQ(ParseOptions(R"({"components":2})").components, 2);
  EXPECT_EQ(ParseOptions(R"({"components":0.9})").components, 0.9);
  for (const char* bad : {R"({"components":0})", R"({"components":-1})", R"({"components":1.5})", R"({"components":"2"})"}) {
    ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseOptions(bad); }, bad);
  }
}

TEST(ParseOptions, TrainAndRangesHaveKeysOfTheirOwn) {
  ExpectError(ErrorCode::kInvalidParameter, [] { ParseOptions(R"({"k_min":2})"); });
  EXPECT_EQ(ParseOptions(R"({"k_min":2})", OptionsOf::kRange).k_min, 2);
  for (const char* set_by_train : {R"({"blocks":[[1,2]]})", R"({"features":["a"]})", R"({"warm_start":[[1]]})"}) {
    ParseOptions(set_by_train);
    ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseOptions(set_by_train, OptionsOf::kTrain); }, set_by_train);
  }
}

TEST(ParseOptions, OnlyAnObjectWillDo) {
  for (const char* text : {"null", "1", "[]", "\"\"", "true", "", "{", "{\"seed\":1e999}", "{\"seed\":1,\"seed\":1}"}) {
    ExpectError(
        ErrorCode::kInvalidParameter, [&] { ParseOptions(text); }, text);
  }
}

TEST(CheckOptions, KHasARange) {
  const Options options;
  for (std::int64_t k : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{kMaxClusters} + 1, INT64_MIN, INT64_MAX}) {
    ExpectError(ErrorCode::kInvalidParameter, [&] { CheckOptions(options, k, 2); });
  }
  EXPECT_NO_THROW(CheckOptions(options, 1, 2));
  EXPECT_NO_THROW(CheckOptions(options, kMaxClusters, 2));
}

TEST(CheckOptions, InitialCentroidsMustFit) {
  const Options options = ParseOptions(R"({"init":[[1,2],[3,4]]})");
  EXPECT_NO_THROW(CheckOptions(options, 2, 2));
  EXPECT_NO_THROW(CheckOptions(options, 2, 0));
  ExpectError(ErrorCode::kInvalidParameter, [&] { CheckOptions(options, 3, 2); });
  ExpectError(ErrorCode::kInvalidParameter, [&] { CheckOptions(options, 3, 0); });
  ExpectError(ErrorCode::kDimensionMismatch, [&] { CheckOptions(options, 2, 3); });
}

TEST(CheckOptions, NamesMustFit) {
  const Options options = ParseOptions(R"({"features":["a","b"]})");
  EXPECT_NO_THROW(CheckOptions(options, 2, 2));
  EXPECT_NO_THROW(CheckOptions(options, 2, 0));
  ExpectError(ErrorCode::kDimensionMismatch, [&] { CheckOptions(options, 2, 3); });
}

TEST(CheckOptions, LimitsTheCentroids) {
  const Options options;
  const auto most = static_cast<std::int64_t>(kMaxCentroidValues / kMaxDimensions);
  EXPECT_NO_THROW(CheckOptions(options, most, kMaxDimensions));
  ExpectError(ErrorCode::kLimit, [&] { CheckOptions(options, most + 1, kMaxDimensions); });
}

}  // namespace
}  // namespace segmentation
