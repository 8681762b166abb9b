// Sketches that hold cells: the flat form, and what is refused in it.
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "core/compress.h"
#include "core/sketch.h"
#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::ExpectError;

constexpr std::size_t kD = 3;
constexpr std::size_t kCellsAt = 40;
constexpr std::size_t kCellRowsAt = 48;
constexpr std::size_t kRows = 2;
constexpr std::size_t kSection = kSketchHeaderBytes + kRows * kD * sizeof(double);

// 500 rows behind 20 cells, and two rows beside them.
std::string Made(bool weighted) {
  const auto rows = test::Blobs(500, kD, 4, 1);
  const test::OwnedRows owned(rows, weighted ? std::vector<double>(500, 0.3) : std::vector<double>());
  const CompressedRows cells = Compress(owned.set(), 20, std::vector<double>(kD, 1.0), {});
  SketchHeader header;
  header.weighted = weighted;
  header.dimensions = kD;
  header.rows = weighted ? 0 : kRows;
  header.cells = cells.cells;
  header.cell_rows = cells.rows;
  std::string bytes(SketchBytes(header), '\0');
  char* at = WriteSketchPrefix(header, 0, {}, bytes.data());
  for (std::size_t i = 0; i < header.rows * kD; ++i) {
    std::memcpy(at, &rows[i / kD][i % kD], sizeof(double));
    at += sizeof(double);
  }
  std::memcpy(at, cells.values.data(), cells.values.size() * sizeof(double));
  SortCells(header, at);
  EXPECT_EQ(at + header.CellSectionBytes(), bytes.data() + bytes.size());
  return bytes;
}

