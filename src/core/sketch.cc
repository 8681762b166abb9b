#include "core/sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/options.h"

namespace segmentation {
namespace {

static_assert(std::endian::native == std::endian::little, "the sketch is little-endian; port this file first");

constexpr char kMagic[4] = {'S', 'G', 'K', 1};
constexpr std::uint32_t kWeightedFlag = 1;
constexpr std::uint32_t kFitFlag = 2;
constexpr std::uint32_t kRoomFlag = 4;
constexpr std::size_t kMaxSketchBytes = 0x3FFFFFFF - 64;  // PostgreSQL's limit of one datum, less its own header

template <typename T>
T Get(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
void Put(char* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

void Require(bool ok, ErrorCode code, const char* detail) {
  if (!ok) throw Error(code, "invalid input for kmeans_sketch", detail);
}

SketchView ReadShape(std::string_view bytes, std::uint32_t known_flags, ErrorCode code) {
  Require(bytes.size() >= kSketchHeaderBytes, code, "It is shorter than its header.");
  const char* at = bytes.data();
  Require(std::memcmp(at, kMagic, sizeof kMagic) == 0, code, "It does not start with the mark of a sketch of format 1.");
  SketchView view;
  const auto flags = Get<std::uint32_t>(at + 4);
  Require((flags & ~known_flags) == 0, code, "It has flags that format 1 does not know.");
  SketchHeader& header = view.header;
  header.weighted = (flags & kWeightedFlag) != 0;
  header.has_fit = (flags & kFitFlag) != 0;
  header.has_room = (flags & kRoomFlag) != 0;
  header.dimensions = Get<std::uint32_t>(at + 8);
  header.fit_bytes = Get<std::uint32_t>(at + 12);
  header.capacity = Get<std::uint64_t>(at + 16);
  header.rows = Get<std::uint64_t>(at + 24);
  header.skipped = Get<std::uint64_t>(at + 32);
  header.cells = Get<std::uint64_t>(at + 40);
  header.cell_rows = Get<std::uint64_t>(at + 48);
  Require(header.dimensions <= kMaxDimensions, code, "It has too many dimensions.");
  Require(header.dimensions > 0 || header.rows == 0, code, "It has rows without dimensions.");
  Require(header.has_fit ? header.fit_bytes >= 4 : header.fit_bytes == 0, code, "Its fit section has a wrong size.");
  Require(header.fit_bytes <= bytes.size() - kSketchHeaderBytes, code, "It is shorter than its fit section.");
  Require(header.dimensions > 0 || header.cells == 0, code, "It has cells without dimensions.");
  Require(header.cells > 0 || header.cell_rows == 0, code, "It has rows behind cells, and no cells.");
  Require(header.cell_rows >= header.cells, code, "It has more cells than rows behind them.");
  Require(header.cell_rows < kMaxCellRows, code, "It has too many rows behind its cells.");
  const std::size_t body = bytes.size() - kSketchHeaderBytes - header.fit_bytes;
  // Each number by itself first: their products would overflow.
  Require(header.rows == 0 || header.rows <= body / header.RowBytes(), code, "Its size does not fit its number of rows.");
  Require(header.cells == 0 || header.cells <= body / header.CellBytes(), code, "Its size does not fit its number of cells.");
  const std::size_t row_bytes = header.rows == 0 ? 0 : header.rows * header.RowBytes();
  const std::size_t used = row_bytes + header.CellSectionBytes();
  Require(header.has_room ? used <= body : used == body, code, "Its size does not fit its number of rows and cells.");
  view.bytes = bytes.size() - (body - used);
  Require(header.capacity == 0 || header.rows <= header.capacity, code, "It has more rows than its capacity.");
  at += kSketchHeaderBytes;
  if (header.has_fit) {
    view.k = Get<std::int32_t>(at);
    view.options = std::string_view(at + 4, header.fit_bytes - 4);
  }
  view.rows = at + header.fit_bytes;
  if (header.cells > 0) view.cells = view.rows + row_bytes;
  return view;
}

void RequireNumber(double value, ErrorCode code) {
  Require(std::isfinite(value), code, "It holds a number that is not finite.");
  Require(value != 0 || !std::signbit(value), code, "It holds a negative zero, which is written as 0.");
}

void CheckRows(const SketchView& view, ErrorCode code, const Interrupt& interrupt) {
  const std::size_t width = view.header.RowBytes() / sizeof(double);
  const char* at = view.rows;
  for (std::uint64_t row = 0; row < view.header.rows; ++row) {
    interrupt.Poll();
    for (std::size_t j = 0; j < width; ++j, at += sizeof(double)) {
      const auto value = Get<double>(at);
      RequireNumber(value, code);
      Require(!view.header.weighted || j + 1 < width || value > 0, code, "A row has a weight that is not positive.");
    }
  }
}

// Means need no allowance for rounding: whoever makes cells clamps them to the bounds.
void CheckCells(const SketchView& view, ErrorCode code, const Interrupt& interrupt) {
  const std::size_t dimensions = view.header.dimensions;
  const char* const high = view.cells + dimensions * sizeof(double);
  for (std::size_t j = 0; j < dimensions; ++j) {
    RequireNumber(Get<double>(view.cells + j * sizeof(double)), code);
    RequireNumber(Get<double>(high + j * sizeof(double)), code);
    Require(Get<double>(view.cells + j * sizeof(double)) <= Get<double>(high + j * sizeof(double)), code,
            "A minimum is above its maximum.");
  }
  constexpr double kExact = 0x1p53;  // up to here sums of whole numbers are exact
  double total = 0;
  const char* at = view.cells + view.header.BoundsBytes();
  for (std::uint64_t cell = 0; cell < view.header.cells; ++cell) {
    interrupt.Poll();
    const auto weight = Get<double>(at);
    RequireNumber(weight, code);
    Require(weight > 0, code, "A cell has a weight that is not positive.");
    Require(view.header.weighted || weight == std::floor(weight), code, "A cell holds a part of a row.");
    total += weight;
    at += sizeof(double);
    for (std::size_t j = 0; j < 2 * dimensions; ++j, at += sizeof(double)) {
      const auto value = Get<double>(at);
      RequireNumber(value, code);
      if (j >= dimensions) {
        Require(value >= 0, code, "A cell has a negative sum of squares.");
      } else {
        Require(value >= Get<double>(view.cells + j * sizeof(double)) && value <= Get<double>(high + j * sizeof(double)), code,
                "The mean of a cell is outside of the bounds.");
      }
    }
  }
  Require(std::isfinite(total), code, "The weights of its cells are too large.");
  Require(view.header.weighted || total >= kExact || total == static_cast<double>(view.header.cell_rows), code,
          "Its cells do not hold the number of rows that it says.");
}

}  // namespace

std::size_t SketchBytes(const SketchHeader& header) {
  std::size_t room = kMaxSketchBytes - std::min<std::size_t>(kMaxSketchBytes, kSketchHeaderBytes + header.fit_bytes);
  const bool cells_fit = header.cells == 0 || header.cells < room / header.CellBytes();
  if (cells_fit) room -= std::min(room, header.CellSectionBytes());
  if (!cells_fit || (header.rows > 0 && header.rows > room / header.RowBytes())) {
    throw Error(ErrorCode::kLimit, "sketch is too large",
                std::to_string(header.rows) + " rows of " + std::to_string(header.RowBytes()) + " bytes and " +
                    std::to_string(header.cells) + " cells do not fit into one value.");
  }
  return kSketchHeaderBytes + header.fit_bytes + header.rows * header.RowBytes() + header.CellSectionBytes();
}

char* WriteSketchPrefix(const SketchHeader& header, std::int32_t k, std::string_view options, char* to) {
  std::memset(to, 0, kSketchHeaderBytes);
  std::memcpy(to, kMagic, sizeof kMagic);
  Put<std::uint32_t>(to + 4, (header.weighted ? kWeightedFlag : 0) | (header.has_fit ? kFitFlag : 0) | (header.has_room ? kRoomFlag : 0));
  Put(to + 8, header.dimensions);
  Put(to + 12, header.fit_bytes);
  Put(to + 16, header.capacity);
  Put(to + 24, header.rows);
  Put(to + 32, header.skipped);
  Put(to + 40, header.cells);
  Put(to + 48, header.cell_rows);
  to += kSketchHeaderBytes;
  if (header.has_fit) {
    Put(to, k);
    if (!options.empty()) std::memcpy(to + 4, options.data(), options.size());
  }
  return to + header.fit_bytes;
}

void AddToSketchHeader(std::uint64_t rows, std::uint64_t skipped, char* sketch) {
  Put(sketch + 24, Get<std::uint64_t>(sketch + 24) + rows);
  Put(sketch + 32, Get<std::uint64_t>(sketch + 32) + skipped);
}

void ClearSketchRoom(char* sketch) { Put(sketch + 4, Get<std::uint32_t>(sketch + 4) & ~kRoomFlag); }

void SortCells(const SketchHeader& header, char* section) {
  const std::size_t cell_bytes = header.CellBytes();
  const std::string from(section + header.BoundsBytes(), header.cells * cell_bytes);
  std::vector<const char*> order;
  for (std::uint64_t i = 0; i < header.cells; ++i) order.push_back(from.data() + i * cell_bytes);
  std::sort(order.begin(), order.end(), [&](const char* a, const char* b) { return std::memcmp(a, b, cell_bytes) < 0; });
  char* to = section + header.BoundsBytes();
  for (const char* cell : order) {
    std::memcpy(to, cell, cell_bytes);
    to += cell_bytes;
  }
}

SketchView ReadSketch(std::string_view bytes, ErrorCode code, const Interrupt& interrupt) {
  const SketchView view = ReadShape(bytes, kWeightedFlag | kFitFlag, code);
  CheckRows(view, code, interrupt);
  if (view.header.cells > 0) CheckCells(view, code, interrupt);
  return view;
}

SketchView ReadTrustedSketch(std::string_view bytes) { return ReadShape(bytes, kWeightedFlag | kFitFlag | kRoomFlag, ErrorCode::kInternal); }

}  // namespace segmentation
