// A counter-based random generator: the i-th number of a stream is a function of (key, counter) alone, so that what a row
// or a restart draws does not depend on what was drawn before it, nor by whom.
//
// Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>

namespace segmentation {

// Four 32-bit words from a 128-bit counter and a 64-bit key.
constexpr std::array<std::uint32_t, 4> Philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

// Numbers keyed by (seed, stream, step, index). What the four mean is the caller's business; equal keys give equal numbers.
class CounterRandom {
 public:
  constexpr CounterRandom(std::uint64_t seed, std::uint32_t stream) : seed_(seed), stream_(stream) {}

  // 64 uniform bits.
  constexpr std::uint64_t Bits(std::uint32_t step, std::uint64_t index) const {
    const auto words = Philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), step, stream_},
                                  {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
    return words[0] | (static_cast<std::uint64_t>(words[1]) << 32);
  }

  // Uniform in [0, 1), a multiple of 2^-53.
  constexpr double Uniform(std::uint32_t step, std::uint64_t index) const {
    return static_cast<double>(Bits(step, index) >> 11) * 0x1.0p-53;
  }

 private:
  std::uint64_t seed_;
  std::uint32_t stream_;
};

}  // namespace segmentation
