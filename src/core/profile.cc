#include "core/profile.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/json_writer.h"
#include "core/profile_statistics.h"
#include "core/profile_trend.h"
#include "core/sample_row.h"

namespace segmentation {
namespace {

constexpr double kNull = Statistics::kNull;

using Samples = std::vector<std::vector<const char*>>;

[[noreturn]] void BadRequest(const char* detail) { throw Error(ErrorCode::kInvalidParameter, "invalid request for a profile", detail); }

std::vector<ProfileColumn> ReadColumns(const JsonObject& request, const char* key) {
  const JsonValue* list = Member(request, key);
  if (list == nullptr || list->Array() == nullptr) BadRequest("Columns are missing.");
  std::vector<ProfileColumn> columns;
  for (const JsonValue& item : *list->Array()) {
    const JsonValue* name = item.Object() == nullptr ? nullptr : Member(*item.Object(), "name");
    const JsonValue* role = item.Object() == nullptr ? nullptr : Member(*item.Object(), "role");
    if (name == nullptr || name->String() == nullptr || role == nullptr || role->String() == nullptr) BadRequest("A column has no name or no role.");
    columns.push_back({*name->String(), *role->String()});
  }
  return columns;
}

// ---- writing -------------------------------------------------------------------------------------------------------

void WriteSegment(const Statistics& segment, const Statistics& all, double least, double most, std::string* out) {
  ObjectWriter to(out);
  const bool shown = segment.shown();
  const auto statistic = [&](const char* name, double value) { to.NumberOrNull(name, shown ? value : kNull); };
  to.Number("rows", segment.rows);
  to.Number("missing", segment.missing);
  statistic("mean", segment.mean);
  statistic("stddev", segment.stddev());
  statistic("min", segment.low);
  statistic("q1", segment.q1);
  statistic("median", segment.median);
  statistic("q3", segment.q3);
  statistic("max", segment.high);
  statistic("index_100", 100 * segment.mean / all.mean);
  statistic("z_score", (segment.mean - all.mean) / all.stddev());
  statistic("relative", (segment.mean - least) / (most - least));
  to.Close();
}

void WriteDescribed(const Described& column, std::string* out) {
  ObjectWriter to(out);
  to.Text("feature", column.name);
  to.Text("role", column.role);
  to.Text("kind", column.kind);
  to.NumberOrNull("population_mean", column.all.shown() ? column.all.mean : kNull);
  to.NumberOrNull("population_stddev", column.all.shown() ? column.all.stddev() : kNull);
  double least = INFINITY;
  double most = -INFINITY;
  for (const Statistics& segment : column.segments) {
    if (!segment.shown()) continue;
    least = std::min(least, segment.mean);
    most = std::max(most, segment.mean);
  }
  AppendJsonArray(to.Key("segments"), column.segments, [&](std::string* json, const Statistics& segment) { WriteSegment(segment, column.all, least, most, json); });
  to.Close();
}

void WriteImportance(const ProfileColumn& column, const Variance& variance, std::string* out) {
  ObjectWriter to(out);
  to.Text("feature", column.name);
  to.Text("role", column.role);
  to.NumberOrNull("explained", variance.Explained());
  to.Close();
}

// ---- numbers and categories ----------------------------------------------------------------------------------------

class Report {
 public:
  Report(const ProfileRequest& request, const ProfileTotals& totals, const Samples& samples, const Interrupt& interrupt)
      : request_(request), totals_(totals), samples_(samples), interrupt_(interrupt) {
    for (std::size_t s = 0; s < samples.size(); ++s) {
      scales_.push_back(samples[s].empty() ? 0 : static_cast<double>(totals.segments[s].rows) / static_cast<double>(samples[s].size()));
      sampled_ += samples[s].size();
      rows_ += totals.segments[s].rows;
      weight_ = weight_ + totals.segments[s].weight;
    }
  }

  std::string Json() {
    std::string features = "[";
    std::string importance = "[";
    for (std::size_t j = 0; j < request_.numbers.size(); ++j) {
      const Described column = DescribeNumber(j);
      Variance variance;
      variance.Add(column);
      WriteDescribed(column, Next(&features));
      WriteImportance(request_.numbers[j], variance, Next(&importance));
    }
    const std::vector<Levels> levels = CountLevels();
    for (std::size_t j = 0; j < request_.categories.size(); ++j) {
      Variance variance;
      for (const Described& level : DescribeCategory(j, levels[j])) {
        variance.Add(level);
        WriteDescribed(level, Next(&features));
      }
      WriteImportance(request_.categories[j], variance, Next(&importance));
    }
    std::string out;
    ObjectWriter to(&out);
    to.Number("rows", rows_);
    to.Number("ignored", totals_.ignored);
    to.Number("sampled", sampled_);
    to.Bool("exact", sampled_ == rows_);
    WriteSegments(to.Key("segments"));
    *to.Key("features") += features + "]";
    *to.Key("importance") += importance + "]";
    *to.Key("trend") += TrendJson(request_, samples_, scales_, interrupt_);
    to.Close();
    return out;
  }

