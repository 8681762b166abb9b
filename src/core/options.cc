#include "core/options.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>

#include "core/json.h"

namespace segmentation {
namespace {

constexpr const char* kKeys =
    "blocks, components, distance, features, init, max_iter, min_gain, min_size, n_init, on_null, quality, scale, seed, tol, trim, warm_start";
constexpr const char* kKeysOfTrain = "components, distance, init, max_iter, min_gain, min_size, n_init, on_null, outliers, quality, scale, seed, tol, trim";

template <typename Enum>
struct Word {
  Enum value;
  const char* name;
};

// One table per option; the first name found is the one written back.
constexpr std::array<Word<Init>, 3> kInits = {
    {{Init::kPlusPlus, "k-means++"}, {Init::kRandom, "random"}, {Init::kExplicit, "explicit"}}};
constexpr std::array<Word<Quality>, 3> kQualities = {
    {{Quality::kFast, "fast"}, {Quality::kDefault, "default"}, {Quality::kBest, "best"}}};
constexpr std::array<Word<Scale>, 4> kScales = {
    {{Scale::kNone, "none"}, {Scale::kZscore, "zscore"}, {Scale::kMinmax, "minmax"}, {Scale::kRobust, "robust"}}};
constexpr std::array<Word<Distance>, 2> kDistances = {{{Distance::kEuclidean, "euclidean"}, {Distance::kCosine, "cosine"}}};
constexpr std::array<Word<OnNull>, 2> kOnNulls = {{{OnNull::kError, "error"}, {OnNull::kSkip, "skip"}}};

template <typename Enum, std::size_t N>
const char* NameIn(const std::array<Word<Enum>, N>& words, Enum value) {
  for (const auto& word : words) {
    if (word.value == value) return word.name;
  }
  return "";
}

[[noreturn]] void BadValue(const std::string& key, const std::string& got, const std::string& hint) {
  throw Error(ErrorCode::kInvalidParameter, "invalid value for option \"" + key + "\"", "The value is " + got + ".", hint);
}

template <typename Enum, std::size_t N>
Enum ReadWord(const std::array<Word<Enum>, N>& words, const std::string& key, const JsonValue& value) {
  std::string valid;
  for (const auto& word : words) {
    if (value.String() != nullptr && *value.String() == word.name) return word.value;
    valid += (valid.empty() ? "\"" : ", \"") + std::string(word.name) + "\"";
  }
  BadValue(key, Shown(value), "Valid values are " + valid + ".");
}

std::int64_t ReadInteger(const std::string& key, const JsonValue& value, std::int64_t low, std::int64_t high) {
  std::int64_t number = 0;
  if (value.IsNumber() && value.Integer(&number) && number >= low && number <= high) return number;
  BadValue(key, Shown(value), "Valid values are whole numbers from " + std::to_string(low) + " to " + std::to_string(high) + ".");
}

double ReadTolerance(const std::string& key, const JsonValue& value) {
  if (value.IsNumber() && value.Number() >= 0) return value.Number();
  BadValue(key, Shown(value), "Valid values are numbers from 0 on: a fraction of the mean variance of the columns.");
}

std::vector<std::string> ReadNames(const std::string& key, const JsonValue& value) {
  std::vector<std::string> names;
  constexpr const char* kHint = "Give an array of different, non-empty names, one for each feature.";
  if (value.Array() == nullptr || value.Array()->empty()) BadValue(key, Shown(value), kHint);
  for (const JsonValue& item : *value.Array()) {
    if (item.String() == nullptr || item.String()->empty()) BadValue(key, "an array that holds " + Shown(item), kHint);
    names.push_back(*item.String());
  }
  return names;
}

std::vector<std::vector<double>> ReadCentroids(const std::string& key, const JsonArray& rows) {
  std::vector<std::vector<double>> centroids;
  constexpr const char* kHint = "Give an array of centroids, each an array of numbers in the units of the features.";
  for (const JsonValue& row : rows) {
    if (row.Array() == nullptr || row.Array()->empty()) BadValue(key, "an array that holds " + Shown(row), kHint);
    std::vector<double>& centroid = centroids.emplace_back();
    for (const JsonValue& item : *row.Array()) {
      if (!item.IsNumber()) BadValue(key, "an array that holds " + Shown(item), kHint);
      centroid.push_back(item.Number());
    }
    if (centroid.size() != centroids.front().size()) BadValue(key, "an array of centroids of different lengths", kHint);
  }
  if (centroids.empty()) BadValue(key, "an empty array", kHint);
  return centroids;
}

std::vector<ColumnBlock> ReadBlocks(const std::string& key, const JsonValue& value) {
  std::vector<ColumnBlock> blocks;
  constexpr const char* kHint = "Give an array of [first, last] columns, counted from 1, in ascending order and apart from each other.";
  if (value.Array() == nullptr) BadValue(key, Shown(value), kHint);
  std::int64_t before = 0;
  for (const JsonValue& item : *value.Array()) {
    const JsonArray* pair = item.Array();
    std::int64_t first = 0;
    std::int64_t last = 0;
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].IsNumber() || !(*pair)[0].Integer(&first) || !(*pair)[1].IsNumber() ||
        !(*pair)[1].Integer(&last) || first <= before || last < first || last > static_cast<std::int64_t>(kMaxDimensions)) {
      BadValue(key, "an array that holds " + Shown(item), kHint);
    }
    blocks.push_back({static_cast<std::size_t>(first - 1), static_cast<std::size_t>(last - 1)});
    before = last;
  }
  return blocks;
}

