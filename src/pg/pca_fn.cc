// Reading a pca_model: pca_transform and pca_components.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/pca.h"
#include "pg/array_arg.h"
#include "pg/call_site.h"
#include "pg/pca_type.h"
#include "pg/result_rows.h"

namespace segmentation {
namespace {

// How many models one call site keeps.
constexpr int kMaxModels = 16;

// One of them, in a memory context of its own.
struct CachedPca {
  MemoryContext context;
  std::size_t columns, components;
  double* numbers;  // offset, scale, center, axes; then room for a row
  std::size_t key_bytes;
  char key[kMaxValueKey];

  const double* offset() const { return numbers; }
  const double* scale() const { return numbers + columns; }
  const double* center() const { return numbers + 2 * columns; }
  const double* axes() const { return numbers + 3 * columns; }
  double* row() const { return numbers + (3 + components) * columns; }
};

struct PcaCache {
  bool constant;  // the model is a literal: after the first row there is nothing to recognise
  int count;
  int next;       // whose place the next one takes
  CachedPca* last;
  CachedPca* models[kMaxModels];
};

CachedPca* Load(struct varlena* value, const char* key, std::size_t key_bytes) {
  // Below the current context until all has gone well, so that an error leaves nothing behind.
  MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pca model", ALLOCSET_SMALL_SIZES);
  auto* model = static_cast<CachedPca*>(MemoryContextAllocZero(context, sizeof(CachedPca)));
  model->context = context;
  memcpy(model->key, key, key_bytes);
  model->key_bytes = key_bytes;
  auto* detoasted = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PointerGetDatum(value)));
  MemoryContext outer = MemoryContextSwitchTo(context);
  CallCore([&] {
    const PcaModel parsed = ReadPcaValue(detoasted);
    model->columns = parsed.columns();
    model->components = parsed.components();
    double* to = model->numbers = static_cast<double*>(Allocate((4 + parsed.components()) * parsed.columns() * sizeof(double)));
    for (const std::vector<double>* part : {&parsed.offset, &parsed.scale, &parsed.center, &parsed.axes}) to = std::copy(part->begin(), part->end(), to);
  });
  MemoryContextSwitchTo(outer);
  return model;
}

CachedPca* FindOrLoad(FunctionCallInfo fcinfo, PcaCache* cache, struct varlena* value) {
  char key[kMaxValueKey];
  const std::size_t bytes = MakeValueKey(value, key);
  for (int i = 0; i < cache->count; ++i) {
    if (cache->models[i]->key_bytes == bytes && memcmp(cache->models[i]->key, key, bytes) == 0) return cache->models[i];
  }
  CachedPca* model = Load(value, key, bytes);
  MemoryContextSetParent(model->context, fcinfo->flinfo->fn_mcxt);
  if (cache->count < kMaxModels) {
    cache->models[cache->count++] = model;
  } else {
    MemoryContextDelete(cache->models[cache->next]->context);
    cache->models[cache->next] = model;
    cache->next = (cache->next + 1) % kMaxModels;
  }
  return model;
}

const CachedPca* ModelOf(FunctionCallInfo fcinfo) {
  auto* cache = static_cast<PcaCache*>(fcinfo->flinfo->fn_extra);
  if (unlikely(cache == nullptr)) {
    cache = static_cast<PcaCache*>(MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(PcaCache)));
    cache->constant = IsLiteral(fcinfo, 0);
    fcinfo->flinfo->fn_extra = cache;
  }
  if (likely(cache->constant && cache->last != nullptr)) return cache->last;
  cache->last = nullptr;
  cache->last = FindOrLoad(fcinfo, cache, reinterpret_cast<struct varlena*>(PG_GETARG_POINTER(0)));
  return cache->last;
}

}  // namespace

// (model, features)
SEGMENTATION_FUNCTION(pca_transform) {
  const CachedPca* model = ModelOf(fcinfo);
  const FeatureArray features = ReadFeatures(PG_GETARG_ARRAYTYPE_P(1));
  if (static_cast<std::size_t>(features.length) != model->columns) {
    RaiseDimensionMismatch(features.length, static_cast<int>(model->columns), "the model has");
  }
  double* row = model->row();
  CopyFeatures(features, row);
  for (std::size_t j = 0; j < model->columns; ++j) {
    if (!std::isfinite(row[j])) PG_RETURN_NULL();
    row[j] = (row[j] - model->offset()[j]) / model->scale()[j];
  }
  ArrayType* result = NewFloatArray(model->components);
  double* to = FloatsOf(result);
  RotatePoint(row, model->center(), model->axes(), model->columns, model->components, to);
  for (std::size_t q = 0; q < model->components; ++q) {
    if (!std::isfinite(to[q])) PG_RETURN_NULL();
  }
  PG_RETURN_POINTER(result);
}

// (model): rows of component, feature, loading, variance, variance_ratio, cumulative_ratio
SEGMENTATION_FUNCTION(pca_components) {
  ResultRows rows(fcinfo);
  const auto* value = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)));
  std::size_t columns = 0;
  std::size_t components = 0;
  double total = 0;
  double* axes = nullptr;
  double* variances = nullptr;
  char** names = nullptr;
  CallCore([&] {
    const PcaModel model = ReadPcaValue(value);
    columns = model.columns();
    components = model.components();
    total = model.total_variance;
    axes = static_cast<double*>(Allocate((model.axes.size() + components) * sizeof(double)));
    variances = std::copy(model.axes.begin(), model.axes.end(), axes);
    std::copy(model.variances.begin(), model.variances.end(), variances);
    names = static_cast<char**>(Allocate(columns * sizeof(char*)));
    for (std::size_t j = 0; j < columns; ++j) names[j] = AllocateString(model.features[j]);
  });
  double cumulative = 0;
  for (std::size_t q = 0; q < components; ++q) {
    cumulative += variances[q];
    for (std::size_t j = 0; j < columns; ++j) {
      const bool undefined = !(total > 0);
      bool nulls[6] = {false, false, false, false, undefined, undefined};
      Datum values[6] = {Int32GetDatum(static_cast<int32>(q + 1)), TextDatum(names[j]), Float8GetDatum(axes[q * columns + j]),
                         Float8GetDatum(variances[q]), Float8GetDatum(undefined ? 0 : variances[q] / total),
                         Float8GetDatum(undefined ? 0 : Min(1.0, cumulative / total))};
      rows.Add(values, nulls);
    }
  }
  return static_cast<Datum>(0);
}

}  // namespace segmentation
