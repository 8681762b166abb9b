#include "core/profile_trend.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/json_writer.h"
#include "core/sample_row.h"

namespace segmentation {
namespace {

constexpr std::size_t kMostValues = 12;
constexpr std::size_t kParts = 10;

using Samples = std::vector<std::vector<const char*>>;

// Ranges of a number. Values of their own: each edge is a bin. Else a bin lies between two edges, its lower one belongs to it, and the last
// one's upper one, too.
struct TrendBins {
  std::vector<double> edges;
  bool of_values = false;
  bool with_missing = false;

  std::size_t ranges() const { return of_values || edges.empty() ? edges.size() : edges.size() - 1; }
  std::size_t count() const { return ranges() + (with_missing ? 1 : 0); }
  // Values beyond the ends belong to the ranges there. ranges() > 0 for a value.
  std::size_t Of(double value) const {
    if (!std::isfinite(value)) return ranges();
    const auto after = static_cast<std::size_t>(std::upper_bound(edges.begin(), edges.end(), value) - edges.begin());
    return std::min(after == 0 ? 0 : after - 1, ranges() - 1);
  }
};

// A value, how many customers have it, and their weight.
struct ValueCount {
  double value = 0;
  double rows = 0;
  double weight = 0;
};

// Ascending. Of the segments of which something may be told: so the ends are those of a segment that is described.
std::vector<ValueCount> ValuesOf(std::size_t along, const Samples& samples, const std::vector<double>& scales, const Interrupt& interrupt, bool* with_missing) {
  std::vector<ValueCount> values;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    std::vector<ValueCount> here;
    for (const char* row : samples[s]) {
      interrupt.Poll();
      const double value = NumberIn(row, along);
      if (std::isfinite(value)) {
        here.push_back({value, scales[s], scales[s] * WeightIn(row)});
      } else {
        *with_missing = true;
      }
    }
    if (here.size() >= kLeastCustomers) values.insert(values.end(), here.begin(), here.end());
  }
  std::sort(values.begin(), values.end(), [](const ValueCount& a, const ValueCount& b) { return a.value < b.value; });
  std::vector<ValueCount> different;
  for (const ValueCount& one : values) {
    if (different.empty() || different.back().value != one.value) {
      different.push_back(one);
    } else {
      different.back().rows += one.rows;
      different.back().weight += one.weight;
    }
  }
  return different;
}

// Each range has a tenth of the weight or more, so that a value which that many have is one by itself; edges are values that occur.
std::vector<double> EdgesOf(const std::vector<ValueCount>& values) {
  double total = 0;
  for (const ValueCount& one : values) total += one.weight;
  std::vector<double> edges = {values.front().value};
  double rows = 0;
  double weight = 0;
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    rows += values[i].rows;
    weight += values[i].weight;
    const bool next_is_large = values[i + 1].weight * kParts >= total;
    if (rows < static_cast<double>(kLeastCustomers) || (weight * kParts < total && !next_is_large)) continue;
    edges.push_back(values[i + 1].value);
    rows = weight = 0;
  }
  // The last range may have got little.
  if (edges.size() > 1 && rows + values.back().rows < static_cast<double>(kLeastCustomers)) edges.pop_back();
  if (values.back().value > edges.back() || edges.size() == 1) edges.push_back(values.back().value);
  return edges;
}

TrendBins BinsOf(std::size_t along, const Samples& samples, const std::vector<double>& scales, const Interrupt& interrupt) {
  TrendBins bins;
  const std::vector<ValueCount> values = ValuesOf(along, samples, scales, interrupt, &bins.with_missing);
  if (values.empty()) return bins;
  bins.of_values = values.size() <= kMostValues;
  if (!bins.of_values) {
    bins.edges = EdgesOf(values);
    return bins;
  }
  for (const ValueCount& one : values) bins.edges.push_back(one.value);
  return bins;
}

std::string Shown(double value) {
  std::string text;
  AppendJsonNumber(&text, value);
  return text;
}

