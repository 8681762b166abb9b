#include "core/sketch.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/rows.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::ExpectError;

// Where the fields lie: sketch.h, "Format 1".
enum Offset : std::size_t {
  kMagicAt = 0,
  kFlagsAt = 4,
  kDimensionsAt = 8,
  kFitBytesAt = 12,
  kCapacityAt = 16,
  kRowsAt = 24,
  kSkippedAt = 32,
};

struct Made {
  std::string bytes;
  SketchHeader header;
};

Made MakeSketch(const test::Matrix& rows, const std::vector<double>& weights, bool has_fit,
                const std::string& options = "{}") {
  Made made;
  made.header.weighted = !weights.empty();
  made.header.has_fit = has_fit;
  made.header.dimensions = rows.empty() ? 0 : static_cast<std::uint32_t>(rows.front().size());
  made.header.fit_bytes = has_fit ? static_cast<std::uint32_t>(4 + options.size()) : 0;
  made.header.rows = rows.size();
  made.header.skipped = 7;
  made.bytes.resize(SketchBytes(made.header));
  char* at = WriteSketchPrefix(made.header, 3, options, made.bytes.data());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(at, rows[i].data(), rows[i].size() * sizeof(double));
    at += rows[i].size() * sizeof(double);
    if (!weights.empty()) std::memcpy(at, &weights[i], sizeof(double));
    if (!weights.empty()) at += sizeof(double);
  }
  EXPECT_EQ(at, made.bytes.data() + made.bytes.size());
  return made;
}

