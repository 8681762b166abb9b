#include "pg/shared_rows.h"

#include <sys/statvfs.h>

#include <cstring>

#include "pg/pg_compat.h"

extern "C" Datum segmentation_kmeans_combine(PG_FUNCTION_ARGS);

namespace segmentation {
namespace {

constexpr char kListMagic[4] = {'S', 'G', 'R', 1};
constexpr char kLocalMagic[4] = {'S', 'G', 'L', 1};
constexpr char kPosixSharedMemory[] = "/dev/shm";

bool Begins(std::string_view bytes, const char* magic, std::size_t least) {
  return bytes.size() >= least && memcmp(bytes.data(), magic, sizeof kListMagic) == 0;
}

bool IsOurCombine(Oid aggregate) {
  HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
  if (!HeapTupleIsValid(tuple)) return false;
  const Oid combine = reinterpret_cast<Form_pg_aggregate>(GETSTRUCT(tuple))->aggcombinefn;
  ReleaseSysCache(tuple);
  if (!OidIsValid(combine)) return false;
  FmgrInfo function;
  fmgr_info(combine, &function);
  return function.fn_addr == segmentation_kmeans_combine;
}

// More shared memory than the system has would be an error, and not one that can be caught. Others ask at the same time, and the
// server takes it in segments that double in size.
bool HasSharedMemory(std::size_t bytes) {
  constexpr double kMargin = 8;
  struct statvfs system;
  if (dynamic_shared_memory_type != DSM_IMPL_POSIX || statvfs(kPosixSharedMemory, &system) != 0) return false;
  return static_cast<double>(system.f_bavail) * static_cast<double>(system.f_frsize) > kMargin * static_cast<double>(bytes);
}

struct QuerySearch {
  dsm_handle handle;
  SharedQuery found;
};

bool FindQuery(PlanState* node, void* context) {
  auto* search = static_cast<QuerySearch*>(context);
  const ParallelExecutorInfo* query = nullptr;
  if (IsA(node, GatherState)) query = reinterpret_cast<GatherState*>(node)->pei;
  if (IsA(node, GatherMergeState)) query = reinterpret_cast<GatherMergeState*>(node)->pei;
  if (query != nullptr && query->pcxt->seg != nullptr && dsm_segment_handle(query->pcxt->seg) == search->handle) {
    search->found = {query->area, query->pcxt->seg};
    return true;
  }
  return WalkPlanStates(node, FindQuery, context);
}

void ForgetBlock(dsm_segment*, Datum block) { reinterpret_cast<SharedBlock*>(DatumGetPointer(block))->area = nullptr; }

void FreeBlock(void* block) { FreeShared(static_cast<SharedBlock*>(block)); }

}  // namespace

StateUse UseOfState(FunctionCallInfo fcinfo) {
  if (fcinfo->context == nullptr || !IsA(fcinfo->context, AggState)) return StateUse::kAnyone;
  const auto* node = reinterpret_cast<AggState*>(fcinfo->context);
  const bool partial = DO_AGGSPLIT_SKIPFINAL(node->aggsplit) && !DO_AGGSPLIT_COMBINE(node->aggsplit);
  const Aggref* aggregate = AggGetAggref(fcinfo);
  if (!partial || node->aggstrategy != AGG_PLAIN || aggregate == nullptr || !IsOurCombine(aggregate->aggfnoid)) return StateUse::kAnyone;
  return IsParallelWorker() ? StateUse::kLeader : StateUse::kThisProcess;
}

char* AllocateShared(dsa_area* area, std::size_t bytes, std::size_t taken, SharedBlock* block) {
  if (!HasSharedMemory(taken + bytes)) return nullptr;
  const dsa_pointer at = dsa_allocate_extended(area, bytes, DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
  if (!DsaPointerIsValid(at)) return nullptr;
  *block = {area, at, nullptr, {}};
  return static_cast<char*>(dsa_get_address(area, at));
}

void FreeShared(SharedBlock* block) {
  if (block->area == nullptr) return;
  if (block->query != nullptr) cancel_on_dsm_detach(block->query, ForgetBlock, PointerGetDatum(block));
  dsa_free(block->area, block->at);
  block->area = nullptr;
}

char* WriteSharedList(std::uint64_t blocks, char* to) {
  const std::uint32_t query = DatumGetUInt32(MyBgworkerEntry->bgw_main_arg);
  memcpy(to, kListMagic, sizeof kListMagic);
  memcpy(to + 4, &query, sizeof query);
  memcpy(to + 8, &blocks, sizeof blocks);
  return to + kSharedListBytes;
}

SharedList ReadSharedList(std::string_view* bytes) {
  SharedList list;
  if (!Begins(*bytes, kListMagic, kSharedListBytes)) return list;
  memcpy(&list.query, bytes->data() + 4, sizeof list.query);
  memcpy(&list.blocks, bytes->data() + 8, sizeof list.blocks);
  list.first = bytes->data() + kSharedListBytes;
  bytes->remove_prefix(kSharedListBytes + list.blocks * sizeof(SharedRows));
  return list;
}

void WriteLocalState(const void* state, char* to) {
  memset(to, 0, kLocalStateBytes);
  memcpy(to, kLocalMagic, sizeof kLocalMagic);
  memcpy(to + 8, &state, sizeof state);
}

void* ReadLocalState(std::string_view bytes) {
  void* state = nullptr;
  if (Begins(bytes, kLocalMagic, kLocalStateBytes)) memcpy(&state, bytes.data() + 8, sizeof state);
  return state;
}

SharedQuery FindSharedQuery(FunctionCallInfo fcinfo, const SharedList& list) {
  QuerySearch search = {list.query, {}};
  if (fcinfo->context != nullptr && IsA(fcinfo->context, AggState)) {
    FindQuery(reinterpret_cast<PlanState*>(fcinfo->context), &search);
  }
  if (search.found.area == nullptr) elog(ERROR, "rows of a parallel worker are combined outside of its query");
  return search.found;
}

char* TakeShared(const SharedQuery& query, std::uint64_t at, MemoryContext context, SharedBlock* block) {
  *block = {query.area, at, query.segment, {FreeBlock, block, nullptr}};
  on_dsm_detach(query.segment, ForgetBlock, PointerGetDatum(block));
  MemoryContextRegisterResetCallback(context, &block->callback);
  return static_cast<char*>(dsa_get_address(query.area, at));
}

}  // namespace segmentation
