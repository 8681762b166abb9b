#include "core/scorer.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/preprocess.h"
#include "core/scoring_kernels.h"

namespace segmentation {
namespace {

constexpr std::size_t kGroup = kCentroidGroup;

std::uint32_t Narrow(std::size_t value) {
  if (value > UINT32_MAX) throw Error(ErrorCode::kLimit, "model is too large");
  return static_cast<std::uint32_t>(value);
}

// Squared distances of a point to the centroids of one group.
inline void GroupSquares(const double* point, const double* group, std::size_t dimensions, double* squares) {
  double sum[kGroup] = {};
  for (std::size_t j = 0; j < dimensions; ++j) {
    for (std::size_t c = 0; c < kGroup; ++c) {
      const double difference = point[j] - group[j * kGroup + c];
      sum[c] += difference * difference;
    }
  }
  std::memcpy(squares, sum, sizeof sum);
}

bool AllFinite(const double* values, std::size_t count) {
  constexpr std::uint64_t kExponent = std::uint64_t{0x7FF} << 52;
  bool bad = false;  // no way out of the loop: rows without a score are few
  for (std::size_t i = 0; i < count; ++i) bad |= (std::bit_cast<std::uint64_t>(values[i]) & kExponent) == kExponent;
  return !bad;
}

// Grows the block part by part; a part is whole doubles.
class BlockWriter {
 public:
  std::uint32_t Append(const void* data, std::size_t bytes) {
    const std::size_t at = block_.size();
    block_.resize(at + (bytes + sizeof(double) - 1) / sizeof(double));
    if (bytes > 0) std::memcpy(block_.data() + at, data, bytes);
    return Narrow(at);
  }
  std::uint32_t Append(const std::vector<double>& values) { return Append(values.data(), values.size() * sizeof(double)); }
  std::vector<double>& block() { return block_; }

