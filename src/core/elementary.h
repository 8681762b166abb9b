// Elementary functions that give the same bits on every machine.
//
// libm's log and exp differ between C libraries, versions and processors, and a model's text must not. These use only
// IEEE 754 double + - * /, the square root (which the standard rounds correctly) and operations on bits, in a fixed
// order; the build must not contract a * b + c to a fused operation (-ffp-contract=off) nor reorder (-ffast-math), and
// rounding must be to nearest, as it always is unless somebody changes it.
//
// Method. Power series whose coefficients are plain reciprocals, on an argument small enough for few terms; the leading
// terms and the argument's reduction are carried as an unevaluated sum of two doubles, so that nearly all of the error is
// the one rounding at the end. No tables, no fitted constants. The sums are those of T. J. Dekker, "A floating-point
// technique for extending the available precision", Numer. Math. 18 (1971) and D. E. Knuth, TAOCP vol. 2, 4.2.2; the
// reductions are textbook (J.-M. Muller, "Elementary Functions: Algorithms and Implementation", 3rd ed. 2016).
//
// Accuracy. Largest error met in 10^8 arguments each (five kinds: random bits, uniform, exponential, around 1, the whole
// range of Exp) against x87 long double, in units in the last place, where 0.5 is perfect:
//
//   Log 0.54   Log1p 0.54   Exp 0.54   Expm1 0.64   Sinh 0.87   Asinh 0.54
//
// and 0.76 where the result of Exp is subnormal, since it is rounded twice. test/unit/elementary_test.cc asserts 0.6, Expm1
// 0.7, Sinh 0.9 and subnormal results 1. They are not proven to be monotone between neighbouring doubles.
//
// A NaN argument gives a NaN. No function sets errno; floating-point exception flags are not part of the contract.
#pragma once

#ifdef POSTGRES_H
#error "core headers come before postgres.h"
#endif

namespace segmentation {

// Natural logarithm. Log(0) = -inf for both zeros, Log(+inf) = +inf, NaN below zero.
double Log(double x);

// log(1 + x), accurate near 0. Log1p(±0) = ±0, Log1p(-1) = -inf, Log1p(+inf) = +inf, NaN below -1.
double Log1p(double x);

// e to the x. Overflows to +inf above 709.78, is subnormal below -708.39 and 0 below -745.13.
double Exp(double x);

// e to the x, minus 1, accurate near 0. Expm1(±0) = ±0, Expm1(-inf) = -1.
double Expm1(double x);

// Hyperbolic sine: odd, Sinh(±0) = ±0, overflows to ±inf beyond 710.47.
double Sinh(double x);

// Inverse hyperbolic sine: odd, Asinh(±0) = ±0, Asinh(±inf) = ±inf. A logarithm for amounts of either sign.
double Asinh(double x);

}  // namespace segmentation
