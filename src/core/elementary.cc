#include "core/elementary.h"

#include <array>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#ifdef __FAST_MATH__
#error "the same bits on every machine: not with -ffast-math"
#endif
static_assert(std::numeric_limits<double>::is_iec559, "IEEE 754 doubles are needed");
static_assert(FLT_EVAL_METHOD == 0, "doubles must be rounded after every operation (on 32-bit x86: -msse2 -mfpmath=sse)");

namespace segmentation {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// ln 2 = kLn2High + kLn2Low to 102 bits. The high part has 41 bits: its product with any exponent is exact.
constexpr double kLn2High = 0x1.62e42fefa3p-1;
constexpr double kLn2Low = 0x9.ef35793c7673p-45;
constexpr double kInverseLn2 = 0x1.71547652b82fep+0;
constexpr double kSqrt2 = 0x1.6a09e667f3bcdp+0;
constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1;

// Where x is within 2^-28 of 0, asinh and sinh are x; within 2^-54, log1p and expm1 are.
constexpr double kOddIsIdentity = 0x1p-28;
constexpr double kIsIdentity = 0x1p-54;

// The unevaluated sum high + low. The reduced functions below return a low part that is small, up to 2 % of the high one,
// but not negligible: it is always added before the number is used.
struct DoubleDouble {
  double high;
  double low;
};

// a + b without error, for |a| >= |b| or a = 0 (Dekker).
DoubleDouble FastTwoSum(double a, double b) {
  const double sum = a + b;
  return {sum, b - (sum - a)};
}

// a + b without error, in any order of size (Knuth).
DoubleDouble TwoSum(double a, double b) {
  const double sum = a + b;
  const double b_part = sum - a;
  return {sum, (a - (sum - b_part)) + (b - b_part)};
}

double Magnitude(double x) {
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & 0x7FFFFFFFFFFFFFFF);
}

// `magnitude`, which is not negative, with the sign of x.
double WithSignOf(double magnitude, double x) {
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(magnitude) |
                               (std::bit_cast<std::uint64_t>(x) & 0x8000000000000000));
}

// x cut to its leading 26 bits: products of two such numbers are exact.
double LeadingHalf(double x) {
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & 0xFFFFFFFFF8000000);
}

// x * x without error, for x whose square neither overflows nor loses bits to underflow.
DoubleDouble Square(double x) {
  const double head = LeadingHalf(x);
  const double tail = x - head;
  const double high = x * x;
  return {high, ((head * head - high) + 2.0 * head * tail) + tail * tail};
}

// 2^exponent for -1022 <= exponent <= 1023.
double PowerOfTwo(int exponent) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

// x * 2^exponent with one rounding, for 2^-2 < |x| < 2^2 and any exponent that Exp can meet (-1076 to 1025).
double Scale(double x, int exponent) {
  const int half = exponent / 2;
  return x * PowerOfTwo(half) * PowerOfTwo(exponent - half);
}

// c[0] + c[1] x + c[2] x^2 + …, even and odd powers apart: two short chains of dependent operations instead of a long one.
template <std::size_t kTerms>
double Polynomial(const std::array<double, kTerms>& c, double x) {
  static_assert(kTerms % 2 == 0);
  const double square = x * x;
  double even = c[kTerms - 2];
  double odd = c[kTerms - 1];
  for (std::size_t i = kTerms - 2; i > 0; i -= 2) {
    even = even * square + c[i - 2];
    odd = odd * square + c[i - 1];
  }
  return even + odd * x;
}

// --- logarithms ---

