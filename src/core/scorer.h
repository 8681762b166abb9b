// A model made ready for scoring: one flat, relocatable block without pointers, which can live in any memory.
//
// CompileScorer makes the block; Scorer reads it. Scoring allocates nothing and throws nothing: the caller brings the scratch
// space. A row is scored exactly as training assigned it, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/model.h"

namespace segmentation {

// A raw value of one input: missing, a number, or (for a categorical) text in UTF-8.
struct RawValue {
  bool missing = true;
  double number = 0;
  std::string_view text;
};

// How near a row is to one segment.
struct Neighbor {
  std::int32_t segment = 0;  // id
  std::uint32_t index = 0;   // its place in the model
  double square = 0;         // squared distance
};

std::vector<double> CompileScorer(const Model& model);  // doubles for their alignment

class Scorer {
 public:
  // The block stays the caller's, 8-byte aligned.
  explicit Scorer(const double* block) : block_(block) {}

  std::size_t inputs() const { return Head().inputs; }
  std::size_t columns() const { return Head().columns; }
  std::size_t dimensions() const { return Head().dimensions; }
  std::size_t segments() const { return Head().segments; }
  bool has_categorical() const { return Head().has_categorical != 0; }
  bool is_categorical(std::size_t input) const { return InputAt(input).categorical != 0; }
  std::string_view name(std::size_t input) const;  // UTF-8
  std::size_t columns(std::size_t input) const;
  // The input's name, or "input=level" for its column `part`.
  std::string column_name(std::size_t input, std::size_t part) const;

  // Doubles of scratch space that ToModelSpace wants.
  std::size_t scratch() const { return Head().columns + Head().dimensions; }

  // Takes `inputs` values to model space, `dimensions` doubles that are returned (inside scratch); null when the row has no score.
  // The first `columns` doubles of scratch then hold the scaled columns z.
  // The first form is for models without categorical inputs; NaN stands for missing.
  const double* ToModelSpace(const double* values, double* scratch) const;
  const double* ToModelSpace(const RawValue* values, double* scratch) const;
  Neighbor Nearest(const double* point) const;
  // The nearest two, different ones where there are two; with one segment the second has an infinite distance.
  void NearestTwo(const double* point, Neighbor* first, Neighbor* second) const;
  // Squared distances to all segments, in the order of the model.
  void SquaredDistances(const double* point, double* squares) const;
  std::int32_t id(std::size_t segment) const;
  double centroid(std::size_t segment, std::size_t dimension) const;
  // The rotation: dimensions x columns, and columns; null where there is none.
  const double* axes() const { return Head().axes_at == 0 ? nullptr : block_ + Head().axes_at; }
  const double* center() const { return Head().axes_at == 0 ? nullptr : block_ + Head().center_at; }
  bool cosine() const { return Head().cosine != 0; }
  // Back from a scaled column, and from the transform of a numeric input.
  double Unscale(std::size_t column, double z) const {
    return block_[Head().offset_at + column] + z * block_[Head().scale_at + column];
  }
  double Untransform(std::size_t input, double value) const;
  // What a value of a numeric input is taken for: imputed and clipped.
  double Shown(std::size_t input, double value) const;
  // The mean squared distance of the segment's training rows to its centroid; 0 when it had none.
  double mean_square(std::size_t segment) const;

 private:
  friend std::vector<double> CompileScorer(const Model& model);

  // Everything is addressed by its place in the block, counted in doubles (texts in bytes).
  struct Header {
    std::uint32_t inputs, columns, dimensions, segments;
    std::uint8_t plain, identity, cosine, has_categorical;  // plain: no categorical, transform, clip or imputation
    std::uint32_t input_at, offset_at, scale_at, center_at, axes_at, centroid_at, segment_at, text_at;
  };
  struct PackedInput {
    std::uint8_t categorical, transform, has_impute, unseen;
    std::uint32_t name_at, name_bytes;
    std::uint32_t level_at, levels;  // of PackedText in doubles from the block's start
    std::uint32_t impute_column;     // of the level that stands for NULL
    double clip_low, clip_high, impute;
  };
  struct PackedText {
    std::uint32_t at, bytes;
  };
  struct PackedSegment {
    std::int64_t id;
    double mean_square;
  };

  const Header& Head() const { return *reinterpret_cast<const Header*>(block_); }
  const PackedInput& InputAt(std::size_t i) const {
    return reinterpret_cast<const PackedInput*>(block_ + Head().input_at)[i];
  }
  std::string_view Text(std::uint32_t at, std::uint32_t bytes) const {
    return {reinterpret_cast<const char*>(block_ + Head().text_at) + at, bytes};
  }
  static double Clip(const PackedInput& input, double value) {
    if (value < input.clip_low) return input.clip_low;
    return value > input.clip_high ? input.clip_high : value;
  }
  bool EncodeNumber(const PackedInput& input, double value, double* column) const;
  bool EncodeLevel(const PackedInput& input, const RawValue& value, double* columns) const;
  // From encoded columns, which may lie in scratch, to the point.
  const double* Finish(const double* columns, double* scratch) const;

  const double* block_;
};

}  // namespace segmentation