template <typename T>
std::string With(std::string bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

double NumberAt(const std::string& bytes, std::size_t at) {
  double value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

void ExpectInvalid(const std::string& bytes, const std::string& what) {
  ExpectError(
      ErrorCode::kInvalidBinary, [&] { ReadSketch(bytes, ErrorCode::kInvalidBinary); }, what);
}

TEST(SketchCells, ReadsBackWhatWasWritten) {
  for (bool weighted : {false, true}) {
    const std::string bytes = "x" + Made(weighted);  // no alignment assumed
    const SketchView view = ReadSketch(std::string_view(bytes).substr(1), ErrorCode::kInvalidBinary);
    const RowSet set = RowsOf(view);
    EXPECT_EQ(set.cell_count, 20u);
    EXPECT_EQ(set.cell_rows, 500u);
    EXPECT_EQ(set.rows, weighted ? 0u : kRows);
    double weight = 0;
    for (std::size_t c = 0; c < 20; ++c) {
      weight += NumberAt(bytes, static_cast<std::size_t>(set.cells - bytes.data()) + 2 * kD * 8 + c * set.CellBytes());
    }
    EXPECT_NEAR(weight, weighted ? 150 : 500, 1e-9);
  }
}

TEST(SketchCells, EqualSummariesAreEqualBytes) {
  const std::string bytes = Made(false);
  SketchHeader header = ReadSketch(bytes, ErrorCode::kInvalidBinary).header;
  std::string other = bytes;
  const std::size_t cell = header.CellBytes();
  const std::size_t first = kSection + header.BoundsBytes();
  for (std::size_t c = 0; c < 20; ++c) std::memcpy(other.data() + first + c * cell, bytes.data() + first + (19 - c) * cell, cell);
  EXPECT_NE(other, bytes);
  SortCells(header, other.data() + kSection);
  EXPECT_EQ(other, bytes);
}

TEST(SketchCells, TruncatedOrLongerIsAnError) {
  for (bool weighted : {false, true}) {
    const std::string bytes = Made(weighted);
    for (std::size_t size = 0; size < bytes.size(); ++size) ExpectInvalid(bytes.substr(0, size), "truncated");
    for (std::size_t more : {1u, 8u, 24u, 56u}) ExpectInvalid(bytes + std::string(more, '\0'), "longer");
  }
}

TEST(SketchCells, HostileCountsAreErrors) {
  const std::string bytes = Made(false);
  for (std::uint64_t cells : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{19}, std::uint64_t{21}, std::uint64_t{1} << 61,
                              (std::uint64_t{1} << 61) + 20, UINT64_MAX, UINT64_MAX / 56}) {
    ExpectInvalid(With(bytes, kCellsAt, cells), "cells");
  }
  for (std::uint64_t rows : {std::uint64_t{0}, std::uint64_t{19}, std::uint64_t{499}, std::uint64_t{501}, kMaxCellRows, UINT64_MAX}) {
    ExpectInvalid(With(bytes, kCellRowsAt, rows), "rows behind cells");
  }
  ExpectInvalid(With(bytes, 8, std::uint32_t{0}), "no dimensions");
  ExpectInvalid(With(With(bytes, 8, std::uint32_t{0}), 24, std::uint64_t{0}), "no dimensions, no rows");
  SketchHeader header;
  header.dimensions = kD;
  header.cells = UINT64_MAX / 3;
  ExpectError(ErrorCode::kLimit, [&] { SketchBytes(header); });
  header.cells = (std::uint64_t{1} << 30) / header.CellBytes();
  ExpectError(ErrorCode::kLimit, [&] { SketchBytes(header); });
}

TEST(SketchCells, EveryNumberIsChecked) {
  const std::string bytes = Made(false);
  for (std::size_t at = kSection; at < bytes.size(); at += sizeof(double)) {
    for (double bad : {test::kNaN, test::kInf, -test::kInf, -0.0}) ExpectInvalid(With(bytes, at, bad), "number " + std::to_string(at));
  }
  const std::size_t cell = kSection + 2 * kD * sizeof(double);
  for (double bad : {0.0, -1.0, 0.5, 1e15}) ExpectInvalid(With(bytes, cell, bad), "weight");
  for (std::size_t j = 0; j < kD; ++j) {
    const double low = NumberAt(bytes, kSection + j * 8);
    const double high = NumberAt(bytes, kSection + (kD + j) * 8);
    ExpectInvalid(With(bytes, kSection + j * 8, std::nextafter(high, 1e9)), "minimum above maximum");
    ExpectInvalid(With(bytes, cell + (1 + j) * 8, std::nextafter(low, -1e9)), "mean below the minimum");
    ExpectInvalid(With(bytes, cell + (1 + j) * 8, std::nextafter(high, 1e9)), "mean above the maximum");
    ExpectInvalid(With(bytes, cell + (1 + kD + j) * 8, -1e-300), "negative sum of squares");
  }
}

TEST(SketchCells, RoomAtTheEndIsForMemoryOnly) {
  const std::string bytes = With(Made(false), 4, std::uint32_t{4}) + std::string(100, '\0');
  ExpectInvalid(bytes, "room");
  const SketchView view = ReadTrustedSketch(bytes);
  EXPECT_TRUE(view.header.has_room);
  EXPECT_EQ(view.bytes, bytes.size() - 100);
  ExpectError(ErrorCode::kInternal, [&] { ReadTrustedSketch(bytes.substr(0, bytes.size() - 101)); });
}

TEST(SketchCells, DamagedBytesAreReadOrRefused) {
  test::Random random(9);
  const std::string bytes = Made(false);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = bytes;
    for (std::size_t hits = 1 + random.Below(3); hits > 0; --hits) {
      damaged[random.Below(i % 2 == 0 ? kSketchHeaderBytes : damaged.size())] = static_cast<char>(random.Bits());
    }
    try {
      const SketchView view = ReadSketch(damaged, ErrorCode::kInvalidBinary);
      EXPECT_LE(view.cells == nullptr ? view.rows : view.cells + view.header.CellSectionBytes(), damaged.data() + damaged.size());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidBinary);
    }
  }
}

}  // namespace
}  // namespace segmentation
