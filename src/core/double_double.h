// Numbers of about 106 bits as the sum of two doubles: T. J. Dekker, "A floating-point technique for extending the available precision",
// Numerische Mathematik 18, 1971; D. E. Knuth, "The Art of Computer Programming" 2, 4.2.2. Without fused multiply-adds, so that the bits
// are the same on every machine. Beyond 2^996 products are not finite.
#pragma once

#include <cstddef>

namespace segmentation {

struct DoubleDouble {
  double high = 0;
  double low = 0;

  double Value() const { return high + low; }
};

// a + b, exactly.
inline DoubleDouble TwoSum(double a, double b) {
  const double sum = a + b;
  const double from_b = sum - a;
  return {sum, (a - (sum - from_b)) + (b - from_b)};
}

// The same where |a| >= |b|.
inline DoubleDouble FastTwoSum(double a, double b) {
  const double sum = a + b;
  return {sum, b - (sum - a)};
}

// A double as the sum of two of 26 bits.
inline DoubleDouble Split(double a) {
  const double scaled = a * 0x1.0000002p27;  // 2^27 + 1
  const double high = scaled - (scaled - a);
  return {high, a - high};
}

// a * b, exactly.
inline DoubleDouble TwoProduct(double a, double b) {
  const double product = a * b;
  const DoubleDouble x = Split(a);
  const DoubleDouble y = Split(b);
  return {product, ((x.high * y.high - product) + x.high * y.low + x.low * y.high) + x.low * y.low};
}

inline DoubleDouble operator+(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble high = TwoSum(a.high, b.high);
  const DoubleDouble low = TwoSum(a.low, b.low);
  const DoubleDouble sum = FastTwoSum(high.high, high.low + low.high);
  return FastTwoSum(sum.high, sum.low + low.low);
}

inline DoubleDouble operator-(DoubleDouble a) { return {-a.high, -a.low}; }
inline DoubleDouble operator-(DoubleDouble a, DoubleDouble b) { return a + -b; }

inline DoubleDouble operator*(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble product = TwoProduct(a.high, b.high);
  return FastTwoSum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

inline DoubleDouble operator/(DoubleDouble a, DoubleDouble b) {
  const double first = a.high / b.high;
  const DoubleDouble rest = a - b * DoubleDouble{first, 0};
  const double second = rest.high / b.high;
  const double third = (rest - b * DoubleDouble{second, 0}).high / b.high;
  return FastTwoSum(first, second) + DoubleDouble{third, 0};
}

}  // namespace segmentation
