#include "pg/scorer_cache.h"

#include <cstring>

#include "pg/call_site.h"
#include "pg/registry_lookup.h"

namespace segmentation {
namespace {

// What one call site keeps at most, so that a query over many models does not grow the backend.
constexpr int kMaxModels = 64;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

// Models by name, for as long as the registry is as it was.
constexpr int kMaxNames = 16;
struct NamedModel {
  char name[NAMEDATALEN];
  int bytes;
  CachedModel* model;
};
struct NamedModels {
  SnapshotMark mark;
  int count;
  NamedModel last;  // the one used last
  NamedModel models[kMaxNames];
};

struct ModelCache {
  MemoryContext context;  // the call site's
  std::uint64_t clock;
  bool constant;  // the model is a literal: after the first row there is nothing to recognise
  int count;
  std::size_t bytes;
  CachedModel* last;
  NamedModels* named;  // where the argument is a name
  CachedModel* models[kMaxModels];
};

ModelCache* NewCache(FunctionCallInfo fcinfo, int argument) {
  auto* cache = static_cast<ModelCache*>(MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ModelCache)));
  cache->context = fcinfo->flinfo->fn_mcxt;
  if (TakesName(fcinfo, argument)) {
    cache->named = static_cast<NamedModels*>(MemoryContextAllocZero(cache->context, sizeof(NamedModels)));
  } else {
    cache->constant = IsLiteral(fcinfo, argument);
  }
  fcinfo->flinfo->fn_extra = cache;
  return cache;
}

CachedModel* Find(const ModelCache* cache, const char* key, std::size_t bytes) {
  for (int i = 0; i < cache->count; ++i) {
    CachedModel* model = cache->models[i];
    if (model->key_bytes == bytes && memcmp(model->key, key, bytes) == 0) return model;
  }
  return nullptr;
}

// Parses and compiles a model, in a context of its own.
CachedModel* Load(ModelCache* cache, struct varlena* value, const char* key, std::size_t bytes) {
  // Below the current context until all has gone well, so that an error leaves nothing behind.
  MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "kmeans model", ALLOCSET_SMALL_SIZES);
  MemoryContext outer = MemoryContextSwitchTo(context);
  auto* model = static_cast<CachedModel*>(palloc0(sizeof(CachedModel)));
  model->context = context;
  memcpy(model->key, key, bytes);
  model->key_bytes = bytes;
  MemoryContextSwitchTo(outer);
  auto* detoasted = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PointerGetDatum(value)));
  MemoryContextSwitchTo(context);
  model->fingerprint = ModelFingerprint(detoasted);
  CallCore([&] {
    const std::vector<double> block = CompileScorer(ReadModelValue(detoasted));
    auto* copy = static_cast<double*>(Allocate(block.size() * sizeof(double)));
    std::memcpy(copy, block.data(), block.size() * sizeof(double));
    model->block = copy;
    model->block_bytes = block.size() * sizeof(double);
  });
  model->scratch = static_cast<double*>(palloc(model->scorer().scratch() * sizeof(double)));
  model->values = static_cast<double*>(palloc(model->scorer().inputs() * sizeof(double)));
  MemoryContextSwitchTo(outer);
  MemoryContextSetParent(context, cache->context);
  return model;
}

void DropOldest(ModelCache* cache) {
  CachedModel** oldest = &cache->models[0];
  for (int i = 1; i < cache->count; ++i) {
    if (cache->models[i]->last_used < (*oldest)->last_used) oldest = &cache->models[i];
  }
  if (cache->last == *oldest) cache->last = nullptr;
  if (cache->named != nullptr) cache->named->count = cache->named->last.bytes = 0;
  cache->bytes -= (*oldest)->block_bytes;
  MemoryContextDelete((*oldest)->context);
  *oldest = cache->models[--cache->count];
}

void Keep(ModelCache* cache, CachedModel* model) {
  while (cache->count == kMaxModels || (cache->count > 0 && cache->bytes + model->block_bytes > kMaxBytes)) DropOldest(cache);
  cache->models[cache->count++] = model;
  cache->bytes += model->block_bytes;
}

// The model of that content, parsed if it is not there yet.
CachedModel* FindOrLoad(ModelCache* cache, struct varlena* value, const char* key, std::size_t bytes) {
  CachedModel* model = Find(cache, key, bytes);
  if (model == nullptr) {
    model = Load(cache, value, key, bytes);
    Keep(cache, model);
  }
  return model;
}

bool HasName(const NamedModel& named, const char* name, int bytes) {
  return named.bytes == bytes && memcmp(named.name, name, static_cast<std::size_t>(bytes)) == 0;
}

// A version that is still the active one under a new snapshot is not parsed again.
CachedModel* LoadNamed(ModelCache* cache, const char* name, int bytes) {
  NamedModels* named = cache->named;
  for (int i = 0; i < named->count; ++i) {
    if (HasName(named->models[i], name, bytes)) {
      named->last = named->models[i];
      return named->last.model;
    }
  }
  struct varlena* value = LookUpModel(pnstrdup(name, static_cast<Size>(bytes)));
  char key[sizeof(CachedModel::key)];
  const std::size_t key_bytes = MakeContentKey(value, key);
  CachedModel* model = FindOrLoad(cache, value, key, key_bytes);
  pfree(value);
  if (bytes >= NAMEDATALEN) return model;
  NamedModel entry{};
  memcpy(entry.name, name, static_cast<std::size_t>(bytes));
  entry.bytes = bytes;
  entry.model = model;
  if (named->count == kMaxNames) named->count = 0;
  named->models[named->count++] = entry;
  named->last = entry;
  return model;
}

CachedModel* NamedModelOf(FunctionCallInfo fcinfo, ModelCache* cache, int argument) {
  const SnapshotMark mark = CurrentMark();
  if (unlikely(!SameMark(mark, cache->named->mark))) {
    cache->named->count = cache->named->last.bytes = 0;
    cache->named->mark = mark;
  }
  const struct varlena* value = PG_GETARG_VARLENA_PP(argument);
  const char* name = VARDATA_ANY(value);
  const int bytes = static_cast<int>(VARSIZE_ANY_EXHDR(value));
  CachedModel* model = likely(bytes > 0 && HasName(cache->named->last, name, bytes)) ? cache->named->last.model : LoadNamed(cache, name, bytes);
  model->last_used = ++cache->clock;
  return model;
}

}  // namespace

CachedModel* CachedModelOf(FunctionCallInfo fcinfo, int argument) {
  auto* cache = static_cast<ModelCache*>(fcinfo->flinfo->fn_extra);
  if (unlikely(cache == nullptr)) cache = NewCache(fcinfo, argument);
  if (likely(cache->constant && cache->last != nullptr)) return cache->last;
  if (cache->named != nullptr) return NamedModelOf(fcinfo, cache, argument);
  auto* value = reinterpret_cast<struct varlena*>(PG_GETARG_POINTER(argument));
  char key[sizeof(CachedModel::key)];
  const std::size_t bytes = MakeValueKey(value, key);
  CachedModel* model = cache->last;
  if (model == nullptr || model->key_bytes != bytes || memcmp(model->key, key, bytes) != 0) {
    model = cache->last = FindOrLoad(cache, value, key, bytes);
  }
  model->last_used = ++cache->clock;
  return model;
}

}  // namespace segmentation
