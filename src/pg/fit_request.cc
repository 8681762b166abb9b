#include "pg/fit_request.h"

#include <cstring>

#include "pg/call_site.h"

namespace segmentation {
namespace {

// Replaces what is kept, whole or not at all.
FitRequest* KeepRequest(FunctionCallInfo fcinfo, const FitArguments& where, std::int32_t k_min, std::int32_t k, struct varlena* options) {
  std::string_view text = OptionsText(options);
  if (where.k_min > 0) {
    const bool others = text.find(':') != std::string_view::npos;
    text = psprintf("{\"k_min\": %d%s%s", k_min, others ? ", " : "", text.data() + 1);
  }
  const std::size_t value_bytes = options == nullptr ? 0 : VARSIZE(options);
  const std::size_t bytes = sizeof(FitRequest) + MAXALIGN(value_bytes) + text.size() + 1;
  auto* block = static_cast<char*>(MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, bytes));
  auto* request = reinterpret_cast<FitRequest*>(block);
  *request = {};
  request->k = k;
  request->k_min = k_min;
  request->constant = AreLiteralsOfAggregate(fcinfo, 2, Min(PG_NARGS() - 1, where.options));
  if (options != nullptr) {
    request->value = reinterpret_cast<struct varlena*>(block + sizeof(FitRequest));
    memcpy(request->value, options, value_bytes);
  }
  request->options = block + sizeof(FitRequest) + MAXALIGN(value_bytes);
  request->options_bytes = text.size();
  memcpy(request->options, text.data(), text.size());
  request->options[text.size()] = '\0';
  if (fcinfo->flinfo->fn_extra != nullptr) pfree(fcinfo->flinfo->fn_extra);
  fcinfo->flinfo->fn_extra = request;
  return request;
}

}  // namespace

std::string_view OptionsText(struct varlena* options) {
  if (options == nullptr) return "{}";
  auto* json = reinterpret_cast<Jsonb*>(options);
  return ToUtf8(JsonbToCString(nullptr, &json->root, static_cast<int>(VARSIZE(json))));
}

FitRequest* ReadFitRequest(FunctionCallInfo fcinfo, const FitArguments& where) {
  if (PG_ARGISNULL(where.k) || (where.k_min > 0 && PG_ARGISNULL(where.k_min))) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("number of clusters must not be null")));
  auto* known = static_cast<FitRequest*>(fcinfo->flinfo->fn_extra);
  if (likely(known != nullptr && known->constant)) return known;
  const std::int32_t k_min = where.k_min > 0 ? PG_GETARG_INT32(where.k_min) : 0;
  const std::int32_t k = PG_GETARG_INT32(where.k);
  struct varlena* options = nullptr;
  if (PG_NARGS() > where.options && !PG_ARGISNULL(where.options)) options = PG_GETARG_VARLENA_PP(where.options);
  if (likely(known != nullptr && known->k == k && known->k_min == k_min && SameValue(known->value, options))) return known;
  if (options != nullptr) options = reinterpret_cast<struct varlena*>(PG_GETARG_JSONB_P(where.options));
  return KeepRequest(fcinfo, where, k_min, k, options);
}

void CheckFitRequest(FitRequest* request, std::uint32_t dimensions) {
  if (likely(request->checked_dimensions == dimensions)) return;
  OnNull on_null = OnNull::kError;
  CallCore([&] {
    const Options options = ParseOptions(request->text(), request->k_min != 0 ? OptionsOf::kRange : OptionsOf::kAggregate);
    CheckOptions(options, request->k, dimensions);
    on_null = options.on_null;
  });
  request->on_null = on_null;
  request->checked_dimensions = dimensions;
}

void RequireSameFit(std::int32_t k, std::string_view options, std::int32_t other_k, std::string_view other_options) {
  if (unlikely(k != other_k)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("number of clusters must be the same for all rows"),
                    errdetail("One row asks for %d clusters and another for %d.", k, other_k)));
  }
  if (unlikely(options != other_options)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("options must be the same for all rows")));
  }
}

}  // namespace segmentation