template <typename T>
std::string With(std::string bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

void ExpectInvalid(const std::string& bytes, const char* what) {
  ExpectError(
      ErrorCode::kInvalidBinary, [&] { ReadSketch(bytes, ErrorCode::kInvalidBinary); }, what);
}

TEST(Sketch, ReadsBackWhatWasWritten) {
  for (bool weighted : {false, true}) {
    for (bool has_fit : {false, true}) {
      for (std::size_t n : {0u, 1u, 5u}) {
        const auto rows = test::UniformRows(n, 3, n);
        const auto weights = weighted && n > 0 ? test::RandomWeights(n, 1) : std::vector<double>();
        const Made made = MakeSketch(rows, weights, has_fit, R"({"seed":1})");
        const std::string shifted = "x" + made.bytes;  // no alignment assumed
        const SketchView view = ReadSketch(std::string_view(shifted).substr(1), ErrorCode::kInvalidText);
        EXPECT_EQ(view.header.rows, n);
        EXPECT_EQ(view.header.skipped, 7u);
        EXPECT_EQ(view.header.has_fit, has_fit);
        EXPECT_EQ(view.k, has_fit ? 3 : 0);
        EXPECT_EQ(view.options, has_fit ? R"({"seed":1})" : "");
        for (std::size_t i = 0; i < n; ++i) {
          EXPECT_EQ(std::memcmp(view.rows + i * view.header.RowBytes(), rows[i].data(), 3 * sizeof(double)), 0);
        }
        EXPECT_EQ(ReadTrustedSketch(made.bytes).header.rows, n);
      }
    }
  }
}

TEST(Sketch, RowSetSeesTheRows) {
  const Made made = MakeSketch(test::UniformRows(5, 3, 1), test::RandomWeights(5, 1), true);
  const RowSet set = RowsOf(ReadSketch(made.bytes, ErrorCode::kInvalidText));
  EXPECT_EQ(set.rows, 5u);
  EXPECT_EQ(set.dimensions, 3u);
  EXPECT_TRUE(set.weighted);
  EXPECT_EQ(set.skipped, 7u);
  ASSERT_EQ(set.blocks.size(), 1u);
  EXPECT_TRUE(RowsOf(ReadSketch(MakeSketch({}, {}, false).bytes, ErrorCode::kInvalidText)).blocks.empty());
}

TEST(Sketch, TruncatedOrLongerIsAnError) {
  for (bool has_fit : {false, true}) {
    const Made made = MakeSketch(test::UniformRows(4, 2, 1), {}, has_fit);
    for (std::size_t size = 0; size < made.bytes.size(); ++size) {
      ExpectInvalid(made.bytes.substr(0, size), "truncated");
      ExpectError(ErrorCode::kInternal, [&] { ReadTrustedSketch(made.bytes.substr(0, size)); });
    }
    for (std::size_t more = 1; more < 64; ++more) ExpectInvalid(made.bytes + std::string(more, '\0'), "longer");
  }
}

TEST(Sketch, HostileHeadersAreErrors) {
  const std::string bytes = MakeSketch(test::UniformRows(4, 2, 1), {}, true).bytes;
  for (std::size_t i = 0; i < 4; ++i) ExpectInvalid(With(bytes, kMagicAt + i, '\x7f'), "magic");
  for (std::uint32_t flags : {0u, 1u, 3u, 4u, 6u, 0x80000002u, 0xFFFFFFFFu}) {
    ExpectInvalid(With(bytes, kFlagsAt, flags), "flags");
  }
  for (std::uint32_t dimensions :
       {0u, 1u, 3u, 5u, static_cast<std::uint32_t>(kMaxDimensions) + 1, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
    ExpectInvalid(With(bytes, kDimensionsAt, dimensions), "dimensions");
  }
  for (std::uint32_t fit : {0u, 1u, 3u, 5u, 7u, 1000u, 0xFFFFFFFFu, 0xFFFFFFC8u}) {
    ExpectInvalid(With(bytes, kFitBytesAt, fit), "fit bytes");
  }
  for (std::uint64_t capacity : {1u, 3u}) ExpectInvalid(With(bytes, kCapacityAt, capacity), "capacity below the rows");
}

TEST(Sketch, CountsThatOverflowAreErrors) {
  const std::string bytes = MakeSketch(test::UniformRows(4, 2, 1), {}, false).bytes;
  // 4 + 2^60: times 16 bytes a row that is 4 rows again in 64 bits.
  for (std::uint64_t rows : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{5}, (std::uint64_t{1} << 60) + 4,
                             std::uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 3}) {
    ExpectInvalid(With(bytes, kRowsAt, rows), "rows");
  }
  const std::string empty = MakeSketch({}, {}, false).bytes;
  ExpectInvalid(With(empty, kRowsAt, std::uint64_t{1}), "rows without dimensions");
  EXPECT_EQ(ReadSketch(With(empty, kSkippedAt, UINT64_MAX), ErrorCode::kInvalidText).header.skipped, UINT64_MAX);
}

TEST(Sketch, RowsMustBeWhatTransitionsStore) {
  for (double bad : {test::kNaN, test::kInf, -test::kInf, -0.0}) {
    for (std::size_t i = 0; i < 4 * 2; ++i) {
      const std::string bytes = MakeSketch(test::UniformRows(4, 2, 1), {}, false).bytes;
      ExpectInvalid(With(bytes, kSketchHeaderBytes + i * sizeof(double), bad), "row");
      EXPECT_NO_THROW(ReadTrustedSketch(With(bytes, kSketchHeaderBytes + i * sizeof(double), bad)));
    }
  }
}

TEST(Sketch, WeightsMustBePositive) {
  const std::string bytes = MakeSketch(test::UniformRows(4, 2, 1), test::RandomWeights(4, 1), false).bytes;
  for (double bad : {test::kNaN, test::kInf, -0.0, 0.0, -1.0}) {
    for (std::size_t row = 0; row < 4; ++row) {
      ExpectInvalid(With(bytes, kSketchHeaderBytes + (row * 3 + 2) * sizeof(double), bad), "weight");
    }
  }
}

TEST(Sketch, DamagedBytesAreReadOrRefused) {
  test::Random random(9);
  const std::string bytes = MakeSketch(test::UniformRows(3, 2, 1), test::RandomWeights(3, 1), true).bytes;
  int refused = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string damaged = bytes;
    for (std::size_t hits = 1 + random.Below(3); hits > 0; --hits) {
      damaged[random.Below(damaged.size())] = static_cast<char>(random.Bits());
    }
    try {
      const SketchView view = ReadSketch(damaged, ErrorCode::kInvalidBinary);
      EXPECT_LE(view.rows + view.header.rows * view.header.RowBytes(), damaged.data() + damaged.size());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidBinary);
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(SketchBytes, StopsAtTheSizeOfADatum) {
  SketchHeader header;
  header.dimensions = 2;
  header.rows = (std::uint64_t{1} << 30) / 16;  // 1 GB of rows: beyond MaxAllocSize, which is one byte less
  ExpectError(ErrorCode::kLimit, [&] { SketchBytes(header); });
  header.rows = UINT64_MAX / 8;
  ExpectError(ErrorCode::kLimit, [&] { SketchBytes(header); });
  header.rows = (std::uint64_t{1} << 30) / 16 - 100;
  EXPECT_EQ(SketchBytes(header), kSketchHeaderBytes + header.rows * 16);
}

}  // namespace
}  // namespace segmentation
