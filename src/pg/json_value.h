// Types whose value is a canonical JSON text, as the server stores them: kmeans_model and pca_model.
//
// A varlena: 4 bytes of layout version, 16 bytes of fingerprint, then the canonical text (ASCII). The text is the value; the
// fingerprint, a hash of it, stands in front so that a function recognises a value without reading all of it.
#pragma once

#include <string>
#include <string_view>

#include "pg/boundary.h"

namespace segmentation {

struct Fingerprint {
  std::uint64_t words[2];
};

constexpr std::size_t kModelPrefixBytes = sizeof(std::uint32_t) + sizeof(Fingerprint);

// What tells such types apart.
struct JsonType {
  const char* name;
  // Reads any JSON text of a value (UTF-8) and returns the canonical one. Throws `code`.
  std::string (*canonical)(std::string_view utf8, ErrorCode code);
  const char* hint;  // for text that is no JSON object
};

// From a detoasted value.
std::string_view ModelText(const struct varlena* value);
Fingerprint ModelFingerprint(const struct varlena* value);

// Makes the stored value of a canonical text, from inside C++ (memory through CallPostgres).
struct varlena* MakeJsonValue(const JsonType& type, std::string_view canonical);

// A value that may be toasted is told from others by its fingerprint and size, or within one statement by its toast pointer. The key is
// written to `key`, which has room for kMaxValueKey bytes; its length is returned. The first does not make use of toast pointers.
constexpr std::size_t kMaxValueKey = 40;
std::size_t MakeContentKey(struct varlena* value, char* key);
std::size_t MakeValueKey(struct varlena* value, char* key);

// The bodies of the functions that every such type has.
Datum JsonTypeIn(FunctionCallInfo fcinfo, const JsonType& type);
Datum JsonTypeOut(FunctionCallInfo fcinfo);
Datum JsonTypeReceive(FunctionCallInfo fcinfo, const JsonType& type);
Datum JsonTypeSend(FunctionCallInfo fcinfo);
Datum JsonTypeToJsonb(FunctionCallInfo fcinfo);
Datum JsonTypeFromJsonb(FunctionCallInfo fcinfo, const JsonType& type);

}  // namespace segmentation
