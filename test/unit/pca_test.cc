// Principal components: their mathematics, the sums they are made of, and the model as text.
#include "core/pca.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/pca_model.h"
#include "core/pca_sums.h"
#include "eigen_oracle.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::ExpectError;
using test::Matrix;
__extension__ using Quad = __float128;  // 113 bits

// Rows whose columns depend on each other.
Matrix MixedRows(std::size_t n, std::size_t d, std::uint64_t seed, double mean = 0) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Matrix mix(d, std::vector<double>(d));
  for (auto& row : mix) {
    for (double& x : row) x = normal(random);
  }
  Matrix rows;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> row(d, mean);
    for (std::size_t a = 0; a < d; ++a) {
      const double x = normal(random) / static_cast<double>(a + 1);
      for (std::size_t j = 0; j < d; ++j) row[j] += x * mix[a][j];
    }
    rows.push_back(row);
  }
  return rows;
}

// Sums of rows, in memory of their own.
struct Summed {
  explicit Summed(std::size_t columns) : memory(PcaSums::Size(columns)), room(4 * columns), sums(memory.data(), columns) {}
  Summed(const Matrix& rows, const std::vector<double>& weights = {}, std::size_t first = 0, std::size_t last = SIZE_MAX) : Summed(rows.front().size()) {
    for (std::size_t i = first; i < std::min(last, rows.size()); ++i) sums.Add(rows[i].data(), weights.empty() ? 1 : weights[i], room.data());
  }
  Summed(const Summed&) = delete;
  std::vector<double> memory, room;
  PcaSums sums;
};

PcaModel ModelOf(const Summed& summed, const std::string& options = "{}") {
  const Options parsed = ParsePcaOptions(options);
  CheckPcaOptions(parsed, summed.sums.columns());
  return ModelOfSums(summed.sums, parsed, test::kNoInterrupt);
}
PcaModel ModelOf(const Matrix& rows, const std::string& options = "{}", const std::vector<double>& weights = {}) {
  return ModelOf(Summed(rows, weights), options);
}

TEST(ComponentsOf, AreEigenvectorsAsEigenFindsThem) {
  for (std::size_t d : {1u, 2u, 3u, 6u, 13u, 40u}) {
    const std::vector<double> covariance = test::NaiveCovariance(MixedRows(500, d, d));
    const PrincipalComponents found = ComponentsOf(covariance, d, test::kNoInterrupt);
    const test::Eigenpairs expected = test::SolveEigen(covariance, d);
    ASSERT_EQ(found.size(), d);
    for (std::size_t q = 0; q < d; ++q) {
      EXPECT_NEAR(found.variances[q], expected.values[q], 1e-13 * expected.values[0]);
      const double* axis = found.axes.data() + q * d;
      EXPECT_GT(*std::max_element(axis, axis + d, [](double a, double b) { return std::abs(a) < std::abs(b); }), 0);
      double same = 0;
      for (std::size_t j = 0; j < d; ++j) same += axis[j] * expected.vectors[q][j];
      EXPECT_NEAR(std::abs(same), 1, 1e-9) << d << " " << q;
      for (std::size_t p = 0; p <= q; ++p) {
        double dot = 0;
        for (std::size_t j = 0; j < d; ++j) dot += axis[j] * found.axes[p * d + j];
        EXPECT_NEAR(dot, p == q ? 1 : 0, 1e-13);
      }
    }
  }
}

TEST(ComponentsOf, RanksThatLackAndValuesThatRepeat) {
  // Every column twice: half of the variances are 0.
  Matrix rows = MixedRows(300, 4, 1);
  for (auto& row : rows) row.insert(row.end(), {row[0], row[1], row[2], row[3]});
  const PrincipalComponents twice = ComponentsOf(test::NaiveCovariance(rows), 8, test::kNoInterrupt);
  for (std::size_t q = 4; q < 8; ++q) EXPECT_NEAR(twice.variances[q], 0, 1e-14 * twice.variances[0]);
  // The unit matrix is its own answer, and so is nothing at all.
  const PrincipalComponents unit = ComponentsOf({1, 0, 0, 1}, 2, test::kNoInterrupt);
  EXPECT_EQ(unit.axes, (std::vector<double>{1, 0, 0, 1}));
  const PrincipalComponents none = ComponentsOf({0, 0, 0, 0}, 2, test::kNoInterrupt);
  EXPECT_EQ(none.variances, (std::vector<double>{0, 0}));
  EXPECT_EQ(none.axes, (std::vector<double>{1, 0, 0, 1}));
}