 private:
  std::vector<double> block_;
};

std::vector<double> GroupedCentroids(const Model& model) {
  const std::size_t dimensions = model.Dimensions();
  std::vector<double> grouped(CentroidGroups(model.segments.size()) * kGroup * dimensions,
                              std::numeric_limits<double>::infinity());
  for (std::size_t s = 0; s < model.segments.size(); ++s) {
    for (std::size_t j = 0; j < dimensions; ++j) {
      grouped[(s / kGroup * dimensions + j) * kGroup + s % kGroup] = model.centroids[s * dimensions + j];
    }
  }
  return grouped;
}

}  // namespace

std::vector<double> CompileScorer(const Model& model) {
  BlockWriter writer;
  Scorer::Header header{};
  writer.Append(&header, sizeof header);
  std::string texts;
  const auto add_text = [&](const std::string& text) {
    const Scorer::PackedText packed{Narrow(texts.size()), Narrow(text.size())};
    texts += text;
    return packed;
  };
  std::vector<Scorer::PackedInput> inputs;
  bool plain = true;
  for (const Input& input : model.inputs) {
    Scorer::PackedInput packed{};
    const auto name = add_text(input.name);
    packed.name_at = name.at;
    packed.name_bytes = name.bytes;
    packed.categorical = input.categorical;
    packed.transform = static_cast<std::uint8_t>(input.transform);
    packed.unseen = static_cast<std::uint8_t>(input.unseen);
    packed.clip_low = input.clip_low.value_or(-std::numeric_limits<double>::infinity());
    packed.clip_high = input.clip_high.value_or(std::numeric_limits<double>::infinity());
    packed.impute = input.impute.value_or(0);
    packed.has_impute = input.categorical ? input.impute_level.has_value() : input.impute.has_value();
    std::vector<Scorer::PackedText> levels;
    packed.levels = Narrow(input.levels.size());
    packed.impute_column = packed.levels;  // "other", unless it is a level
    for (const std::string& level : input.levels) {
      if (input.impute_level == level) packed.impute_column = Narrow(levels.size());
      levels.push_back(add_text(level));
    }
    packed.level_at = writer.Append(levels.data(), levels.size() * sizeof levels[0]);
    plain = plain && !input.categorical && input.transform == Transform::kNone && !input.clip_low && !input.clip_high &&
            !input.impute;
    header.has_categorical = header.has_categorical || input.categorical;
    inputs.push_back(packed);
  }
  header.inputs = Narrow(model.inputs.size());
  header.columns = Narrow(model.Columns());
  header.dimensions = Narrow(model.Dimensions());
  header.segments = Narrow(model.segments.size());
  header.plain = plain;
  header.identity = 1;
  for (std::size_t j = 0; j < model.Columns(); ++j) {
    if (model.offset[j] != 0 || model.scale[j] != 1) header.identity = 0;
  }
  header.cosine = model.distance == Distance::kCosine;
  header.input_at = writer.Append(inputs.data(), inputs.size() * sizeof inputs[0]);
  header.offset_at = writer.Append(model.offset);
  header.scale_at = writer.Append(model.scale);
  if (model.rotation) {
    header.center_at = writer.Append(model.rotation->center);
    header.axes_at = writer.Append(model.rotation->axes);
  }
  header.centroid_at = writer.Append(GroupedCentroids(model));
  std::vector<Scorer::PackedSegment> segments;
  for (const Segment& segment : model.segments) {
    segments.push_back({segment.id, segment.weight > 0 ? segment.inertia / segment.weight : 0});
  }
  header.segment_at = writer.Append(segments.data(), segments.size() * sizeof segments[0]);
  header.text_at = writer.Append(texts.data(), texts.size());
  std::memcpy(writer.block().data(), &header, sizeof header);
  return std::move(writer.block());
}

std::string_view Scorer::name(std::size_t input) const {
  const PackedInput& packed = InputAt(input);
  return Text(packed.name_at, packed.name_bytes);
}

std::int32_t Scorer::id(std::size_t segment) const {
  return static_cast<std::int32_t>(reinterpret_cast<const PackedSegment*>(block_ + Head().segment_at)[segment].id);
}

double Scorer::mean_square(std::size_t segment) const {
  return reinterpret_cast<const PackedSegment*>(block_ + Head().segment_at)[segment].mean_square;
}

std::size_t Scorer::columns(std::size_t input) const {
  const PackedInput& packed = InputAt(input);
  if (packed.categorical == 0) return 1;
  return packed.levels + (static_cast<Unseen>(packed.unseen) == Unseen::kOther ? 1u : 0u);
}

std::string Scorer::column_name(std::size_t input, std::size_t part) const {
  const PackedInput& packed = InputAt(input);
  std::string text(name(input));
  if (packed.categorical == 0) return text;
  if (part == packed.levels) return text + "=(other)";
  const PackedText level = reinterpret_cast<const PackedText*>(block_ + packed.level_at)[part];
  return text.append("=").append(Text(level.at, level.bytes));
}

double Scorer::centroid(std::size_t segment, std::size_t dimension) const {
  return block_[Head().centroid_at + (segment / kGroup * Head().dimensions + dimension) * kGroup + segment % kGroup];
}

double Scorer::Untransform(std::size_t input, double value) const {
  return segmentation::Untransform(static_cast<Transform>(InputAt(input).transform), value);
}

double Scorer::Shown(std::size_t input, double value) const {
  const PackedInput& packed = InputAt(input);
  return Clip(packed, std::isfinite(value) ? value : packed.impute);
}

bool Scorer::EncodeNumber(const PackedInput& input, double value, double* column) const {
  if (!std::isfinite(value)) {
    if (input.has_impute == 0) return false;
    value = input.impute;
  }
  value = Clip(input, value);
  *column = ApplyTransform(static_cast<Transform>(input.transform), value);
  return true;
}

bool Scorer::EncodeLevel(const PackedInput& input, const RawValue& value, double* columns) const {
  const auto unseen = static_cast<Unseen>(input.unseen);
  const std::size_t width = input.levels + (unseen == Unseen::kOther ? 1u : 0u);
  for (std::size_t i = 0; i < width; ++i) columns[i] = 0;
  if (value.missing) {
    if (input.has_impute == 0) return false;
    columns[input.impute_column] = 1;
    return true;
  }
  const auto* levels = reinterpret_cast<const PackedText*>(block_ + input.level_at);
  std::size_t low = 0;
  std::size_t high = input.levels;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const int order = Text(levels[middle].at, levels[middle].bytes).compare(value.text);
    if (order == 0) {
      columns[middle] = 1;
      return true;
    }
    (order < 0 ? low : high) = order < 0 ? middle + 1 : middle;
  }
  if (unseen == Unseen::kOther) columns[input.levels] = 1;
  return unseen != Unseen::kNull;
}