void ReadInit(const JsonValue& value, Options* options) {
  if (value.Array() != nullptr) {
    options->initial_centroids = ReadCentroids("init", *value.Array());
    options->init = Init::kExplicit;
    return;
  }
  const std::string word = value.String() == nullptr ? "" : *value.String();
  if (word != Name(Init::kPlusPlus) && word != Name(Init::kRandom)) {
    BadValue("init", Shown(value), "Valid values are \"k-means++\", \"random\", or an array of initial centroids.");
  }
  options->init = ReadWord(kInits, "init", value);
}

void ReadOption(const std::string& key, const JsonValue& value, OptionsOf whose, Options* options) {
  const std::string valid = std::string("Valid options are ") + (whose == OptionsOf::kTrain ? kKeysOfTrain : kKeys) + ".";
  if (whose == OptionsOf::kTrain && (key == "blocks" || key == "features" || key == "warm_start")) {
    throw Error(ErrorCode::kInvalidParameter, "option \"" + key + "\" is set by segmentation.train itself", {}, valid);
  }
  if (key == "init") {
    ReadInit(value, options);
  } else if (key == "n_init") {
    options->n_init = static_cast<int>(ReadInteger(key, value, 1, 1000));
  } else if (key == "max_iter") {
    options->max_iter = static_cast<int>(ReadInteger(key, value, 1, 1000000));
  } else if (key == "tol") {
    options->tol = ReadTolerance(key, value);
  } else if (key == "quality") {
    options->quality = ReadWord(kQualities, key, value);
  } else if (key == "seed") {
    options->seed = ReadInteger(key, value, INT64_MIN, INT64_MAX);
  } else if (key == "scale") {
    options->scale = ReadWord(kScales, key, value);
  } else if (key == "distance") {
    options->distance = ReadWord(kDistances, key, value);
  } else if (key == "on_null") {
    options->on_null = ReadWord(kOnNulls, key, value);
  } else if (key == "min_size") {
    options->min_size = ReadInteger(key, value, 0, INT64_MAX);
  } else if (key == "features") {
    options->features = ReadNames(key, value);
  } else if (key == "min_gain") {
    if (!value.IsNumber() || !(value.Number() >= 0 && value.Number() <= 1)) {
      BadValue(key, Shown(value), "Valid values are numbers from 0 to 1: by how much other segments must lower the inertia.");
    }
    options->min_gain = value.Number();
  } else if (key == "blocks") {
    options->blocks = ReadBlocks(key, value);
  } else if (key == "warm_start") {
    if (value.Array() == nullptr) BadValue(key, Shown(value), "Give an array of centroids, each an array of numbers in the units of the features.");
    options->warm_start = ReadCentroids(key, *value.Array());
  } else if (key == "components") {
    const bool whole = value.IsNumber() && value.Number() >= 1 && value.Number() <= 1e6 && value.Number() == std::floor(value.Number());
    const bool share = value.IsNumber() && value.Number() > 0 && value.Number() < 1;
    if (!whole && !share) BadValue(key, Shown(value), "Give a number of principal components, or the share of the variance, below 1, that they have to explain.");
    options->components = value.Number();
  } else if (key == "k_min" && whose == OptionsOf::kRange) {
    options->k_min = ReadInteger(key, value, INT64_MIN, INT64_MAX);
  } else if (key == "trim") {
    if (!value.IsNumber() || !(value.Number() >= 0 && value.Number() <= kMaxTrim)) {
      BadValue(key, Shown(value), "Valid values are numbers from 0 to 0.5: the share of the farthest rows that is left out.");
    }
    options->trim = value.Number();
  } else {
    throw Error(ErrorCode::kInvalidParameter, "unknown option " + Quoted(key), {}, valid);
  }
}

}  // namespace