TEST(KeepComponents, ByNumberOrByShare) {
  const PrincipalComponents all{{1, 0, 0, 0, 1, 0, 0, 0, 1}, {6, 3, 1}, 10};
  const auto kept = [&](double wanted) {
    PrincipalComponents some = all;
    KeepComponents(wanted, &some);
    EXPECT_EQ(some.axes.size(), 3 * some.size());
    EXPECT_EQ(some.total_variance, 10);
    return some.size();
  };
  EXPECT_EQ(kept(1), 1u);
  EXPECT_EQ(kept(3), 3u);
  EXPECT_EQ(kept(0.01), 1u);
  EXPECT_EQ(kept(0.6), 1u);
  EXPECT_EQ(kept(0.61), 2u);
  EXPECT_EQ(kept(0.9), 2u);
  EXPECT_EQ(kept(0.99), 3u);
  ExpectError(ErrorCode::kInvalidParameter, [&] { kept(4); });
}

TEST(DoubleDouble, ArithmeticHasItsBits) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(-1, 1);
  const auto number = [&] { return TwoSum(std::ldexp(uniform(random), static_cast<int>(random() % 60) - 30), 0x1p-60 * uniform(random)); };
  const auto quad = [](DoubleDouble a) { return static_cast<Quad>(a.high) + a.low; };
  const auto off = [](Quad got, Quad want, Quad magnitude) { return static_cast<double>((got > want ? got - want : want - got) / magnitude); };
  const auto size = [](Quad a) { return a < 0 ? -a : a; };
  for (int i = 0; i < 20'000; ++i) {
    const DoubleDouble a = number();
    const DoubleDouble b = number();
    const Quad x = quad(a);
    const Quad y = quad(b);
    EXPECT_LT(off(quad(a + b), x + y, size(x) + size(y)), 0x1p-103);
    EXPECT_LT(off(quad(a - b), x - y, size(x) + size(y)), 0x1p-103);
    EXPECT_LT(off(quad(a * b), x * y, size(x * y)), 0x1p-100);
    EXPECT_LT(off(quad(a / b), x / y, size(x / y)), 0x1p-98);
    const DoubleDouble exact = TwoProduct(a.high, b.high);
    EXPECT_EQ(static_cast<double>(quad(exact) - static_cast<Quad>(a.high) * b.high), 0);
  }
}

// Means and covariances (over the sum of the weights less 1) in numbers of 113 bits.
void ExpectMoments(const PcaModel& model, const Matrix& rows, const std::vector<double>& weights, double tolerance) {
  const std::size_t d = rows.front().size();
  Quad total = 0;
  std::vector<Quad> mean(d);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Quad w = weights.empty() ? 1 : weights[i];
    total += w;
    for (std::size_t j = 0; j < d; ++j) mean[j] += w * rows[i][j];
  }
  for (std::size_t a = 0; a < d; ++a) {
    EXPECT_EQ(model.center[a], static_cast<double>(mean[a] / total));
    for (std::size_t b = 0; b < d; ++b) {
      Quad sum = 0;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        sum += (weights.empty() ? Quad{1} : Quad{weights[i]}) * (rows[i][a] - mean[a] / total) * (rows[i][b] - mean[b] / total);
      }
      double rebuilt = 0;  // from the model's axes
      for (std::size_t q = 0; q < d; ++q) rebuilt += model.variances[q] * model.axes[q * d + a] * model.axes[q * d + b];
      EXPECT_NEAR(rebuilt, static_cast<double>(sum / (total - 1)), tolerance * model.variances[0]);
    }
  }
}

