#include "core/profile_check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "core/json_reader.h"
#include "core/profile.h"
#include "core/profile_trend.h"

namespace segmentation {
namespace {

constexpr const char* kWhat = "profile of a model";
// A column's name, or that and a level.
constexpr std::size_t kLongestName = 1000;
constexpr std::int64_t kMostRows = std::int64_t{1} << 53;  // that a double counts exactly
// With a range for missing values, and what spikes take.
constexpr std::size_t kMostBins = 40;

MemberReader Reader(const JsonValue& value, const std::string& path) { return MemberReader(value, path, ErrorCode::kInvalidParameter, kWhat); }

void CheckName(MemberReader* from, const char* name) {
  if (from->Text(name).size() > kLongestName) from->Fail("\"" + from->Path(name) + "\" is too long.");
}

void CheckWord(MemberReader* from, const char* name, std::initializer_list<const char*> valid) {
  const std::string& word = from->Text(name);
  if (std::none_of(valid.begin(), valid.end(), [&](const char* one) { return word == one; })) from->Fail("\"" + from->Path(name) + "\" is " + Quoted(word) + ".");
}

const JsonArray& ArrayOf(MemberReader* from, const char* name, std::size_t count) {
  const JsonArray& array = from->Array(name);
  if (array.size() != count) from->Fail("\"" + from->Path(name) + "\" has " + std::to_string(array.size()) + " items, and " + std::to_string(count) + " are expected.");
  return array;
}

const JsonArray& ArrayUpTo(MemberReader* from, const char* name, std::size_t most) {
  const JsonArray& array = from->Array(name);
  if (array.size() > most) from->Fail("\"" + from->Path(name) + "\" has " + std::to_string(array.size()) + " items, and there can be " + std::to_string(most) + ".");
  return array;
}

std::int64_t Rows(MemberReader* from, const char* name, std::int64_t most = kMostRows) { return from->Int(name, 0, most); }

// null, or a number of rows; -1 for null.
std::int64_t RowsOrNull(MemberReader* from, const char* name, std::int64_t most) {
  const std::optional<double> number = from->NumOrNull(name);
  if (!number) return -1;
  if (!(*number >= 0 && *number <= static_cast<double>(most)) || *number != std::floor(*number)) from->Fail("\"" + from->Path(name) + "\" is not a number of rows.");
  return static_cast<std::int64_t>(*number);
}

void CheckSegment(MemberReader from) {
  const std::int64_t rows = Rows(&from, "rows");
  Rows(&from, "sampled", rows);
  if (!(from.Num("weight") >= 0)) from.Fail("\"" + from.Path("weight") + "\" is negative.");
  from.NumOrNull("share");
  const std::int64_t known = RowsOrNull(&from, "known", rows);
  RowsOrNull(&from, "events", std::max<std::int64_t>(known, 0));
  from.ExpectAllTaken();
}

void CheckStatistics(MemberReader from) {
  const std::int64_t rows = Rows(&from, "rows");
  Rows(&from, "missing", kMostRows - rows);
  for (const char* name : {"mean", "stddev", "min", "q1", "median", "q3", "max", "index_100", "z_score", "relative"}) from.NumOrNull(name);
  from.ExpectAllTaken();
}

void CheckFeature(MemberReader from, std::size_t segments) {
  CheckName(&from, "feature");
  CheckWord(&from, "role", {"feature", "profile", "outcome"});
  CheckWord(&from, "kind", {"number", "level"});
  from.NumOrNull("population_mean");
  from.NumOrNull("population_stddev");
  for (const JsonValue& segment : ArrayOf(&from, "segments", segments)) CheckStatistics(Reader(segment, from.Path("segments")));
  from.ExpectAllTaken();
}

void CheckImportance(MemberReader from) {
  CheckName(&from, "feature");
  CheckWord(&from, "role", {"feature", "profile", "outcome"});
  from.NumOrNull("explained");
  from.ExpectAllTaken();
}

void CheckBin(MemberReader from) {
  CheckName(&from, "label");
  from.NumOrNull("low");
  from.NumOrNull("high");
  from.ExpectAllTaken();
}

void CheckPlace(MemberReader from, std::size_t measures) {
  RowsOrNull(&from, "customers", kMostRows);
  for (const JsonValue& mean : ArrayOf(&from, "means", measures)) {
    if (!mean.IsNull() && !mean.IsNumber()) from.Wrong("means", mean, "a number or null");
  }
  from.ExpectAllTaken();
}

void CheckAlong(MemberReader from, std::size_t segments, std::size_t measures) {
  CheckName(&from, "name");
  const JsonArray& bins = ArrayUpTo(&from, "bins", kMostBins);
  for (const JsonValue& bin : bins) CheckBin(Reader(bin, from.Path("bins")));
  for (const JsonValue& segment : ArrayOf(&from, "segments", segments)) {
    if (segment.Array() == nullptr || segment.Array()->size() != bins.size()) from.Wrong("segments", segment, "an array with an item for each range");
    for (const JsonValue& place : *segment.Array()) CheckPlace(Reader(place, from.Path("segments")), measures);
  }
  from.ExpectAllTaken();
}

void CheckTrend(MemberReader from, std::size_t segments) {
  const std::vector<std::string> measures = from.Texts("measures");
  if (measures.size() > kTrendNumbers + 1) from.Fail("\"" + from.Path("measures") + "\" has too many items.");
  for (const std::string& measure : measures) {
    if (measure.size() > kLongestName) from.Fail("\"" + from.Path("measures") + "\" has an item that is too long.");
  }
  for (const JsonValue& along : ArrayUpTo(&from, "along", kTrendNumbers)) CheckAlong(Reader(along, from.Path("along")), segments, measures.size());
  from.ExpectAllTaken();
}

}  // namespace

void CheckProfile(std::string_view json, std::size_t segments) {
  const JsonValue tree = ParseJson(json, ErrorCode::kInvalidParameter, kWhat);
  MemberReader from = Reader(tree, "profile");
  for (const char* name : {"rows", "ignored", "sampled"}) Rows(&from, name);
  from.Bool("exact");
  for (const JsonValue& segment : ArrayOf(&from, "segments", segments)) CheckSegment(Reader(segment, from.Path("segments")));
  // Each number once for its segments, and each category some levels more than its share (profile.h).
  const std::size_t most = 3 * kMostEntries / std::max<std::size_t>(segments, 1) + 2;
  for (const JsonValue& feature : ArrayUpTo(&from, "features", most)) CheckFeature(Reader(feature, from.Path("features")), segments);
  for (const JsonValue& feature : ArrayUpTo(&from, "importance", most)) CheckImportance(Reader(feature, from.Path("importance")));
  CheckTrend(Reader(from.Get("trend"), "profile.trend"), segments);
  from.ExpectAllTaken();
}

}  // namespace segmentation
