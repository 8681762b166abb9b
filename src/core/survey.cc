#include "core/survey.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/json_writer.h"
#include "core/preprocess.h"
#include "core/sample_row.h"
#include "core/scorer.h"
#include "core/survey_bins.h"

namespace segmentation {
namespace {

// A number drifts away from its column's history so far that it is worth asking whether it is another column's.
constexpr double kLargeDrift = 0.25;
constexpr double kSmallDrift = 0.1;

[[noreturn]] void BadRequest(const std::string& detail) {
  throw Error(ErrorCode::kInvalidParameter, "invalid request for a survey", detail);
}

// Moments of weighted values.
struct Moments {
  double mean = 0;
  double stddev = 0;
  double skewness = 0;
  bool defined = false;
};

Moments MomentsOf(const std::vector<double>& values, const std::vector<double>& weights) {
  Moments moments;
  double total = 0;
  for (double weight : weights) total += weight;
  if (!(total > 0)) return moments;
  for (std::size_t i = 0; i < values.size(); ++i) moments.mean += weights[i] / total * values[i];
  double second = 0;
  double third = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double off = values[i] - moments.mean;
    second += weights[i] / total * off * off;
    third += weights[i] / total * off * off * off;
  }
  moments.stddev = std::sqrt(second);
  moments.skewness = moments.stddev > 0 ? third / (second * moments.stddev) : 0;
  moments.defined = std::isfinite(moments.mean) && std::isfinite(second);
  if (!std::isfinite(moments.skewness)) moments.skewness = 0;
  return moments;
}

// The columns of the sample.
struct Columns {
  std::vector<NumberSample> numbers;
  std::vector<CategorySample> categories;
};

Columns ReadColumns(const std::vector<const char*>& sample, const SurveyRequest& request, const Interrupt& interrupt) {
  Columns columns;
  columns.numbers.resize(request.numbers.size());
  columns.categories.resize(request.categories.size());
  std::vector<std::vector<std::pair<double, double>>> values(request.numbers.size());
  for (const char* row : sample) {
    interrupt.Poll();
    SampleRowReader reader(row);
    const double weight = reader.Number();
    for (std::size_t j = 0; j < request.numbers.size(); ++j) {
      const double value = reader.Number();
      if (std::isfinite(value)) {
        values[j].emplace_back(value, weight);
      } else {
        ++columns.numbers[j].missing;
      }
    }
    for (CategorySample& category : columns.categories) {
      std::string_view text;
      const std::uint32_t length = reader.Text(&text);
      if (length == kMissingText) {
        ++category.missing;
      } else if (length == kLongText) {
        ++category.others;
      } else {
        ++category.levels[std::string(text)];
      }
    }
  }
  for (std::size_t j = 0; j < values.size(); ++j) {
    std::sort(values[j].begin(), values[j].end());
    interrupt.Poll();
    for (const auto& [value, weight] : values[j]) {
      columns.numbers[j].values.push_back(value);
      columns.numbers[j].weights.push_back(weight);
    }
  }
  return columns;
}

// The baseline's description of a variable; null where it has none.
const JsonObject* InBaseline(const JsonValue& baseline, const char* kind, const std::string& name) {
  if (baseline.Object() == nullptr) return nullptr;
  const JsonValue* list = Member(*baseline.Object(), kind);
  if (list == nullptr || list->Array() == nullptr) return nullptr;
  for (const JsonValue& item : *list->Array()) {
    if (item.Object() == nullptr) continue;
    const JsonValue* found = Member(*item.Object(), "name");
    if (found != nullptr && found->String() != nullptr && *found->String() == name) return item.Object();
  }
  return nullptr;
}

DriftTest CompareWith(const JsonObject& before, const std::vector<double>& now) {
  const std::vector<double> counts = ReadNumbers(before, "counts");
  if (counts.size() != now.size()) throw Error(ErrorCode::kInvalidParameter, "invalid survey", "Member \"counts\" does not have a number per bin.");
  return CompareCounts(counts, now);
}

void WriteTest(const DriftTest& test, const std::vector<double>& counts, ObjectWriter* to) {
  to->NumberOrNull("psi", test.psi);
  to->NumberOrNull("chi_square", test.chi_square);
  to->NumberOrNull("degrees", test.degrees);
  to->NumberOrNull("p", test.p);
  to->Numbers("counts", counts);
}

double ShareOutside(const NumberBins& bins, const NumberSample& sample) {
  if (sample.values.empty() || bins.low > bins.high) return 0;
  const auto below = std::lower_bound(sample.values.begin(), sample.values.end(), bins.low) - sample.values.begin();
  const auto above = sample.values.end() - std::upper_bound(sample.values.begin(), sample.values.end(), bins.high);
  return static_cast<double>(below + above) / static_cast<double>(sample.values.size());
}

// Another number of the baseline whose bins these values fit; empty where there is none.
std::string Resembled(const NumberSample& sample, std::size_t own, const SurveyRequest& request) {
  std::string best;
  double least = kSmallDrift;
  for (std::size_t j = 0; j < request.numbers.size(); ++j) {
    const JsonObject* other = j == own ? nullptr : InBaseline(request.baseline, "numbers", request.numbers[j]);
    if (other == nullptr) continue;
    const double psi = CompareWith(*other, CountIn(ReadBins(*other), sample)).psi;
    if (psi >= least) continue;
    least = psi;
    best = request.numbers[j];
  }
  return best;
}

void WriteNumberDrift(const NumberSample& sample, std::size_t j, const SurveyRequest& request, ObjectWriter* to) {
  const JsonObject* before = InBaseline(request.baseline, "numbers", request.numbers[j]);
  if (before == nullptr) return;
  const NumberBins bins = ReadBins(*before);
  const std::vector<double> counts = CountIn(bins, sample);
  const DriftTest test = CompareWith(*before, counts);
  ObjectWriter drift(to->Key("drift"));
  WriteTest(test, counts, &drift);
  drift.NumberOrNull("outside", ShareOutside(bins, sample));
  if (test.psi >= kLargeDrift) {
    const std::string resembled = Resembled(sample, j, request);
    if (!resembled.empty()) drift.Text("resembles", resembled);
  }
  drift.Close();
}

void WriteNumber(const SurveyTotals& totals, const NumberSample& sample, std::size_t j, const SurveyRequest& request, std::string* out) {
  ObjectWriter to(out);
  constexpr double kNull = Metrics::kUndefined;
  to.Text("name", request.numbers[j]);
  to.Number("missing", totals.missing[j]);
  const bool empty = totals.low[j] > totals.high[j];
  to.NumberOrNull("low", empty ? kNull : totals.low[j]);
  to.NumberOrNull("high", empty ? kNull : totals.high[j]);
  const Moments raw = MomentsOf(sample.values, sample.weights);
  to.NumberOrNull("mean", raw.defined ? raw.mean : kNull);
  to.NumberOrNull("stddev", raw.defined ? raw.stddev : kNull);
  to.NumberOrNull("skewness", raw.defined ? raw.skewness : kNull);
  std::vector<double> transformed;
  for (double value : sample.values) transformed.push_back(ApplyTransform(request.transforms[j], value));
  const Moments after = MomentsOf(transformed, sample.weights);
  to.NumberOrNull("transformed_mean", after.defined ? after.mean : kNull);
  to.NumberOrNull("transformed_stddev", after.defined ? after.stddev : kNull);
  std::vector<double> cumulative(sample.weights.size());
  std::partial_sum(sample.weights.begin(), sample.weights.end(), cumulative.begin());
  std::vector<double> quantiles;
  for (double q : request.quantiles) quantiles.push_back(sample.values.empty() ? kNull : SortedQuantile(sample.values, cumulative, q));
  to.Numbers("quantiles", quantiles);
  const auto zero = std::equal_range(sample.values.begin(), sample.values.end(), 0.0);
  to.Number("zeros", static_cast<std::uint64_t>(zero.second - zero.first));
  to.Number("negatives", static_cast<std::uint64_t>(zero.first - sample.values.begin()));
  std::uint64_t distinct = 0;
  for (std::size_t i = 0; i < sample.values.size(); ++i) distinct += i == 0 || sample.values[i] != sample.values[i - 1] ? 1 : 0;
  to.Number("distinct", distinct);
  const NumberBins bins = MakeBins(sample);
  to.Numbers("spikes", bins.spikes);
  to.Numbers("edges", bins.edges);
  to.Numbers("counts", CountIn(bins, sample));
  WriteNumberDrift(sample, j, request, &to);
  to.Close();
}

void WriteCategory(std::uint64_t missing, const CategorySample& sample, const std::string& name, const SurveyRequest& request, std::string* out) {
  ObjectWriter to(out);
  to.Text("name", name);
  to.Number("missing", missing);
  const std::vector<std::string> levels = FrequentLevels(sample);
  to.Number("distinct", std::uint64_t{sample.levels.size()});
  to.Texts("levels", levels);
  to.Numbers("counts", CountIn(levels, sample));
  if (const JsonObject* before = InBaseline(request.baseline, "categories", name)) {
    const std::vector<double> counts = CountIn(ReadLevels(*before), sample);
    ObjectWriter drift(to.Key("drift"));
    WriteTest(CompareWith(*before, counts), counts, &drift);
    drift.Close();
  }
  to.Close();
}

std::string Hexadecimal(const std::uint64_t words[2]) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (int i = 0; i < 2; ++i) {
    for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[words[i] >> shift & 15];
  }
  return text;
}