TEST(PcaSums, AreExactFarFromZeroToo) {
  for (double mean : {0.0, 1e3, 1e6, 1e12}) {
    const Matrix rows = MixedRows(400, 5, 7, mean);
    ExpectMoments(ModelOf(rows), rows, {}, 1e-14);
    std::vector<double> weights = test::RandomWeights(400, 3);
    for (double& w : weights) w *= 0.37;
    ExpectMoments(ModelOf(rows, "{}", weights), rows, weights, 1e-14);
  }
}

TEST(PcaSums, NeitherTheOrderNorTheSplitShows) {
  std::mt19937_64 random(5);
  for (double mean : {0.0, 1e6}) {
    for (bool weighted : {false, true}) {
      Matrix rows = MixedRows(3000, 6, 9, mean);
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i][5] = 0.1;
      std::vector<double> weights(rows.size(), 1.0);
      std::uniform_real_distribution<double> uniform(0.01, 3);
      for (double& w : weights) w = weighted ? uniform(random) : 1;
      for (const char* options : {"{}", R"({"scale":"zscore"})", R"({"scale":"minmax","components":0.9})"}) {
        const std::string expected = EncodePcaModel(ModelOf(rows, options, weights));
        for (int trial = 0; trial < 10; ++trial) {
          std::vector<std::size_t> order(rows.size());
          for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
          std::shuffle(order.begin(), order.end(), random);
          Matrix shuffled;
          std::vector<double> shuffled_weights;
          for (std::size_t i : order) shuffled.push_back(rows[i]), shuffled_weights.push_back(weights[i]);
          Summed merged(6);
          for (std::size_t first = 0; first < rows.size();) {
            const std::size_t last = first + 1 + random() % 1500;
            merged.sums.Merge(Summed(shuffled, shuffled_weights, first, last).sums);
            first = last;
          }
          EXPECT_EQ(EncodePcaModel(ModelOf(merged, options)), expected);
        }
      }
    }
  }
}

TEST(PcaSums, OneOutlierAsTheShiftLosesNothing) {
  Matrix rows = MixedRows(1000, 3, 4);
  rows[0] = {1e9, -1e9, 1e9};
  Matrix last_first(rows.rbegin(), rows.rend());
  EXPECT_EQ(EncodePcaModel(ModelOf(rows)), EncodePcaModel(ModelOf(last_first)));
  ExpectMoments(ModelOf(rows), rows, {}, 1e-14);
}

TEST(PcaSums, WeightsAreRepetitions) {
  const Matrix rows = MixedRows(200, 4, 2);
  const std::vector<double> weights = test::RandomWeights(200, 8);
  PcaModel weighted = ModelOf(rows, "{}", weights);
  const PcaModel repeated = ModelOf(test::Repeated(rows, weights));
  EXPECT_EQ(weighted.rows, 200u);
  weighted.rows = repeated.rows;
  EXPECT_EQ(EncodePcaModel(weighted), EncodePcaModel(repeated));
}

TEST(PcaSums, ScalingIsThatOfTheColumns) {
  const Matrix rows = MixedRows(500, 3, 6, 50);
  for (const char* scale : {"zscore", "minmax"}) {
    const PcaModel model = ModelOf(rows, std::string(R"({"scale":")") + scale + "\"}");
    EXPECT_EQ(model.scaling, scale);
    Matrix scaled = rows;
    for (auto& row : scaled) {
      for (std::size_t j = 0; j < 3; ++j) row[j] = (row[j] - model.offset[j]) / model.scale[j];
    }
    const PcaModel plain = ModelOf(scaled);
    for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(model.axes[i], plain.axes[i], 1e-11);
    for (std::size_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(model.variances[j], plain.variances[j], 1e-12 * plain.variances[0]);
      double low = test::kInf, high = -test::kInf, square = 0;
      for (const auto& row : scaled) low = std::min(low, row[j]), high = std::max(high, row[j]), square += row[j] * row[j] / 500;
      if (model.scaling == "minmax") {
        EXPECT_EQ(low, 0);
        EXPECT_EQ(high, 1);
      } else {
        EXPECT_NEAR(square, 1, 1e-12);
      }
    }
  }
}

