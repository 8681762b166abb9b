// A fast 64-bit hash of bytes, the same on every machine: multiply two 64-bit halves to 128 bits and fold them.
// Not cryptographic: it orders rows and recognises models, it protects nothing.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace segmentation {

// memcpy of the low `bytes` (at most 8) of a little-endian word.
inline std::uint64_t LoadWord(const char* from, std::size_t bytes = 8) {
  static_assert(std::endian::native == std::endian::little, "the wire forms are little-endian; port LoadWord first");
  std::uint64_t word = 0;
  std::memcpy(&word, from, bytes);
  return word;
}

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t FoldedMultiply(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

constexpr std::uint64_t kHashMultiplier = 0x9E3779B97F4A7C15;
constexpr std::uint64_t kHashSalt = 0xD6E8FEB86659FD93;

constexpr std::uint64_t HashStep(std::uint64_t state, std::uint64_t word) {
  return FoldedMultiply(state ^ word ^ kHashSalt, (word ^ kHashMultiplier) | 1) ^ std::rotl(state, 29);
}

constexpr std::uint64_t HashFinish(std::uint64_t state, std::uint64_t length) {
  return FoldedMultiply(state ^ length, kHashMultiplier) ^ (state >> 32);
}

inline std::uint64_t HashBytes(const char* data, std::size_t size, std::uint64_t seed) {
  std::uint64_t state = FoldedMultiply(seed ^ kHashSalt, kHashMultiplier);
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) state = HashStep(state, LoadWord(data + at));
  if (at < size) state = HashStep(state, LoadWord(data + at, size - at));
  return HashFinish(state, size);
}

}  // namespace segmentation
