// Sums that do not depend on the order of their terms, so that neither the order of rows nor the number of threads can change a
// bit of a model.
//
// A term is divided by a power of two that no term exceeds, and rounded to a multiple of 2^-80: the multiples are whole numbers,
// and adding those is exact. They are kept in two folds of 40 bits, each in a double, of which up to kMaxTerms can be added
// without rounding; the folds then go to a 128-bit total. After J. Demmel and H. D. Nguyen, "Fast reproducible floating-point
// summation", ARITH 2013, with the bins fixed beforehand. A term loses what lies more than 80 bits below the largest possible.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/hash.h"
#include "core/simd.h"

namespace segmentation {

// How many terms the folds hold.
constexpr int kMaxTerms = 4096;

// A power of two that no term exceeds.
class SumUnit {
 public:
  SumUnit() = default;
  // bound: at least the largest magnitude of a term; finite.
  explicit SumUnit(double bound) {
    int exponent = kLeastExponent;
    if (bound > 0) std::frexp(bound, &exponent);  // bound < 2^exponent
    if (exponent < kLeastExponent) exponent = kLeastExponent;
    down_ = std::ldexp(1.0, -exponent);
    up_ = std::ldexp(1.0, exponent - 1);
  }
  // Multiplies a term to at most 1.
  double down() const { return down_; }
  // And back, in two steps: 2^1024 is not a double.
  double Back(double value) const { return value * 2 * up_; }

 private:
  static constexpr int kLeastExponent = -1000;  // 2^-1080 is nothing to a double
  double down_ = 1;
  double up_ = 0.5;
};

constexpr double kHighShift = 0x1.8p12;  // its last bit is 2^-40
constexpr double kLowShift = 0x1.8p-28;  // 2^-80

// The two folds of a term that was multiplied by SumUnit::down().
struct Folds {
  double high;  // multiple of 2^-40
  double low;   // multiple of 2^-80
};

// Of a double, or of a vector of them (simd.h) lane by lane.
template <typename Real>
SEGMENTATION_INLINE void FoldInto(const Real& term, Real& high, Real& low) {
  high = (term + kHighShift) - kHighShift;
  low = ((term - high) + kLowShift) - kLowShift;
}

inline Folds Fold(double term) {
  Folds folds;
  FoldInto(term, folds.high, folds.low);
  return folds;
}

__extension__ using WideInteger = __int128;

// A whole number of 2^-80.
class ExactTotal {
 public:
  // The sums of the folds of at most kMaxTerms terms.
  void Add(double high, double low) {
    total_ += (static_cast<WideInteger>(static_cast<std::int64_t>(high * 0x1p40)) << 40) + static_cast<std::int64_t>(low * 0x1p80);
  }
  void Add(const ExactTotal& other) { total_ += other.total_; }
  void Add(Folds folds) { Add(folds.high, folds.low); }
  // Rounded once.
  double Value(const SumUnit& unit) const { return unit.Back(static_cast<double>(total_) * 0x1p-80); }

 private:
  WideInteger total_ = 0;
};

}  // namespace segmentation
