#include "pg/flat_state.h"

#include <algorithm>
#include <cstring>

namespace segmentation {
namespace {

// With the header of the varlena a power of two, as palloc's chunks are. The groups of a table often grow in step, and then nobody
// uses the chunks that they have grown out of: a state grows fourfold, so that those are a third of what there is and not half.
constexpr std::size_t kFirstBytes = 512;
constexpr std::size_t kGrowth = 4;

std::size_t RoundedUp(std::size_t bytes) {
  std::size_t rounded = kFirstBytes;
  while (rounded < bytes) rounded *= 2;
  return rounded;
}

void Reread(FlatState* state) {
  CallCore([&] { state->view = ReadTrustedSketch({VARDATA(state->value), VARSIZE(state->value) - VARHDRSZ}); });
}

}  // namespace

bool ReadFlatState(Datum value, FlatState* state) {
  auto* pointer = reinterpret_cast<struct varlena*>(DatumGetPointer(value));
  if (VARATT_IS_EXTENDED(pointer) || VARSIZE(pointer) > kMaxFlatBytes) return false;
  state->value = pointer;
  Reread(state);
  return state->view.header.cells == 0 && state->view.header.dimensions > 0;
}

FlatState NewFlatState(const SketchHeader& shape, std::int32_t k, std::string_view options) {
  FlatState state;
  const std::size_t prefix = kSketchHeaderBytes + shape.fit_bytes;
  const std::size_t bytes = RoundedUp(VARHDRSZ + prefix + 2 * shape.RowBytes());
  state.value = static_cast<struct varlena*>(palloc0(bytes));
  SET_VARSIZE(state.value, bytes);
  SketchHeader header = shape;
  header.rows = 0;
  header.has_room = true;
  WriteSketchPrefix(header, k, options, VARDATA(state.value));
  Reread(&state);
  return state;
}

bool ReserveFlat(FlatState* state, std::size_t bytes) {
  const SketchHeader& header = state->view.header;
  if (header.capacity > 0 && header.rows >= header.capacity) return false;
  if (likely(header.has_room && state->room() >= bytes)) return true;
  const std::size_t least = RoundedUp(VARHDRSZ + state->view.bytes + bytes);
  if (least > kMaxFlatBytes) return false;
  const std::size_t size = std::min(std::max<std::size_t>(least, kGrowth * VARSIZE(state->value)), kMaxFlatBytes);
  auto* copy = static_cast<struct varlena*>(palloc0(size));
  SET_VARSIZE(copy, size);
  SketchHeader with_room = header;
  with_room.has_room = true;
  char* to = WriteSketchPrefix(with_room, state->view.k, state->view.options, VARDATA(copy));
  memcpy(to, state->view.rows, header.rows * header.RowBytes());
  state->value = copy;
  Reread(state);
  return true;
}

void AppendFlatRow(FlatState* state, const RowRules& rules, const FeatureArray& features, const double* weight, bool weight_is_null) {
  if (weight != nullptr) {
    const WeightUse use = CheckWeight(rules, *weight, weight_is_null);
    if (use == WeightUse::kSkip) AddToSketchHeader(0, 1, VARDATA(state->value));
    if (use != WeightUse::kUse) return;
  }
  const SketchHeader& header = state->view.header;
  char* to = VARDATA(state->value) + state->view.bytes;
  if (unlikely(!CopyFinite(rules, features, to))) {
    memset(to, 0, header.RowBytes());
    AddToSketchHeader(0, 1, VARDATA(state->value));
    return;
  }
  const double kept = weight != nullptr ? *weight : 1;
  if (header.weighted) memcpy(to + static_cast<std::size_t>(features.length) * sizeof kept, &kept, sizeof kept);
  AddToSketchHeader(1, 0, VARDATA(state->value));
}

bool AppendFlatRows(FlatState* state, const SketchView& other) {
  const SketchHeader& header = state->view.header;
  if (other.header.cells > 0 || other.header.dimensions != header.dimensions || other.header.weighted != header.weighted) return false;
  if (header.capacity > 0 && other.header.rows > header.capacity - std::min(header.capacity, header.rows)) return false;
  const std::size_t bytes = other.header.rows * header.RowBytes();
  if (bytes > kMaxFlatBytes || !ReserveFlat(state, bytes)) return false;
  memcpy(VARDATA(state->value) + state->view.bytes, other.rows, bytes);
  AddToSketchHeader(other.header.rows, other.header.skipped, VARDATA(state->value));
  return true;
}

}  // namespace segmentation
