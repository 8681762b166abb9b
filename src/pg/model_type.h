// kmeans_model as the server stores it.
//
// A varlena: 4 bytes of layout version, 16 bytes of fingerprint, then the canonical text (ASCII). The text is the value; the
// fingerprint, a hash of it, stands in front so that a scorer recognises a model without reading all of it.
#pragma once

#include <string_view>

#include "core/model.h"
#include "pg/boundary.h"

namespace segmentation {

struct Fingerprint {
  std::uint64_t words[2];
};

constexpr std::size_t kModelPrefixBytes = sizeof(std::uint32_t) + sizeof(Fingerprint);

// An argument of type kmeans_model, detoasted.
inline const struct varlena* ModelArgument(FunctionCallInfo fcinfo, int argument) {
  return reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(argument)));
}

// From a detoasted value.
std::string_view ModelText(const struct varlena* value);

Fingerprint ModelFingerprint(const struct varlena* value);

// Makes the stored value, from inside C++ (memory through CallPostgres).
struct varlena* MakeModelValue(const Model& model);

// A model's value, read. From inside C++.
Model ReadModelValue(const struct varlena* value);

}  // namespace segmentation