void WriteBins(const TrendBins& bins, std::string* out) {
  *out += '[';
  for (std::size_t b = 0; b < bins.count(); ++b) {
    if (b > 0) *out += ',';
    ObjectWriter to(out);
    if (b == bins.ranges()) {
      to.Text("label", "(missing)");
      to.Null("low");
      to.Null("high");
    } else {
      const double low = bins.edges[b];
      const double high = bins.of_values ? low : bins.edges[b + 1];
      to.Text("label", bins.of_values ? Shown(low) : "[" + Shown(low) + ", " + Shown(high) + (b + 1 == bins.ranges() ? "]" : ")"));
      to.Number("low", low);
      to.Number("high", high);
    }
    to.Close();
  }
  *out += ']';
}

struct MeanOf {
  std::uint64_t rows = 0;
  double weight = 0;
  double sum = 0;
};

// One segment: per bin its customers and the means.
void WriteSegment(const TrendBins& bins, std::size_t along, const std::vector<std::size_t>& measures, const std::vector<const char*>& sample, double scale,
                  const Interrupt& interrupt, std::string* out) {
  std::vector<std::uint64_t> rows(bins.count());
  std::vector<MeanOf> means(bins.count() * measures.size());
  for (const char* row : sample) {
    interrupt.Poll();
    const double place = NumberIn(row, along);
    if (std::isfinite(place) && bins.ranges() == 0) continue;  // nobody of whom something may be told has a value
    const std::size_t bin = bins.Of(place);
    ++rows[bin];
    const double weight = WeightIn(row);
    for (std::size_t m = 0; m < measures.size(); ++m) {
      const double value = NumberIn(row, measures[m]);
      if (!std::isfinite(value)) continue;
      MeanOf& mean = means[bin * measures.size() + m];
      ++mean.rows;
      mean.weight += weight;
      mean.sum += weight * value;
    }
  }
  *out += '[';
  for (std::size_t b = 0; b < bins.count(); ++b) {
    if (b > 0) *out += ',';
    ObjectWriter to(out);
    const double customers = std::round(scale * static_cast<double>(rows[b]));
    to.NumberOrNull("customers", rows[b] > 0 && rows[b] < kLeastCustomers ? std::nan("") : customers);
    std::vector<double> shown;
    for (std::size_t m = 0; m < measures.size(); ++m) {
      const MeanOf& mean = means[b * measures.size() + m];
      shown.push_back(mean.rows < kLeastCustomers ? std::nan("") : mean.sum / mean.weight);
    }
    to.Numbers("means", shown);
    to.Close();
  }
  *out += ']';
}

}  // namespace

std::string TrendJson(const ProfileRequest& request, const Samples& samples, const std::vector<double>& scales, const Interrupt& interrupt) {
  const std::size_t numbers = request.numbers.size() - (request.has_outcome() ? 1 : 0);
  std::vector<std::size_t> measures;
  for (std::size_t j = 0; j < std::min(numbers, kTrendNumbers); ++j) measures.push_back(j);
  if (request.has_outcome()) measures.push_back(numbers);
  const std::size_t means = measures.size() * (std::max(kMostValues, kParts) + 1) * std::max<std::size_t>(samples.size(), 1);
  const std::size_t alongs = std::min({numbers, kTrendNumbers, means == 0 ? 0 : kTrendMeans / means});
  std::string out;
  ObjectWriter to(&out);
  AppendJsonArray(to.Key("measures"), measures, [&](std::string* json, std::size_t j) { AppendJsonString(json, request.numbers[j].name); });
  *to.Key("along") += '[';
  for (std::size_t along = 0; along < alongs; ++along) {
    if (along > 0) out += ',';
    const TrendBins bins = BinsOf(along, samples, scales, interrupt);
    ObjectWriter one(&out);
    one.Text("name", request.numbers[along].name);
    WriteBins(bins, one.Key("bins"));
    *one.Key("segments") += '[';
    for (std::size_t s = 0; s < samples.size(); ++s) {
      if (s > 0) out += ',';
      WriteSegment(bins, along, measures, samples[s], scales[s], interrupt, &out);
    }
    out += ']';
    one.Close();
  }
  out += ']';
  to.Close();
  return out;
}

}  // namespace segmentation