const char* Name(Init value) { return NameIn(kInits, value); }
const char* Name(Quality value) { return NameIn(kQualities, value); }
const char* Name(Scale value) { return NameIn(kScales, value); }
const char* Name(Distance value) { return NameIn(kDistances, value); }
const char* Name(OnNull value) { return NameIn(kOnNulls, value); }

Options ParseOptions(std::string_view json, OptionsOf whose) {
  const JsonValue tree = ParseJson(json, ErrorCode::kInvalidParameter, "options");
  if (tree.Object() == nullptr) {
    throw Error(ErrorCode::kInvalidParameter, "options must be a JSON object", std::string("They are ") + tree.TypeName() + ".",
                "For example: '{\"scale\": \"zscore\", \"seed\": 1}'.");
  }
  Options options;
  for (const auto& [key, value] : *tree.Object()) ReadOption(key, value, whose, &options);
  std::vector<std::string> names = options.features;
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    BadValue("features", "an array that holds \"" + Excerpt(*twice) + "\" twice",
             "Give an array of different, non-empty names, one for each feature.");
  }
  if (options.init == Init::kExplicit && !options.warm_start.empty()) {
    throw Error(ErrorCode::kInvalidParameter, "options \"init\" and \"warm_start\" exclude each other", {},
                "With \"init\" the centroids given are the only start; with \"warm_start\" they are one beside the others.");
  }
  return options;
}

void CheckOptions(const Options& options, std::int64_t k, std::size_t dimensions) {
  if (k < 1 || k > kMaxClusters) {
    throw Error(ErrorCode::kInvalidParameter, "number of clusters is out of range", "k is " + std::to_string(k) + ".",
                "Valid values are whole numbers from 1 to " + std::to_string(kMaxClusters) + ".");
  }
  if (options.trim > 0 && k == kMaxClusters) {  // one label is for what is left out
    throw Error(ErrorCode::kInvalidParameter, "number of clusters is out of range for option \"trim\"", "k is " + std::to_string(k) + ".",
                "With it valid values are whole numbers from 1 to " + std::to_string(kMaxClusters - 1) + ".");
  }
  if (options.k_min != 0) {
    if (options.k_min < 1 || options.k_min > k) {
      throw Error(ErrorCode::kInvalidParameter, "k_min is out of range", "It is " + std::to_string(options.k_min) + ", and k_max " + std::to_string(k) + ".",
                  "Valid values are whole numbers from 1 to k_max.");
    }
    if (options.init == Init::kExplicit || !options.warm_start.empty()) {
      throw Error(ErrorCode::kInvalidParameter, "initial centroids cannot be given for several numbers of clusters");
    }
  }
  if (options.init == Init::kExplicit && options.initial_centroids.size() != static_cast<std::size_t>(k)) {
    throw Error(ErrorCode::kInvalidParameter, "number of initial centroids does not match k",
                "k is " + std::to_string(k) + ", and option \"init\" gives " +
                    std::to_string(options.initial_centroids.size()) + " centroids.");
  }
  if (options.warm_start.size() > static_cast<std::size_t>(k)) {
    throw Error(ErrorCode::kInvalidParameter, "option \"warm_start\" gives more centroids than k",
                "k is " + std::to_string(k) + ", and there are " + std::to_string(options.warm_start.size()) + " centroids.");
  }
  if (dimensions == 0) return;
  if (static_cast<std::size_t>(k) * dimensions > kMaxCentroidValues) {
    throw Error(ErrorCode::kLimit, "too many centroid values",
                std::to_string(k) + " clusters of " + std::to_string(dimensions) + " features are more than " +
                    std::to_string(kMaxCentroidValues) + " values.");
  }
  if (!options.features.empty() && options.features.size() != dimensions) {
    throw Error(ErrorCode::kDimensionMismatch, "number of feature names does not match the features",
                "The number of names in option \"features\" is " + std::to_string(options.features.size()) +
                    ", and that of the features in a row " + std::to_string(dimensions) + ".");
  }
  const auto check_centroids = [&](const char* key, const std::vector<std::vector<double>>& centroids) {
    if (centroids.empty() || centroids.front().size() == dimensions) return;
    throw Error(ErrorCode::kDimensionMismatch, "dimension of the initial centroids does not match the features",
                std::string("A centroid in option \"") + key + "\" has " + std::to_string(centroids.front().size()) +
                    " values, and a row has " + std::to_string(dimensions) + " features.");
  };
  check_centroids("init", options.initial_centroids);
  check_centroids("warm_start", options.warm_start);
  if (!options.blocks.empty() && options.blocks.back().last >= dimensions) {
    throw Error(ErrorCode::kDimensionMismatch, "option \"blocks\" does not match the features",
                "It ends with column " + std::to_string(options.blocks.back().last + 1) + ", and a row has " + std::to_string(dimensions) +
                    " features.");
  }
}

}  // namespace segmentation