const JsonArray& ArrayMember(const JsonObject& object, const char* key) {
  const JsonValue* member = Member(object, key);
  if (member == nullptr || member->Array() == nullptr) BadRequest(std::string("Member \"") + key + "\" must be an array.");
  return *member->Array();
}

std::string NameOf(const JsonValue& item) {
  const JsonValue* name = item.Object() == nullptr ? nullptr : Member(*item.Object(), "name");
  if (name == nullptr || name->String() == nullptr) BadRequest("A variable has no name.");
  return *name->String();
}

}  // namespace

SurveyRequest ParseSurveyRequest(std::string_view json) {
  JsonValue tree = ParseJson(json, ErrorCode::kInvalidParameter, "survey request");
  if (tree.Object() == nullptr) BadRequest("It must be an object.");
  SurveyRequest request;
  for (const JsonValue& item : ArrayMember(*tree.Object(), "numbers")) {
    request.numbers.push_back(NameOf(item));
    Transform transform = Transform::kNone;
    const JsonValue* word = Member(*item.Object(), "transform");
    for (Transform known : {Transform::kLog1p, Transform::kAsinh}) {
      if (word != nullptr && word->String() != nullptr && *word->String() == Name(known)) transform = known;
    }
    request.transforms.push_back(transform);
  }
  for (const JsonValue& item : ArrayMember(*tree.Object(), "categories")) request.categories.push_back(NameOf(item));
  for (const JsonValue& item : ArrayMember(*tree.Object(), "quantiles")) {
    if (!item.IsNumber() || !(item.Number() >= 0 && item.Number() <= 1)) BadRequest("A quantile is not a number from 0 to 1.");
    request.quantiles.push_back(item.Number());
  }
  if (const JsonValue* baseline = Member(*tree.Object(), "baseline")) request.baseline = *baseline;
  return request;
}

std::string SurveyJson(const SurveyTotals& totals, const std::vector<const char*>& sample, const SurveyRequest& request,
                       const Interrupt& interrupt) {
  const Columns columns = ReadColumns(sample, request, interrupt);
  std::string out;
  ObjectWriter to(&out);
  to.Number("rows", totals.rows);
  to.Number("ignored", totals.ignored);
  to.Number("sampled", std::uint64_t{sample.size()});
  to.Number("same_key", totals.same_key);
  to.Text("fingerprint", Hexadecimal(totals.fingerprint));
  *to.Key("numbers") += '[';
  for (std::size_t j = 0; j < columns.numbers.size(); ++j) {
    interrupt.Poll();
    if (j > 0) out += ',';
    WriteNumber(totals, columns.numbers[j], j, request, &out);
  }
  out += ']';
  *to.Key("categories") += '[';
  for (std::size_t j = 0; j < columns.categories.size(); ++j) {
    if (j > 0) out += ',';
    WriteCategory(totals.missing[request.numbers.size() + j], columns.categories[j], request.categories[j], request, &out);
  }
  out += ']';
  to.Close();
  return out;
}

}  // namespace segmentation
