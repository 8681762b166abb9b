// The way of many rows from the processes of a parallel query to the aggregate that trains on them: they stay where they were put
// when they were read, and only their place is told.
//
// A parallel worker puts its rows into the shared memory of the query (its dsa_area); the leader's rows are in its own memory
// anyway. Otherwise they would be flattened, sent through a queue of 64 kB, and copied three times on the way. Only the partial states
// of the extension's own aggregates without GROUP BY are told about in this way: there is one for each process, and nothing but
// kmeans_combine above the Gather sees it. Shared memory that was taken over goes back when the state that took it goes, and all
// of it at the end of the query.
//
// A partial state that tells of rows elsewhere:
//   offset size  what
//        0    4  'S' 'G' 'R' 0x01
//        4    4  handle of the parallel query's shared memory
//        8    8  b, the number of blocks
//       16 16 b  of each block: dsa_pointer, number of rows
//                a flat sketch (core/sketch.h) without those rows
// One that lies in the same process:
//        0    4  'S' 'G' 'L' 0x01
//        4    4  0
//        8    8  address of the SketchState
// They exist in memory alone: text and binary input know no such values, and no other function reads them.
//
// PostgreSQL's regime.
#pragma once

#include <string_view>

#include "pg/boundary.h"

namespace segmentation {

// Who may see the state that an aggregate's transition function makes, before it is final.
enum class StateUse {
  kAnyone,
  kLeader,       // kmeans_combine in the leader of the parallel query that this process is a worker of
  kThisProcess,  // kmeans_combine in this process, before what the state was made from is read again
};
StateUse UseOfState(FunctionCallInfo fcinfo);

// Whether this is a call of a combine function that such states may come to.
bool CombinesPartialStates(FunctionCallInfo fcinfo);

// Shared memory of a parallel query.
struct SharedBlock {
  struct dsa_area* area;  // nullptr: none, or no longer
  std::uint64_t at;       // dsa_pointer
  // Where it was taken over from another process:
  struct dsm_segment* segment;
  MemoryContextCallback callback;
};

// Room for `bytes` in the shared memory of the aggregate's query, or nullptr where there is not enough; taken: what the process has
// taken so far.
char* AllocateShared(struct dsa_area* area, std::size_t bytes, std::size_t taken, SharedBlock* block);
void FreeShared(SharedBlock* block);

// A block of rows that another process of the query tells of.
struct SharedRows {
  std::uint64_t at;
  std::uint64_t rows;
};

constexpr std::size_t kSharedListBytes = 16;
constexpr std::size_t kLocalStateBytes = 16;

// Writes the head of a list that `blocks` SharedRows follow; in a worker. Returns where they go.
char* WriteSharedList(std::uint64_t blocks, char* to);

struct SharedList {
  std::uint32_t handle = 0;
  std::uint64_t blocks = 0;
  const char* first = nullptr;  // unaligned
};
// Takes a list off the front of the bytes of a partial state; an empty one where there is none.
SharedList ReadSharedList(std::string_view* bytes);

void WriteLocalState(const void* state, char* to);
// The state that the bytes tell of; nullptr where it is something else.
void* ReadLocalState(std::string_view bytes);

// The query of a list, seen from the aggregate that combines in its leader.
struct SharedQuery {
  struct dsa_area* area;
  struct dsm_segment* segment;
};
SharedQuery FindSharedQuery(FunctionCallInfo fcinfo, const SharedList& list);

// Takes a block over. `block` lies in `context`, with which it goes.
char* TakeShared(const SharedQuery& query, std::uint64_t at, MemoryContext context, SharedBlock* block);

}  // namespace segmentation
