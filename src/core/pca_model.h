// A principal component analysis, whole: everything between a raw row and its components.
//
// How a row is transformed (format 1; it never changes again): z = (x - offset) / scale per column, y = axes * (z - center), each
// component added up over the columns in their order. A number that is not finite gives no result.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/options.h"

namespace segmentation {

// With this many columns the sums take 8 MB and the axes, as text, 20 MB.
constexpr std::size_t kMaxPcaColumns = 1024;

struct PcaModel {
  std::vector<std::string> features;  // UTF-8, one per column
  std::string scaling = "none";       // none, zscore, minmax
  std::vector<double> offset;         // per column
  std::vector<double> scale;          // per column, not 0
  std::vector<double> center;         // per column: the mean of the scaled values
  std::vector<double> axes;           // components x columns, row-major, orthonormal; the largest loading of each is positive
  std::vector<double> variances;      // per component, largest first; over the sum of weights less 1, 0 for a single row
  double total_variance = 0;          // of all columns, likewise
  std::uint64_t rows = 0;             // used
  std::uint64_t skipped = 0;          // NULL, NaN or infinite
  double weight = 0;                  // sum of their weights

  std::size_t columns() const { return features.size(); }
  std::size_t components() const { return variances.size(); }
};

// The canonical text: one line of JSON that starts with {"format":1, .
std::string EncodePcaModel(const PcaModel& model);

// Reads one from JSON in UTF-8, members in any order, all of them required. Throws `code` with a detail that names what is wrong.
PcaModel DecodePcaModel(std::string_view json, ErrorCode code, const Interrupt& interrupt = {});

// Sizes that agree, finite numbers, scales that are not 0, names that differ, axes of length 1. Throws `code`.
void ValidatePcaModel(const PcaModel& model, ErrorCode code);

// The options of pca: components, features, on_null and scale. Throws kInvalidParameter as ParseOptions does.
Options ParsePcaOptions(std::string_view json);

// Throws kLimit for more columns than kMaxPcaColumns, kDimensionMismatch where the names given are not one per column, and
// kInvalidParameter where more components are wanted than there are columns.
void CheckPcaOptions(const Options& options, std::size_t columns);

}  // namespace segmentation