TEST(PcaSums, WhatHasNoVarianceIsZero) {
  const PcaModel one = ModelOf(Matrix{{3, 4}}, R"({"scale":"zscore"})");
  EXPECT_EQ(one.variances, (std::vector<double>{0, 0}));
  EXPECT_EQ(one.scale, (std::vector<double>{1, 1}));
  // A constant column, whose value no sum of doubles holds exactly.
  Matrix rows = MixedRows(100, 3, 1);
  for (auto& row : rows) row[1] = 0.1;
  for (const char* options : {"{}", R"({"scale":"zscore"})", R"({"scale":"minmax"})"}) {
    const PcaModel model = ModelOf(rows, options);
    EXPECT_EQ(model.variances[2], 0);
    EXPECT_EQ(model.axes[1], 0);
    EXPECT_EQ(model.axes[4], 0);
    EXPECT_EQ(std::vector<double>(model.axes.begin() + 6, model.axes.end()), (std::vector<double>{0, 1, 0}));
  }
}

TEST(PcaSums, WhatIsTooLargeOrTooLightIsAnError) {
  ExpectError(ErrorCode::kNotFinite, [] { ModelOf(Matrix{{1e200, 1}, {-1e200, 2}}); });
  ExpectError(ErrorCode::kNotFinite, [] { ModelOf(Matrix{{1.7e308, 1}, {-1.7e308, 2}}); });
  ExpectError(ErrorCode::kNotFinite, [] { ModelOf(Matrix{{1}, {2}}, "{}", {1.7e308, 1.7e308}); });
  ExpectError(ErrorCode::kInvalidParameter, [] { ModelOf(Matrix{{1}, {2}}, "{}", {0.5, 0.5}); });
  EXPECT_EQ(ModelOf(Matrix{{1}, {1}}, "{}", {0.5, 0.25}).weight, 0.75);
  EXPECT_EQ(ModelOf(Matrix{{0x1p300}, {0x1.8p301}}).variances[0], 0x1p601);
}

TEST(PcaOptions, OnlyItsOwn) {
  for (const char* text : {R"({"k":2})", R"({"seed":1})", R"({"scale":"robust"})", R"({"scale":1})", R"({"components":0})", R"({"components":1.5})",
                           R"({"components":"all"})", R"({"on_null":"drop"})", R"({"features":[]})", "[]", "1", "{"}) {
    ExpectError(ErrorCode::kInvalidParameter, [&] { ParsePcaOptions(text); }, text);
  }
  ExpectError(ErrorCode::kInvalidParameter, [] { CheckPcaOptions(ParsePcaOptions(R"({"components":3})"), 2); });
  ExpectError(ErrorCode::kDimensionMismatch, [] { CheckPcaOptions(ParsePcaOptions(R"({"features":["a"]})"), 2); });
  ExpectError(ErrorCode::kLimit, [] { CheckPcaOptions({}, kMaxPcaColumns + 1); });
  EXPECT_NO_THROW(CheckPcaOptions({}, kMaxPcaColumns));
}

TEST(PcaModel, TextIsCanonicalAndHostileTextIsAnErrorOrAModel) {
  const std::string text = EncodePcaModel(ModelOf(MixedRows(50, 3, 3, 2), R"({"scale":"zscore","features":["a","ü\"","c"],"components":2})"));
  EXPECT_EQ(text.rfind("{\"format\":1,", 0), 0u);
  EXPECT_EQ(EncodePcaModel(DecodePcaModel(text, ErrorCode::kInvalidText)), text);
  std::mt19937_64 random(2);
  int read = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = text;
    for (std::size_t n = 1 + random() % 3; n > 0; --n) {
      const std::size_t at = random() % damaged.size();
      switch (random() % 3) {
        case 0: damaged[at] = static_cast<char>(random() % 256); break;
        case 1: damaged.erase(at, 1 + random() % 9); break;
        default: damaged.insert(at, damaged.substr(random() % damaged.size(), random() % 9));
      }
    }
    try {
      const std::string again = EncodePcaModel(DecodePcaModel(damaged, ErrorCode::kInvalidText));
      EXPECT_EQ(EncodePcaModel(DecodePcaModel(again, ErrorCode::kInvalidText)), again);
      ++read;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidText) << error.message() << error.detail();
    }
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace segmentation
