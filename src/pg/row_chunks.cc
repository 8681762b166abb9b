#include "pg/row_chunks.h"

#include <algorithm>
#include <cstring>

#include "core/tiles.h"

namespace segmentation {
namespace {

constexpr std::size_t kFirstChunkBytes = 2048;
constexpr std::size_t kLargestChunkBytes = std::size_t{16} << 20;
// Chunks in shared memory: fewer rows go through the tuple queue as fast, and larger ones leave much of their segments empty.
constexpr std::size_t kLeastSharedBytes = std::size_t{1} << 20;
constexpr std::size_t kLargestSharedBytes = std::size_t{4} << 20;

// Rows begin at a cache line, so that one of 64 bytes lies in one.
constexpr std::size_t kRowAlign = 64;
char* AlignRows(char* at) {
  return reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(at) + kRowAlign - 1) / kRowAlign * kRowAlign);
}

RowChunk* SharedChunk(const RowChunks& chunks, std::size_t row_bytes, std::size_t bytes) {
  SharedBlock block;
  char* data = AllocateShared(chunks.area, bytes, RowsInShared(chunks).rows * row_bytes, &block);
  if (data == nullptr) return nullptr;
  auto* chunk = static_cast<RowChunk*>(MemoryContextAllocZero(chunks.context, sizeof(RowChunk)));
  chunk->data = data;
  chunk->shared = block;
  return chunk;
}

RowChunk* PrivateChunk(const RowChunks& chunks, std::size_t bytes) {
  const std::size_t all = sizeof(RowChunk) + kRowAlign + bytes;
  auto* chunk = static_cast<RowChunk*>(MemoryContextAllocHuge(chunks.context, all));
  if (all >= kHugeChunkBytes) AdviseHugePages(chunk, all);
  *chunk = {};
  chunk->data = AlignRows(reinterpret_cast<char*>(chunk + 1));
  return chunk;
}

bool IsPrivate(const RowChunk* chunk) { return !chunk->foreign && chunk->shared.area == nullptr; }

void FreeChunk(RowChunk* chunk) {
  if (chunk->shared.area != nullptr) {
    FreeShared(&chunk->shared);  // the context still knows of it
  } else if (!chunk->foreign) {
    pfree(chunk);
  }
}

}  // namespace

void MakeRoomAtEnd(RowChunks* chunks, std::size_t row_bytes, std::uint64_t wanted, std::uint64_t most) {
  RowChunk* last = chunks->last;
  if (last != nullptr && last->next != nullptr) {
    chunks->last = last->next;
    return;
  }
  const std::size_t largest = chunks->area == nullptr ? kLargestChunkBytes : kLargestSharedBytes;
  const std::size_t usual = last == nullptr ? kFirstChunkBytes : std::min(largest, 2 * last->room * row_bytes);
  wanted = std::max<std::uint64_t>(usual / row_bytes, std::min<std::uint64_t>(wanted, largest / row_bytes));
  const std::uint64_t room = std::clamp<std::uint64_t>(wanted, 1, most);
  RowChunk* chunk = nullptr;
  if (chunks->area != nullptr && room * row_bytes >= kLeastSharedBytes) chunk = SharedChunk(*chunks, row_bytes, room * row_bytes);
  if (chunk == nullptr) chunk = PrivateChunk(*chunks, room * row_bytes);
  chunk->room = room;
  (last == nullptr ? chunks->first : last->next) = chunk;
  chunks->last = chunk;
}

RowChunk* AddForeignChunk(RowChunks* chunks, std::uint64_t rows) {
  auto* chunk = static_cast<RowChunk*>(MemoryContextAllocZero(chunks->context, sizeof(RowChunk)));
  chunk->foreign = true;
  chunk->rows = chunk->room = rows;
  chunk->next = chunks->first;
  chunks->first = chunk;
  if (chunks->last == nullptr) chunks->last = chunk;
  return chunk;
}

void EmptyChunks(RowChunks* chunks) {
  RowChunk* chunk = chunks->first;
  chunks->area = nullptr;
  chunks->first = nullptr;
  RowChunk** to = &chunks->first;
  for (RowChunk* next; chunk != nullptr; chunk = next) {
    next = chunk->next;
    if (!IsPrivate(chunk)) {
      FreeChunk(chunk);
      continue;
    }
    chunk->rows = 0;
    chunk->next = nullptr;
    *to = chunk;
    to = &chunk->next;
  }
  chunks->last = chunks->first;
}

void FreeFirstChunk(RowChunks* chunks) {
  RowChunk* chunk = chunks->first;
  chunks->first = chunk->next;
  if (chunks->first == nullptr) chunks->last = nullptr;
  FreeChunk(chunk);
}

void FreeChunks(RowChunks* chunks) {
  while (chunks->first != nullptr) FreeFirstChunk(chunks);
}

SharedSum RowsInShared(const RowChunks& chunks) {
  SharedSum sum = {};
  if (chunks.area == nullptr) return sum;
  for (const RowChunk* chunk = chunks.first; chunk != nullptr; chunk = chunk->next) {
    if (chunk->shared.area == nullptr || chunk->rows == 0) continue;
    ++sum.blocks;
    sum.rows += chunk->rows;
  }
  return sum;
}

char* WriteSharedRows(const RowChunks& chunks, std::uint64_t blocks, char* to) {
  to = WriteSharedList(blocks, to);
  for (const RowChunk* chunk = chunks.first; chunk != nullptr; chunk = chunk->next) {
    if (chunk->shared.area == nullptr || chunk->rows == 0) continue;
    const SharedRows rows = {chunk->shared.at, chunk->rows};
    memcpy(to, &rows, sizeof rows);
    to += sizeof rows;
  }
  return to;
}

}  // namespace segmentation
