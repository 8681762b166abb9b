// Where the rows of a sketch state lie: in chunks of its own memory, in shared memory of a parallel query, or in memory of others.
//
// Everything is palloc'd, or goes with the context: nothing has a destructor. PostgreSQL's regime.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pg/boundary.h"
#include "pg/shared_rows.h"

namespace segmentation {

// From this size on memory asks for huge pages: a page fault costs as much as keeping some sixty rows.
constexpr std::size_t kHugeChunkBytes = std::size_t{4} << 20;

// Rows next to each other.
struct RowChunk {
  RowChunk* next;
  std::uint64_t rows;
  std::uint64_t room;  // in rows; only as many as there are where others put them there
  char* data;
  bool foreign;        // others put the rows there
  SharedBlock shared;  // where they lie in shared memory
};

struct RowChunks {
  MemoryContext context;
  struct dsa_area* area;  // for rows that the leader of a parallel query will see; nullptr: none
  RowChunk* first;
  RowChunk* last;  // where the next row goes; chunks after it are empty
};

// Makes the last chunk one with room: the next empty one, or a new one for about `wanted` rows and at most `most`.
void MakeRoomAtEnd(RowChunks* chunks, std::size_t row_bytes, std::uint64_t wanted, std::uint64_t most);

// Puts a full chunk that others have filled before the own ones. Who calls it says where its rows lie.
RowChunk* AddForeignChunk(RowChunks* chunks, std::uint64_t rows);

// Gives back what others have put there and what is shared, and keeps the own memory for other rows. Rows are put into shared memory
// no longer.
void EmptyChunks(RowChunks* chunks);

// Gives the memory of the first chunk back, or of all.
void FreeFirstChunk(RowChunks* chunks);
void FreeChunks(RowChunks* chunks);

// What lies in shared memory.
struct SharedSum {
  std::uint64_t blocks;
  std::uint64_t rows;
};
SharedSum RowsInShared(const RowChunks& chunks);

// Writes `blocks` SharedRows that tell where.
char* WriteSharedRows(const RowChunks& chunks, std::uint64_t blocks, char* to);

}  // namespace segmentation
