#include "core/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <unordered_set>
#include <vector>

#include "test_support.h"

namespace segmentation {
namespace {

// 64 x 64 -> 128 bits by 32-bit halves, as in school, folded.
std::uint64_t NaiveFold(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t mask = 0xFFFFFFFF;
  const std::uint64_t low = (a & mask) * (b & mask);
  const std::uint64_t cross1 = (a >> 32) * (b & mask) + (low >> 32);
  const std::uint64_t cross2 = (a & mask) * (b >> 32) + (cross1 & mask);
  const std::uint64_t high = (a >> 32) * (b >> 32) + (cross1 >> 32) + (cross2 >> 32);
  return high ^ ((cross2 << 32) | (low & mask));
}

// The definition once more, byte by byte. Canonical order and thereby models depend on it, so it must not change.
std::uint64_t NaiveHash(const std::string& bytes, std::uint64_t seed) {
  const std::uint64_t multiplier = 0x9E3779B97F4A7C15;  // 2^64 divided by the golden ratio
  const std::uint64_t salt = 0xD6E8FEB86659FD93;        // hash.h
  std::uint64_t state = NaiveFold(seed ^ salt, multiplier);
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 8 && at + i < bytes.size(); ++i) {
      word |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
    }
    state = NaiveFold(state ^ word ^ salt, (word ^ multiplier) | 1) ^ ((state << 29) | (state >> 35));
  }
  return NaiveFold(state ^ bytes.size(), multiplier) ^ (state >> 32);
}

std::string RandomBytes(std::size_t size, test::Random* random) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random->Bits());
  return bytes;
}

TEST(Hash, IsAsDefined) {
  test::Random random(1);
  for (std::size_t size = 0; size <= 100; ++size) {
    const std::string bytes = RandomBytes(size, &random);
    const std::uint64_t seed = random.Bits();
    EXPECT_EQ(HashBytes(bytes.data(), bytes.size(), seed), NaiveHash(bytes, seed)) << size;
  }
}

TEST(Hash, DoesNotDependOnTheAddress) {
  test::Random random(2);
  const std::string bytes = RandomBytes(77, &random);
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const std::string copy = std::string(shift, 'x') + bytes;
    EXPECT_EQ(HashBytes(copy.data() + shift, bytes.size(), 0), HashBytes(bytes.data(), bytes.size(), 0));
  }
}

TEST(Hash, LengthAndSeedCount) {
  const std::string zeros(32, '\0');
  std::unordered_set<std::uint64_t> seen;
  for (std::size_t size = 0; size <= zeros.size(); ++size) {
    seen.insert(HashBytes(zeros.data(), size, 0));
    seen.insert(HashBytes(zeros.data(), size, 1));
  }
  EXPECT_EQ(seen.size(), 2 * (zeros.size() + 1));
}

TEST(Hash, OneBitChangesHalfOfTheHash) {
  test::Random random(3);
  for (std::size_t size : {8u, 16u, 40u}) {
    double flips = 0;
    double trials = 0;
    for (int repeat = 0; repeat < 200; ++repeat) {
      std::string bytes = RandomBytes(size, &random);
      const std::uint64_t before = HashBytes(bytes.data(), size, 0);
      for (std::size_t bit = 0; bit < 8 * size; bit += 5) {
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
        flips += std::popcount(before ^ HashBytes(bytes.data(), size, 0));
        trials += 1;
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      }
    }
    EXPECT_NEAR(flips / trials, 32, 1) << size;  // half of 64; the mean's own deviation is 4 / sqrt(trials) < 0.1
  }
}

// Doubles that people store differ in few of their bits: whole numbers, prices, equal steps.
TEST(Hash, ScattersTheNumbersThatPeopleStore) {
  constexpr std::size_t kCount = 1'000'000;
  for (double step : {1.0, 0.01, 1024.0}) {
    std::vector<std::uint64_t> hashes(kCount);
    std::vector<double> buckets(2048);  // by the upper 11 bits, as the sort of rows does
    for (std::size_t i = 0; i < kCount; ++i) {
      const double row[2] = {static_cast<double>(i % 1000) * step, static_cast<double>(i / 1000) * step};
      char bytes[sizeof row];
      std::memcpy(bytes, row, sizeof row);
      hashes[i] = HashBytes(bytes, sizeof bytes, 0);
      buckets[hashes[i] >> 53] += 1;
    }
    std::sort(hashes.begin(), hashes.end());
    EXPECT_EQ(std::adjacent_find(hashes.begin(), hashes.end()), hashes.end());  // by chance: 3 in 100 million
    const double expected = static_cast<double>(kCount) / 2048;
    double chi_square = 0;
    for (double count : buckets) chi_square += (count - expected) * (count - expected) / expected;
    EXPECT_LT(chi_square, 2047 + 6 * 64) << step;  // 2047 degrees of freedom: standard deviation sqrt(2 * 2047) = 64
  }
}

}  // namespace
}  // namespace segmentation