// log(1 + f + f_low) for 1 + f in [√½, √2] and |f_low| below half a unit in the last place of f, or of 1 when 1 + f is a
// rounded number. As 2 atanh(s), s = f / (2 + f): |s| < 0.172, so that what follows the leading 2 s, which is kept as a
// double-double, is below 1 % of it.
DoubleDouble LogOnePlusReduced(double f, double f_low) {
  static constexpr std::array<double, 10> kSeries = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                                                     2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21};
  const double divisor = 2.0 + f;
  const double divisor_head = LeadingHalf(divisor);
  const double divisor_tail = (divisor - divisor_head) + ((f - (divisor - 2.0)) + f_low);
  const double reciprocal = 1.0 / divisor;
  // One step of long division: 26 bits of the quotient, the exact remainder, and from it the rest.
  const double quotient = LeadingHalf(f * reciprocal);
  const double remainder = ((f - quotient * divisor_head) - quotient * divisor_tail) + f_low;
  const double quotient_low = remainder * reciprocal;

  const double s = quotient + quotient_low;
  const double square = s * s;
  return {2.0 * quotient, 2.0 * quotient_low + s * square * Polynomial(kSeries, square)};
}

// log(x.high + x.low) + extra * log 2, for finite normal x.high > 0.
double LogReduced(DoubleDouble x, int extra) {
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x.high);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double mantissa = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000);
  if (mantissa > kSqrt2) {
    mantissa *= 0.5;
    ++exponent;
  }
  // Numbers too large for 2^-exponent to be normal come without a low part.
  const double low = x.low == 0.0 ? 0.0 : x.low * PowerOfTwo(-exponent);
  const DoubleDouble log = LogOnePlusReduced(mantissa - 1.0, low);
  const double twos = exponent + extra;
  const DoubleDouble sum = FastTwoSum(twos * kLn2High, log.high);
  return sum.high + (sum.low + (log.low + twos * kLn2Low));
}

// log(1 + y) for y > -1.
double LogOnePlus(DoubleDouble y) {
  if (y.high > kSqrtHalf - 1.0 && y.high < kSqrt2 - 1.0) {
    const DoubleDouble log = LogOnePlusReduced(y.high, y.low);
    return log.high + log.low;
  }
  const DoubleDouble sum = TwoSum(1.0, y.high);
  return LogReduced({sum.high, sum.low + y.low}, 0);
}

// --- exponentials ---

// e^x = 2^exponent (1 + fraction), where fraction = e^r - 1 for the rest |r| <= ln(2) / 2.
struct ReducedExponential {
  int exponent;
  DoubleDouble fraction;
};

// e^(r + r_low) - 1 for |r| < 0.35 and |r_low| below a unit in the last place of r. r + r²/2 is a double-double; what
// follows is below 2 % of r.
DoubleDouble ExpMinusOneReduced(double r, double r_low) {
  static constexpr std::array<double, 12> kSeries = {1.0 / 6,        1.0 / 24,        1.0 / 120,        1.0 / 720,
                                                     1.0 / 5040,     1.0 / 40320,     1.0 / 362880,     1.0 / 3628800,
                                                     1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800, 1.0 / 87178291200};
  const double head = LeadingHalf(r);
  const double tail = r - head;
  const DoubleDouble sum = FastTwoSum(r, 0.5 * head * head);
  const double square_rest = tail * (head + 0.5 * tail);
  const double cube = r * r * r * Polynomial(kSeries, r);
  return {sum.high, sum.low + ((square_rest + r_low * (1.0 + r)) + cube)};
}

// For |x| < 800. The product with kLn2High is exact and so is its difference from x, since they are close to each other.
ReducedExponential ReduceExponential(double x) {
  const double quotient = x * kInverseLn2;
  const int exponent = static_cast<int>(quotient + (quotient < 0.0 ? -0.5 : 0.5));
  const DoubleDouble rest = TwoSum(x - exponent * kLn2High, -exponent * kLn2Low);
  return {exponent, ExpMinusOneReduced(rest.high, rest.low)};
}

// 1 + fraction.
DoubleDouble OnePlus(DoubleDouble fraction) {
  const DoubleDouble sum = FastTwoSum(1.0, fraction.high);
  return {sum.high, sum.low + fraction.low};
}

// sinh for 0 <= x <= 0.7, by its series: what follows x is below 8 % of it.
double SinhSeries(double x) {
  static constexpr std::array<double, 8> kSeries = {
      1.0 / 6,        1.0 / 120,        1.0 / 5040,          1.0 / 362880,
      1.0 / 39916800, 1.0 / 6227020800, 1.0 / 1307674368000, 1.0 / 355687428096000};
  const double square = x * x;
  return x + x * square * Polynomial(kSeries, square);
}

