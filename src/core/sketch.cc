#include "core/sketch.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "core/options.h"

namespace segmentation {
namespace {

static_assert(std::endian::native == std::endian::little, "the sketch is little-endian; port this file first");

constexpr char kMagic[4] = {'S', 'G', 'K', 1};
constexpr std::uint32_t kWeightedFlag = 1;
constexpr std::uint32_t kFitFlag = 2;
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

SketchView ReadShape(std::string_view bytes, ErrorCode code) {
  Require(bytes.size() >= kSketchHeaderBytes, code, "It is shorter than its header.");
  const char* at = bytes.data();
  Require(std::memcmp(at, kMagic, sizeof kMagic) == 0, code, "It does not start with the mark of a sketch of format 1.");
  SketchView view;
  const auto flags = Get<std::uint32_t>(at + 4);
  Require((flags & ~(kWeightedFlag | kFitFlag)) == 0, code, "It has flags that format 1 does not know.");
  SketchHeader& header = view.header;
  header.weighted = (flags & kWeightedFlag) != 0;
  header.has_fit = (flags & kFitFlag) != 0;
  header.dimensions = Get<std::uint32_t>(at + 8);
  header.fit_bytes = Get<std::uint32_t>(at + 12);
  header.capacity = Get<std::uint64_t>(at + 16);
  header.rows = Get<std::uint64_t>(at + 24);
  header.skipped = Get<std::uint64_t>(at + 32);
  if (Get<std::uint64_t>(at + 40) != 0 || Get<std::uint64_t>(at + 48) != 0) {
    throw Error(ErrorCode::kNotSupported, "sketch holds cluster features, which this version cannot read");
  }
  Require(header.dimensions <= kMaxDimensions, code, "It has too many dimensions.");
  Require(header.dimensions > 0 || header.rows == 0, code, "It has rows without dimensions.");
  Require(header.has_fit ? header.fit_bytes >= 4 : header.fit_bytes == 0, code, "Its fit section has a wrong size.");
  Require(header.fit_bytes <= bytes.size() - kSketchHeaderBytes, code, "It is shorter than its fit section.");
  const std::size_t row_bytes = bytes.size() - kSketchHeaderBytes - header.fit_bytes;
  if (header.rows == 0) {
    Require(row_bytes == 0, code, "It is longer than its header says.");
  } else {
    Require(row_bytes / header.RowBytes() == header.rows && row_bytes % header.RowBytes() == 0, code,
            "Its size does not fit its number of rows.");
  }
  Require(header.capacity == 0 || header.rows <= header.capacity, code, "It has more rows than its capacity.");
  at += kSketchHeaderBytes;
  if (header.has_fit) {
    view.k = Get<std::int32_t>(at);
    view.options = std::string_view(at + 4, header.fit_bytes - 4);
  }
  view.rows = at + header.fit_bytes;
  return view;
}

}  // namespace

std::size_t SketchBytes(const SketchHeader& header) {
  const std::size_t prefix = kSketchHeaderBytes + header.fit_bytes;
  if (header.rows > 0 && (prefix > kMaxSketchBytes || header.rows > (kMaxSketchBytes - prefix) / header.RowBytes())) {
    throw Error(ErrorCode::kLimit, "sketch is too large",
                std::to_string(header.rows) + " rows of " + std::to_string(header.RowBytes()) + " bytes do not fit into one value.");
  }
  return prefix + header.rows * header.RowBytes();
}

char* WriteSketchPrefix(const SketchHeader& header, std::int32_t k, std::string_view options, char* to) {
  std::memset(to, 0, kSketchHeaderBytes);
  std::memcpy(to, kMagic, sizeof kMagic);
  Put<std::uint32_t>(to + 4, (header.weighted ? kWeightedFlag : 0) | (header.has_fit ? kFitFlag : 0));
  Put(to + 8, header.dimensions);
  Put(to + 12, header.fit_bytes);
  Put(to + 16, header.capacity);
  Put(to + 24, header.rows);
  Put(to + 32, header.skipped);
  to += kSketchHeaderBytes;
  if (header.has_fit) {
    Put(to, k);
    if (!options.empty()) std::memcpy(to + 4, options.data(), options.size());
  }
  return to + header.fit_bytes;
}

SketchView ReadSketch(std::string_view bytes, ErrorCode code, const Interrupt& interrupt) {
  const SketchView view = ReadShape(bytes, code);
  const std::size_t width = view.header.RowBytes() / sizeof(double);
  const char* at = view.rows;
  for (std::uint64_t row = 0; row < view.header.rows; ++row) {
    interrupt.Poll();
    for (std::size_t j = 0; j < width; ++j, at += sizeof(double)) {
      const auto value = Get<double>(at);
      Require(std::isfinite(value), code, "A row holds a number that is not finite.");
      Require(value != 0 || !std::signbit(value), code, "A row holds a negative zero, which is written as 0.");
      Require(!view.header.weighted || j + 1 < width || value > 0, code, "A row has a weight that is not positive.");
    }
  }
  return view;
}

SketchView ReadTrustedSketch(std::string_view bytes) { return ReadShape(bytes, ErrorCode::kInternal); }

}  // namespace segmentation
