// kmeans_model as the server stores it (json_value.h).
#pragma once

#include "core/model.h"
#include "pg/json_value.h"

namespace segmentation {

// An argument of type kmeans_model, detoasted.
inline const struct varlena* ModelArgument(FunctionCallInfo fcinfo, int argument) {
  return reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(argument)));
}

// Makes the stored value, from inside C++ (memory through CallPostgres).
struct varlena* MakeModelValue(const Model& model);

// A model's value, read. From inside C++.
Model ReadModelValue(const struct varlena* value);

}  // namespace segmentation
