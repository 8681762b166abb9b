#include "pg/train.h"

#include <cstring>

#include "core/fit.h"
#include "pg/model_type.h"
#include "pg/settings.h"

namespace segmentation {
namespace {

// The kinds of warning, to remember which were said.
constexpr const char* kCodes[] = {"unscaled", "skewed", "fewer_clusters", "min_size", "not_converged", "not_exact", "no_structure"};

std::uintptr_t BitOf(const char* code) {
  std::uintptr_t bit = 1;
  for (const char* known : kCodes) {
    if (strcmp(code, known) == 0) return bit;
    bit <<= 1;
  }
  return bit;
}

}  // namespace

std::optional<Model> Train(const RowSet& rows, std::int32_t k, std::string_view options, OptionsOf whose) {
  return Fit(rows, k, ParseOptions(options, whose), ServerInterrupt(), TrainingThreads());
}

TrainedValue KeepModel(const std::optional<Model>& model) {
  TrainedValue kept{};
  if (!model) return kept;
  kept.value = MakeModelValue(*model);
  const std::size_t count = model->warnings.size();
  kept.codes = static_cast<char**>(Allocate(2 * (count + 1) * sizeof(char*)));
  kept.messages = kept.codes + count + 1;
  for (const Warning& warning : model->warnings) {
    kept.codes[kept.warnings] = AllocateString(warning.code);
    kept.messages[kept.warnings++] = AllocateString(warning.message);
  }
  return kept;
}

void SayWarnings(FunctionCallInfo fcinfo, const TrainedValue& trained) {
  // fn_extra lives as long as the call site; what was said there before is kept in its bits. The result does not depend on it.
  auto said = reinterpret_cast<std::uintptr_t>(fcinfo->flinfo->fn_extra);
  for (int i = 0; i < trained.warnings; ++i) {
    const std::uintptr_t bit = BitOf(trained.codes[i]);
    if ((said & bit) != 0) continue;
    said |= bit;
    ereport(NOTICE, (errmsg("%s", FromUtf8(trained.messages[i]).data())));
  }
  fcinfo->flinfo->fn_extra = reinterpret_cast<void*>(said);
}

}  // namespace segmentation
