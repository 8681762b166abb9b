// A row of a sample as bytes, unaligned: weight, a double per number (NaN: missing), then per category a 32-bit length (kMissingText:
// missing, kLongText: too long) and the text in UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace segmentation {

// Longer texts of a category are all one level, "other".
constexpr std::size_t kLongestLevel = 255;
constexpr std::uint32_t kMissingText = UINT32_MAX;
constexpr std::uint32_t kLongText = UINT32_MAX - 1;

// Its weight, and a number of it.
inline double WeightIn(const char* row) {
  double weight;
  std::memcpy(&weight, row, sizeof weight);
  return weight;
}
inline double NumberIn(const char* row, std::size_t j) { return WeightIn(row + (j + 1) * sizeof(double)); }

// What is read from the front.
class SampleRowReader {
 public:
  explicit SampleRowReader(const char* row) : at_(row) {}

  // The weight, then each number.
  double Number() {
    double value;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  void SkipNumbers(std::size_t count) { at_ += count * sizeof(double); }
  // Each category after the numbers: its length or one of the above, and the text where there is one.
  std::uint32_t Text(std::string_view* text) {
    std::uint32_t length;
    std::memcpy(&length, at_, sizeof length);
    at_ += sizeof length;
    if (length < kLongText) {
      *text = std::string_view(at_, length);
      at_ += length;
    }
    return length;
  }

 private:
  const char* at_;
};

}  // namespace segmentation