 private:
  // The list, ready for another item.
  static std::string* Next(std::string* list) {
    if (list->back() != '[') *list += ',';
    return list;
  }

  const NumberTotals& NumberOf(std::size_t s, std::size_t j) const { return totals_.numbers[s * request_.numbers.size() + j]; }

  void WriteSegments(std::string* out) const {
    *out += '[';
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      if (s > 0) *out += ',';
      const SegmentTotals& segment = totals_.segments[s];
      ObjectWriter to(out);
      to.Number("rows", segment.rows);
      to.Number("sampled", std::uint64_t{samples_[s].size()});
      to.Number("weight", segment.weight.Value());
      to.NumberOrNull("share", rows_ == 0 ? kNull : (segment.weight / weight_).Value());
      if (request_.has_outcome()) {
        const std::uint64_t known = NumberOf(s, request_.numbers.size() - 1).rows;
        to.Number("known", known);
        to.NumberOrNull("events", known < kLeastCustomers ? kNull : static_cast<double>(segment.events));
      } else {
        to.Null("known");
        to.Null("events");
      }
      to.Close();
    }
    *out += ']';
  }

  Described DescribeNumber(std::size_t j) const {
    Described out{request_.numbers[j].name, request_.numbers[j].role, "number", {}, {}};
    NumberTotals all{};
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      std::vector<std::pair<double, double>> here;
      for (const char* row : samples_[s]) {
        interrupt_.Poll();
        const double value = NumberIn(row, j);
        if (std::isfinite(value)) here.emplace_back(value, WeightIn(row));
      }
      out.segments.push_back(FromTotals(NumberOf(s, j), totals_.segments[s].rows));
      SetQuantiles(&here, &out.segments.back());
      if (out.segments.back().shown()) MergeProfileTotals(NumberOf(s, j), &all);
    }
    out.all = FromTotals(all, all.rows);
    return out;
  }

  // What the samples say of one category: weights by segment and level.
  struct Levels {
    std::vector<std::map<std::string, double>> weights;
    std::vector<std::uint64_t> known;
    std::vector<double> total;
    std::map<std::string, double> rows;  // of the population, by level
  };

  std::vector<Levels> CountLevels() const {
    const std::size_t k = samples_.size();
    std::vector<Levels> all(request_.categories.size(), Levels{std::vector<std::map<std::string, double>>(k), std::vector<std::uint64_t>(k), std::vector<double>(k), {}});
    for (std::size_t s = 0; s < k; ++s) {
      for (const char* row : samples_[s]) {
        interrupt_.Poll();
        SampleRowReader reader(row);
        const double weight = reader.Number();
        reader.SkipNumbers(request_.numbers.size());
        for (Levels& one : all) {
          std::string_view text;
          const std::uint32_t length = reader.Text(&text);
          if (length == kMissingText) continue;
          const std::string level = LevelName(length, text);
          ++one.known[s];
          one.total[s] += weight;
          one.weights[s][level] += weight;
          one.rows[level] += scales_[s];
        }
      }
    }
    return all;
  }

  // A name that no other level has: words of ours stand in parentheses, and a text that looks like one of them, or is quoted, is quoted.
  static std::string LevelName(std::uint32_t length, std::string_view text) {
    if (length == kLongText) return "(long)";
    if (text.empty()) return "(empty)";
    if (text == "(long)" || text == "(empty)" || text == "(other)" || text.front() == '"') return '"' + std::string(text) + '"';
    return std::string(text);
  }

  // So many levels of a category are described that views of the profile have at most kMostEntries rows.
  std::size_t MostLevels() const {
    const std::size_t entries = kMostEntries / std::max<std::size_t>(samples_.size(), 1);
    const std::size_t room = entries > request_.numbers.size() ? entries - request_.numbers.size() : 0;
    return std::clamp<std::size_t>(room / std::max<std::size_t>(request_.categories.size(), 1), 2, kMostProfiledLevels) - 1;
  }

