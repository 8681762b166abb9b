// Text inside a float8[], 6 bytes to a number: for aggregates whose state is an array of numbers.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace segmentation {

constexpr std::size_t kPackedBytes = 6;  // of a double's 53 bits

constexpr std::size_t PackedSize(std::size_t bytes) { return (bytes + kPackedBytes - 1) / kPackedBytes; }

inline void PackText(std::string_view text, double* to) {
  for (std::size_t first = 0; first < text.size(); first += kPackedBytes) {
    std::uint64_t packed = 0;
    for (std::size_t i = 0; i < kPackedBytes && first + i < text.size(); ++i) {
      packed |= std::uint64_t{static_cast<unsigned char>(text[first + i])} << (8 * i);
    }
    *to++ = static_cast<double>(packed);
  }
}

// From inside C++. Throws kInvalidParameter for numbers that PackText does not write; `what` they should have been.
inline std::string UnpackText(const double* from, std::size_t bytes, const char* what) {
  std::string text;
  while (text.size() < bytes) {
    if (!(*from >= 0 && *from < 0x1p48)) {
      throw Error(ErrorCode::kInvalidParameter, std::string("invalid ") + what + " in the state of an aggregate");
    }
    auto packed = static_cast<std::uint64_t>(*from++);
    for (std::size_t i = 0; i < kPackedBytes && text.size() < bytes; ++i, packed >>= 8) text += static_cast<char>(packed & 0xFF);
  }
  return text;
}

}  // namespace segmentation
