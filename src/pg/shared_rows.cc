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

// Whether the aggregate is one of the extension that the transition function belongs to, so that nobody can give it another combine
// function meanwhile, and is combined by kmeans_combine.
bool IsOurs(Oid aggregate, Oid transition) {
  const Oid extension = getExtensionOfObject(ProcedureRelationId, transition);
  if (!OidIsValid(extension) || getExtensionOfObject(ProcedureRelationId, aggregate) != extension) return false;
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
// server takes it in segments that double in size. taken: by this process, of which there are several.
bool HasSharedMemory(std::size_t taken) {
  constexpr double kMargin = 4;
  struct statvfs system;
  if (dynamic_shared_memory_type != DSM_IMPL_POSIX || statvfs(kPosixSharedMemory, &system) != 0) return false;
  const int workers = Max(ParallelWorkerNumber + 1, max_parallel_workers_per_gather);
  return static_cast<double>(system.f_bavail) * static_cast<double>(system.f_frsize) > kMargin * workers * static_cast<double>(taken);
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
  // Without the memory of a parallel query it is not one, but somebody who wants partial states for himself.
  if (node->ss.ps.state->es_query_dsa == nullptr || node->aggstrategy != AGG_PLAIN) return StateUse::kAnyone;
  if (!DO_AGGSPLIT_SKIPFINAL(node->aggsplit) || DO_AGGSPLIT_COMBINE(node->aggsplit)) return StateUse::kAnyone;
  // A worker may also run a whole plan with partial aggregates inside, again and again.
  if (IsParallelWorker() && node->ss.ps.plan != node->ss.ps.state->es_plannedstmt->planTree) return StateUse::kAnyone;
  const Aggref* aggregate = AggGetAggref(fcinfo);
  if (aggregate == nullptr || !IsOurs(aggregate->aggfnoid, fcinfo->flinfo->fn_oid)) return StateUse::kAnyone;
  return IsParallelWorker() ? StateUse::kLeader : StateUse::kThisProcess;
}

bool CombinesPartialStates(FunctionCallInfo fcinfo) {
  return fcinfo->context != nullptr && IsA(fcinfo->context, AggState) &&
         DO_AGGSPLIT_COMBINE(reinterpret_cast<AggState*>(fcinfo->context)->aggsplit);
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
  if (block->segment != nullptr) cancel_on_dsm_detach(block->segment, ForgetBlock, PointerGetDatum(block));
  dsa_free(block->area, block->at);
  block->area = nullptr;
}

char* WriteSharedList(std::uint64_t blocks, char* to) {
  const std::uint32_t handle = DatumGetUInt32(MyBgworkerEntry->bgw_main_arg);
  memcpy(to, kListMagic, sizeof kListMagic);
  memcpy(to + 4, &handle, sizeof handle);
  memcpy(to + 8, &blocks, sizeof blocks);
  return to + kSharedListBytes;
}

SharedList ReadSharedList(std::string_view* bytes) {
  SharedList list;
  if (!Begins(*bytes, kListMagic, kSharedListBytes)) return list;
  memcpy(&list.handle, bytes->data() + 4, sizeof list.handle);
  memcpy(&list.blocks, bytes->data() + 8, sizeof list.blocks);
  if (list.blocks > (bytes->size() - kSharedListBytes) / sizeof(SharedRows)) elog(ERROR, "partial state of a parallel worker is cut off");
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
  QuerySearch search = {list.handle, {}};
  FindQuery(reinterpret_cast<PlanState*>(fcinfo->context), &search);
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