const double* Scorer::Finish(const double* columns, double* scratch) const {
  const Header& header = Head();
  if (header.identity == 0) {
    if (!BestScoringKernels().scale(columns, block_ + header.offset_at, block_ + header.scale_at, header.columns, scratch)) {
      return nullptr;
    }
  } else {
    if (!AllFinite(columns, header.columns)) return nullptr;
    std::memmove(scratch, columns, header.columns * sizeof(double));
  }
  if (header.axes_at == 0 && header.cosine == 0) return scratch;
  double* point = scratch + header.columns;
  if (header.axes_at != 0) {
    const double* center = block_ + header.center_at;
    const double* axis = block_ + header.axes_at;
    for (std::size_t q = 0; q < header.dimensions; ++q, axis += header.columns) {
      double sum = 0;
      for (std::size_t j = 0; j < header.columns; ++j) sum += axis[j] * (scratch[j] - center[j]);
      point[q] = sum;
    }
  } else {
    std::memcpy(point, scratch, header.columns * sizeof(double));
  }
  if (header.cosine != 0 && !NormalizeDirection(point, header.dimensions)) return nullptr;
  return AllFinite(point, header.dimensions) ? point : nullptr;
}

const double* Scorer::ToModelSpace(const double* values, double* scratch) const {
  const Header& header = Head();
  if (header.plain != 0) return Finish(values, scratch);
  for (std::size_t i = 0; i < header.inputs; ++i) {
    if (!EncodeNumber(InputAt(i), values[i], scratch + i)) return nullptr;
  }
  return Finish(scratch, scratch);
}

const double* Scorer::ToModelSpace(const RawValue* values, double* scratch) const {
  double* column = scratch;
  for (std::size_t i = 0; i < inputs(); ++i) {
    const PackedInput& input = InputAt(i);
    if (input.categorical != 0) {
      if (!EncodeLevel(input, values[i], column)) return nullptr;
      column += columns(i);
    } else {
      const double number = values[i].missing ? std::numeric_limits<double>::quiet_NaN() : values[i].number;
      if (!EncodeNumber(input, number, column)) return nullptr;
      ++column;
    }
  }
  return Finish(scratch, scratch);
}

Neighbor Scorer::Nearest(const double* point) const {
  const Header& header = Head();
  const NearCentroid nearest = BestScoringKernels().nearest(point, block_ + header.centroid_at, header.dimensions,
                                                            CentroidGroups(header.segments));
  return {id(nearest.index), nearest.index, nearest.square};
}

void Scorer::NearestTwo(const double* point, Neighbor* first, Neighbor* second) const {
  const Header& header = Head();
  NearCentroid own;
  NearCentroid other;
  BestScoringKernels().nearest_two(point, block_ + header.centroid_at, header.dimensions, CentroidGroups(header.segments), &own,
                                   &other);
  // Where no other distance is finite, any other segment.
  if (std::isinf(other.square)) other.index = own.index == 0 && header.segments > 1 ? 1 : 0;
  *first = {id(own.index), own.index, own.square};
  *second = {id(other.index), other.index, other.square};
}

void Scorer::SquaredDistances(const double* point, double* squares) const {
  const Header& header = Head();
  const double* group = block_ + header.centroid_at;
  for (std::size_t first = 0; first < header.segments; first += kGroup, group += kGroup * header.dimensions) {
    double part[kGroup];
    GroupSquares(point, group, header.dimensions, part);
    for (std::size_t c = 0; c < kGroup && first + c < header.segments; ++c) squares[first + c] = part[c];
  }
}

}  // namespace segmentation
