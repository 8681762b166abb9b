#include "pg/fit_request.h"

#include <cstring>

namespace segmentation {
namespace {

bool SameValue(const struct varlena* a, const struct varlena* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) && memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

// Whether arguments 2 and 3 are constants; arguments of the transition function come one later than those of the aggregate.
bool IsConstant(FunctionCallInfo fcinfo) {
  const Aggref* aggregate = AggGetAggref(fcinfo);  // none in a window
  if (aggregate == nullptr) return false;
  const int last = Min(PG_NARGS() - 1, 3);
  for (int i = 2; i <= last; ++i) {
    if (list_length(aggregate->args) < i) return false;
    if (!IsA(static_cast<TargetEntry*>(list_nth(aggregate->args, i - 1))->expr, Const)) return false;
  }
  return true;
}

// Replaces what is kept, whole or not at all.
FitRequest* KeepRequest(FunctionCallInfo fcinfo, std::int32_t k, struct varlena* options) {
  const std::string_view text = OptionsText(options);
  const std::size_t value_bytes = options == nullptr ? 0 : VARSIZE(options);
  const std::size_t bytes = sizeof(FitRequest) + MAXALIGN(value_bytes) + text.size() + 1;
  auto* block = static_cast<char*>(MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, bytes));
  auto* request = reinterpret_cast<FitRequest*>(block);
  *request = {};
  request->k = k;
  request->constant = IsConstant(fcinfo);
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

FitRequest* ReadFitRequest(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(2)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("number of clusters must not be null")));
  auto* known = static_cast<FitRequest*>(fcinfo->flinfo->fn_extra);
  if (likely(known != nullptr && known->constant)) return known;
  const std::int32_t k = PG_GETARG_INT32(2);
  struct varlena* options = nullptr;
  if (PG_NARGS() > 3 && !PG_ARGISNULL(3)) options = PG_GETARG_VARLENA_PP(3);
  if (likely(known != nullptr && known->k == k && SameValue(known->value, options))) return known;
  if (options != nullptr) options = reinterpret_cast<struct varlena*>(PG_GETARG_JSONB_P(3));
  return KeepRequest(fcinfo, k, options);
}

void CheckFitRequest(FitRequest* request, std::uint32_t dimensions) {
  if (likely(request->checked_dimensions == dimensions)) return;
  OnNull on_null = OnNull::kError;
  CallCore([&] {
    const Options options = ParseOptions(request->text());
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