// sinh for 0.7 < x < 711, as e^x / 2 - 1 / (4 (e^x / 2)); halved first, since e^x overflows before sinh does.
double SinhByExponential(double x) {
  const ReducedExponential reduced = ReduceExponential(x);
  const DoubleDouble mantissa = OnePlus(reduced.fraction);
  if (reduced.exponent > 40) return Scale(mantissa.high + mantissa.low, reduced.exponent - 1);
  const double power = PowerOfTwo(reduced.exponent - 1);
  const double half = power * mantissa.high;
  const double half_low = power * mantissa.low;
  const DoubleDouble difference = FastTwoSum(half, -0.25 / (half + half_low));
  return difference.high + (difference.low + half_low);
}

// x + √(x² + 1) - 1 for x >= 2^-28, whose log1p is asinh x.
DoubleDouble AsinhArgument(double x) {
  const DoubleDouble square = Square(x);
  DoubleDouble radicand = TwoSum(1.0, square.high);
  radicand.low += square.low;
  const double root = std::sqrt(radicand.high);
  // One Newton step gives the root its second half.
  const DoubleDouble again = Square(root);
  const double root_low = (((radicand.high - again.high) - again.low) + radicand.low) / (2.0 * root);
  const DoubleDouble sum = TwoSum(x, root - 1.0);
  return {sum.high, sum.low + root_low};
}

}  // namespace

double Log(double x) {
  if (x != x || x == kInfinity) return x;
  if (x == 0.0) return -kInfinity;
  if (x < 0.0) return kNaN;
  if (x < DBL_MIN) return LogReduced({x * 0x1p54, 0.0}, -54);
  return LogReduced({x, 0.0}, 0);
}

double Log1p(double x) {
  if (x != x || x == kInfinity || Magnitude(x) < kIsIdentity) return x;
  if (x == -1.0) return -kInfinity;
  if (x < -1.0) return kNaN;
  if (x > 0x1p60) return LogReduced({x, 0.0}, 0);
  return LogOnePlus({x, 0.0});
}

double Exp(double x) {
  if (x != x) return x;
  if (x > 710.0) return kInfinity;
  if (x < -746.0) return 0.0;
  const ReducedExponential reduced = ReduceExponential(x);
  const DoubleDouble mantissa = OnePlus(reduced.fraction);
  return Scale(mantissa.high + mantissa.low, reduced.exponent);
}

double Expm1(double x) {
  if (x != x || Magnitude(x) < kIsIdentity) return x;
  if (x < -40.0) return -1.0;
  if (x > 45.0) return Exp(x);
  const ReducedExponential reduced = ReduceExponential(x);
  const DoubleDouble fraction = reduced.fraction;
  if (reduced.exponent == 0) return fraction.high + fraction.low;
  // (2^n - 1) + 2^n fraction, each part without error until the last line.
  const double power = PowerOfTwo(reduced.exponent);
  const DoubleDouble whole = TwoSum(power, -1.0);
  const DoubleDouble sum = TwoSum(whole.high, power * fraction.high);
  return sum.high + (sum.low + (whole.low + power * fraction.low));
}

double Sinh(double x) {
  const double magnitude = Magnitude(x);
  if (x != x || magnitude < kOddIsIdentity) return x;
  if (magnitude > 711.0) return WithSignOf(kInfinity, x);
  return WithSignOf(magnitude <= 0.7 ? SinhSeries(magnitude) : SinhByExponential(magnitude), x);
}

double Asinh(double x) {
  const double magnitude = Magnitude(x);
  if (x != x || magnitude == kInfinity || magnitude < kOddIsIdentity) return x;
  // From 2^28 on, √(x² + 1) is x to more than double precision: log(2 x).
  if (magnitude >= 0x1p28) return WithSignOf(LogReduced({magnitude, 0.0}, 1), x);
  return WithSignOf(LogOnePlus(AsinhArgument(magnitude)), x);
}

}  // namespace segmentation
