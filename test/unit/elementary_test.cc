// The oracle is libm in long double, which has 11 bits more than a result needs; where long double is double, the
// comparisons are skipped. Everything else holds everywhere.
#include "core/elementary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/random.h"

namespace segmentation {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kSmallest = std::numeric_limits<double>::denorm_min();

struct Function {
  const char* name;
  double (*ours)(double);
  long double (*oracle)(long double);
  double bound;            // in units in the last place
  double lowest, highest;  // where it is finite and interesting
};

const Function kFunctions[] = {
    {"Log", Log, [](long double x) { return std::log(x); }, 0.6, 0.0, 20.0},
    {"Log1p", Log1p, [](long double x) { return std::log1p(x); }, 0.6, -1.0, 10.0},
    {"Exp", Exp, [](long double x) { return std::exp(x); }, 0.6, -708.0, 709.7},
    {"Expm1", Expm1, [](long double x) { return std::expm1(x); }, 0.7, -40.0, 60.0},
    {"Sinh", Sinh, [](long double x) { return std::sinh(x); }, 0.9, -45.0, 45.0},
    {"Asinh", Asinh, [](long double x) { return std::asinh(x); }, 0.6, -10.0, 10.0},
};

std::string FunctionName(const testing::TestParamInfo<Function>& info) {
  return info.param.name;
}

// How far `got` is from `expected`, in units in the last place of a double at `expected`.
double UlpError(double got, long double expected) {
  if (std::isnan(expected) || std::isnan(got)) return std::isnan(expected) && std::isnan(got) ? 0.0 : kInf;
  const double nearest = static_cast<double>(expected);
  if (std::isinf(nearest) || std::isinf(got) || expected == 0) return nearest == got ? 0.0 : kInf;
  const int exponent = std::max(std::ilogb(expected), DBL_MIN_EXP - 1) - (DBL_MANT_DIG - 1);
  return static_cast<double>(std::fabs(std::scalbn(static_cast<long double>(got) - expected, -exponent)));
}

// Four kinds of argument: any bits, uniform, any size near 0, around the places where the reductions change.
std::vector<double> RandomArguments(const Function& function, int count) {
  std::mt19937_64 random(20240731);
  const auto uniform = [&random] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  std::vector<double> arguments;
  for (int i = 0; i < count; ++i) {
    arguments.push_back(std::bit_cast<double>(random()));
    arguments.push_back(function.lowest + (function.highest - function.lowest) * uniform());
    arguments.push_back(std::scalbn(uniform() * 2 - 1, -static_cast<int>(random() % 60)));
    arguments.push_back((std::round(uniform() * 40 - 20) * 0.5 * M_LN2) + (uniform() - 0.5) * 0x1p-10);
  }
  return arguments;
}

std::vector<double> SpecialArguments() {
  std::vector<double> arguments = {
      0.0,     kSmallest, DBL_MIN,     DBL_MIN / 2, DBL_EPSILON, DBL_EPSILON / 2,  0x1p-28,          0x1p-54,
      0.7,     M_SQRT2,   M_SQRT1_2,   1.0,         M_LN2,       M_LN2 / 2,        0x1p28,           0x1p53,
      0x1p60,  DBL_MAX,   DBL_MAX / 2, kInf,        kNaN,        709.782712893384, 710.475860073943, 745.1332,
      708.396, 37.42,     40.0,        45.0,        M_SQRT2 - 1, 1 - M_SQRT1_2};
  const std::size_t count = arguments.size();
  for (std::size_t i = 0; i < count; ++i) {
    arguments.push_back(std::nextafter(arguments[i], kInf));
    arguments.push_back(std::nextafter(arguments[i], -kInf));
  }
  const std::size_t positive = arguments.size();
  for (std::size_t i = 0; i < positive; ++i) arguments.push_back(-arguments[i]);
  return arguments;
}

class ElementaryTest : public testing::TestWithParam<Function> {
 protected:
  // Compares with the oracle; a subnormal result is rounded twice and may be one unit off.
  static void ExpectCloseToOracle(const std::vector<double>& arguments) {
    if (LDBL_MANT_DIG < 64) GTEST_SKIP() << "long double is not longer than double";
    const Function& function = GetParam();
    double worst = 0.0;
    for (const double x : arguments) {
      const long double expected = function.oracle(x);
      const double error = UlpError(function.ours(x), expected);
      const bool subnormal = std::fabs(expected) < static_cast<long double>(DBL_MIN);
      ASSERT_LE(error, subnormal ? 1.0 : function.bound) << function.name << "(" << std::hexfloat << x << ")";
      if (!subnormal) worst = std::max(worst, error);
    }
    RecordProperty("worst_ulp", std::to_string(worst));
  }
};

TEST_P(ElementaryTest, RandomArgumentsAreCloseToOracle) {
  ExpectCloseToOracle(RandomArguments(GetParam(), 200'000));
}

TEST_P(ElementaryTest, SpecialArgumentsAreCloseToOracle) {
  ExpectCloseToOracle(SpecialArguments());
}

TEST_P(ElementaryTest, NeverDecreases) {
  const Function& function = GetParam();
  std::vector<double> arguments = RandomArguments(function, 20'000);
  std::erase_if(arguments, [&](double x) { return !(x >= function.lowest); });
  std::sort(arguments.begin(), arguments.end());
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    ASSERT_LE(function.ours(arguments[i - 1]), function.ours(arguments[i])) << std::hexfloat << arguments[i];
  }
}

TEST_P(ElementaryTest, NotANumberStaysNotANumber) {
  EXPECT_TRUE(std::isnan(GetParam().ours(kNaN)));
  EXPECT_TRUE(std::isnan(GetParam().ours(-kNaN)));
}

INSTANTIATE_TEST_SUITE_P(All, ElementaryTest, testing::ValuesIn(kFunctions), FunctionName);

// Equal as bits, so that -0 is not 0.
void ExpectSameBits(double got, double expected) {
  EXPECT_EQ(std::bit_cast<std::uint64_t>(got), std::bit_cast<std::uint64_t>(expected)) << got << " and " << expected;
}

TEST(ElementaryExact, Zeros) {
  ExpectSameBits(Log(1.0), 0.0);
  ExpectSameBits(Exp(0.0), 1.0);
  ExpectSameBits(Exp(-0.0), 1.0);
  for (const auto function : {Log1p, Expm1, Sinh, Asinh}) {
    ExpectSameBits(function(0.0), 0.0);
    ExpectSameBits(function(-0.0), -0.0);
    ExpectSameBits(function(kSmallest), kSmallest);
    ExpectSameBits(function(-kSmallest), -kSmallest);
  }
}

TEST(ElementaryExact, EndsOfTheRange) {
  ExpectSameBits(Log(0.0), -kInf);
  ExpectSameBits(Log(-0.0), -kInf);
  ExpectSameBits(Log(kInf), kInf);
  ExpectSameBits(Log1p(-1.0), -kInf);
  ExpectSameBits(Log1p(kInf), kInf);
  ExpectSameBits(Exp(kInf), kInf);
  ExpectSameBits(Exp(-kInf), 0.0);
  ExpectSameBits(Expm1(kInf), kInf);
  ExpectSameBits(Expm1(-kInf), -1.0);
  ExpectSameBits(Sinh(kInf), kInf);
  ExpectSameBits(Sinh(-kInf), -kInf);
  ExpectSameBits(Asinh(kInf), kInf);
  ExpectSameBits(Asinh(-kInf), -kInf);
  for (const double x : {-kSmallest, -1.0, -DBL_MAX, -kInf}) EXPECT_TRUE(std::isnan(Log(x))) << x;
  for (const double x : {std::nextafter(-1.0, -2.0), -2.0, -DBL_MAX, -kInf}) EXPECT_TRUE(std::isnan(Log1p(x))) << x;
}

TEST(ElementaryExact, OverflowsAndUnderflowsWhereTheResultDoes) {
  EXPECT_TRUE(std::isfinite(Exp(0x1.62e42fefa39efp+9)));
  ExpectSameBits(Exp(0x1.62e42fefa39f0p+9), kInf);
  EXPECT_TRUE(std::isfinite(Expm1(0x1.62e42fefa39efp+9)));
  ExpectSameBits(Expm1(0x1.62e42fefa39f0p+9), kInf);
  EXPECT_TRUE(std::isfinite(Sinh(0x1.633ce8fb9f87dp+9)));
  ExpectSameBits(Sinh(0x1.633ce8fb9f87ep+9), kInf);
  ExpectSameBits(Exp(-745.0), kSmallest);
  ExpectSameBits(Exp(-745.2), 0.0);
  ExpectSameBits(Log(kSmallest), -0x1.74385446d71c3p+9);
  ExpectSameBits(Log(DBL_MAX), 0x1.62e42fefa39efp+9);
}

// Constants of mathematics, correctly rounded.
TEST(ElementaryExact, KnownConstants) {
  ExpectSameBits(Exp(1.0), 0x1.5bf0a8b145769p+1);
  ExpectSameBits(Exp(-1.0), 0x1.78b56362cef38p-2);
  ExpectSameBits(Expm1(1.0), 0x1.b7e151628aed3p+0);
  ExpectSameBits(Log(2.0), 0x1.62e42fefa39efp-1);
  ExpectSameBits(Log(0.5), -0x1.62e42fefa39efp-1);
  ExpectSameBits(Log(10.0), 0x1.26bb1bbb55516p+1);
  ExpectSameBits(Log1p(1.0), 0x1.62e42fefa39efp-1);
  ExpectSameBits(Sinh(1.0), 0x1.2cd9fc44eb982p+0);
  ExpectSameBits(Asinh(1.0), 0x1.c34366179d427p-1);
}

TEST(ElementaryProperty, SinhAndAsinhAreOdd) {
  for (const double x : RandomArguments(kFunctions[5], 20'000)) {
    if (std::isnan(x)) continue;
    ExpectSameBits(Sinh(-x), -Sinh(x));
    ExpectSameBits(Asinh(-x), -Asinh(x));
  }
}

// The inverse magnifies the error of the first function by its condition number, which the bounds contain.
TEST(ElementaryProperty, InversesUndo) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200'000; ++i) {
    const double size = std::scalbn(static_cast<double>(random() >> 11) * 0x1p-53, -static_cast<int>(random() % 40));
    const double x = random() % 2 == 0 ? size : -size;
    ASSERT_NEAR(Log1p(Expm1(x)), x, 4 * DBL_EPSILON * size);
    ASSERT_NEAR(Expm1(Log1p(0.9 * x)), 0.9 * x, 8 * DBL_EPSILON * size);
    ASSERT_NEAR(Log1p(Expm1(600 * size)), 600 * size, 4 * DBL_EPSILON * 600 * size);
    ASSERT_NEAR(Log(Exp(600 * x)), 600 * x, 2 * DBL_EPSILON * (1 + 600 * size));
    const double amount = 1e6 * x;
    ASSERT_NEAR(Sinh(Asinh(amount)), amount, (2 + Asinh(1e6 * size)) * DBL_EPSILON * 1e6 * size);
    ASSERT_NEAR(Asinh(Sinh(600 * x)), 600 * x, 4 * DBL_EPSILON * 600 * size);
  }
}

TEST(ElementaryProperty, LogOfPowersOfTwo) {
  for (int exponent = -1074; exponent <= 1023; ++exponent) {
    ASSERT_DOUBLE_EQ(Log(std::scalbn(1.0, exponent)), exponent * M_LN2) << exponent;
  }
}

// Every bit of many results, as one number: whatever compiler, flags or machine change one bit change it. Computed here
// first (Debian 12, x86-64); a change of it is a change of how every model trained with a transform scores.
TEST(ElementaryProperty, SameBitsEverywhere) {
  const CounterRandom random(1, 2);
  std::uint64_t hash = 0xCBF29CE484222325;
  for (std::uint32_t which = 0; which < std::size(kFunctions); ++which) {
    const Function& function = kFunctions[which];
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const double uniform = function.lowest + (function.highest - function.lowest) * random.Uniform(which, i);
      const double any = std::bit_cast<double>(random.Bits(which + 100, i));
      for (const double x : {uniform, any}) {
        const double y = function.ours(x);
        // Which NaN comes out is not part of the contract.
        if (y == y) hash = (hash ^ std::bit_cast<std::uint64_t>(y)) * 0x100000001B3;
      }
    }
  }
  EXPECT_EQ(hash, std::uint64_t{2351369350951582416U});
}

}  // namespace
}  // namespace segmentation
