#include "core/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <set>
#include <vector>

namespace segmentation {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Known answers for philox4x32-10 of the paper's authors: file kat_vectors of their library Random123. The numbers of the
// third are the first digits of pi.
TEST(Philox, GivesTheKnownAnswers) {
  constexpr std::uint32_t kOnes = 0xFFFFFFFF;
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, WorksAtCompileTime) {
  static_assert(Philox4x32({0, 0, 0, 0}, {0, 0})[0] == 0x6627e8d5);  // the first known answer
  constexpr CounterRandom kRandom(1, 2);
  static_assert(kRandom.Uniform(3, 4) >= 0 && kRandom.Uniform(3, 4) < 1);
  EXPECT_EQ(kRandom.Uniform(3, 4), CounterRandom(1, 2).Uniform(3, 4));
}

TEST(CounterRandom, TakesItsWordsFromThePlacesThatModelsDependOn) {
  const std::uint64_t seed = 0x0123456789ABCDEF;
  const std::uint64_t index = 0xFEDCBA9876543210;
  const auto words = Philox4x32({0x76543210, 0xFEDCBA98, 7, 9}, {0x89ABCDEF, 0x01234567});
  EXPECT_EQ(CounterRandom(seed, 9).Bits(7, index), words[0] | std::uint64_t{words[1]} << 32);
}

TEST(CounterRandom, EveryPartOfTheKeyMatters) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed : {0u, 1u, 2u}) {
    for (std::uint32_t stream : {0u, 1u, 0x80000000u}) {
      for (std::uint32_t step : {0u, 1u, 2u}) {
        for (std::uint64_t index : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32}) {
          seen.insert(CounterRandom(seed, stream).Bits(step, index));
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), 3u * 3u * 3u * 3u);  // no two of all combinations agree
}

TEST(CounterRandom, IsUniform) {
  const CounterRandom random(42, 0);
  constexpr int kDraws = 100'000;
  std::vector<int> bins(100);
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random.Uniform(0, static_cast<std::uint64_t>(i));
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ++bins[static_cast<std::size_t>(value * 100)];
    sum += value;
  }
  // The mean of n uniform numbers has standard deviation sqrt(1/12 n) = 0.0009; five of them are allowed.
  EXPECT_NEAR(sum / kDraws, 0.5, 0.0046);
  double chi_square = 0;
  for (int count : bins) chi_square += (count - kDraws / 100.0) * (count - kDraws / 100.0) / (kDraws / 100.0);
  EXPECT_LT(chi_square, 160);  // 99 degrees of freedom: exceeded with probability 1e-4
  EXPECT_GT(chi_square, 50);   // and evener than chance with probability 1e-5
}

}  // namespace
}  // namespace segmentation
