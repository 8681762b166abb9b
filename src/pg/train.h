// From rows to the value of a model, with what there is to say on the way.
#pragma once

#include "core/model.h"
#include "pg/boundary.h"
#include "pg/sketch_state.h"

namespace segmentation {

// A model as a palloc'd value, and its warnings as palloc'd text; value is nullptr when there were no rows.
struct TrainedValue {
  struct varlena* value;
  int warnings;
  char** codes;
  char** messages;
};

// From inside C++. options: JSON in UTF-8; of a state, or of a user.
std::optional<Model> Train(const RowSet& rows, std::int32_t k, std::string_view options, OptionsOf whose = OptionsOf::kRange);
TrainedValue KeepModel(const std::optional<Model>& model);

// Says each warning as a NOTICE, a kind of warning once per call site of a query.
void SayWarnings(FunctionCallInfo fcinfo, const TrainedValue& trained);

}  // namespace segmentation