  // A column of zeros and ones for each level, the most frequent first; the rarest ones, and those of few customers, are the last one, "(other)".
  std::vector<Described> DescribeCategory(std::size_t j, const Levels& of) const {
    std::vector<std::pair<std::string, double>> levels;
    for (const auto& [level, rows] : of.rows) {
      if (rows >= static_cast<double>(kLeastCustomers)) levels.emplace_back(level, rows);
    }
    std::stable_sort(levels.begin(), levels.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    if (levels.size() > MostLevels()) levels.resize(MostLevels());
    std::vector<Described> out;
    std::vector<double> rest(samples_.size(), 1);
    for (const auto& [level, rows] : levels) {
      std::vector<double> shares;
      for (std::size_t s = 0; s < samples_.size(); ++s) {
        const auto found = of.weights[s].find(level);
        shares.push_back(found == of.weights[s].end() ? 0 : found->second / of.total[s]);
        rest[s] = std::max(0.0, rest[s] - shares.back());
      }
      out.push_back(Level(j, level, shares, of));
    }
    if (levels.size() < of.rows.size()) out.push_back(Level(j, "(other)", rest, of));
    return out;
  }

  Described Level(std::size_t j, const std::string& level, const std::vector<double>& shares, const Levels& of) const {
    Described out{request_.categories[j].name + "=" + level, request_.categories[j].role, "level", {}, {}};
    Population population;
    for (std::size_t s = 0; s < shares.size(); ++s) {
      Statistics segment;
      segment.rows = static_cast<std::uint64_t>(std::llround(scales_[s] * static_cast<double>(of.known[s])));
      segment.missing = totals_.segments[s].rows - segment.rows;
      segment.weight = scales_[s] * of.total[s];
      if (of.known[s] > 0) {
        segment.mean = shares[s];
        segment.variance = std::max(0.0, shares[s] * (1 - shares[s]));
      }
      population.Add(segment);
      out.segments.push_back(segment);
    }
    out.all = population.Get();
    return out;
  }

  const ProfileRequest& request_;
  const ProfileTotals& totals_;
  const Samples& samples_;
  const Interrupt& interrupt_;
  std::vector<double> scales_;  // per segment: rows that one of the sample stands for
  std::uint64_t sampled_ = 0;
  std::uint64_t rows_ = 0;
  DoubleDouble weight_;
};

}  // namespace

ProfileRequest ParseProfileRequest(std::string_view json) {
  const JsonValue tree = ParseJson(json, ErrorCode::kInvalidParameter, "profile request");
  const JsonValue* segments = tree.Object() == nullptr ? nullptr : Member(*tree.Object(), "segments");
  if (segments == nullptr || segments->Array() == nullptr) BadRequest("Segments are missing.");
  ProfileRequest request;
  for (const JsonValue& item : *segments->Array()) {
    std::int64_t id = 0;
    if (!item.IsNumber() || !item.Integer(&id)) BadRequest("The id of a segment is not a whole number.");
    request.segments.push_back(id);
  }
  request.numbers = ReadColumns(*tree.Object(), "numbers");
  request.categories = ReadColumns(*tree.Object(), "categories");
  return request;
}

void CountProfileRow(const char* row, bool has_outcome, SegmentTotals* segment, NumberTotals* numbers, std::size_t count) {
  const double weight = WeightIn(row);
  ++segment->rows;
  segment->weight = segment->weight + DoubleDouble{weight, 0};
  for (std::size_t j = 0; j < count; ++j) {
    const double value = NumberIn(row, j);
    if (!std::isfinite(value)) continue;
    NumberTotals& to = numbers[j];
    to.low = to.rows == 0 ? value : std::min(to.low, value);
    to.high = to.rows == 0 ? value : std::max(to.high, value);
    ++to.rows;
    const DoubleDouble weighted = TwoProduct(weight, value);
    to.weight = to.weight + DoubleDouble{weight, 0};
    to.sum = to.sum + weighted;
    to.squares = to.squares + weighted * DoubleDouble{value, 0};
  }
  if (has_outcome && NumberIn(row, count - 1) == 1) ++segment->events;
}

void MergeProfileTotals(const SegmentTotals& from, SegmentTotals* to) {
  to->rows += from.rows;
  to->events += from.events;
  to->weight = to->weight + from.weight;
}

void MergeProfileTotals(const NumberTotals& from, NumberTotals* to) {
  if (from.rows == 0) return;
  to->low = to->rows == 0 ? from.low : std::min(to->low, from.low);
  to->high = to->rows == 0 ? from.high : std::max(to->high, from.high);
  to->rows += from.rows;
  to->weight = to->weight + from.weight;
  to->sum = to->sum + from.sum;
  to->squares = to->squares + from.squares;
}

std::string ProfileJson(const ProfileRequest& request, const ProfileTotals& totals, const Samples& samples, const Interrupt& interrupt) {
  return Report(request, totals, samples, interrupt).Json();
}

}  // namespace segmentation
