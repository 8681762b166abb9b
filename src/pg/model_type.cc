#include "pg/model_type.h"

#include <cstring>
#include <string>

#include "core/hash.h"

namespace segmentation {
namespace {

constexpr std::uint32_t kLayout = 1;
constexpr char kBinaryVersion = 1;
constexpr std::size_t kMaxModelText = std::size_t{64} << 20;

// Of the text as it comes and of the canonical text, so that what was taken can be read back.
void RequireSize(std::size_t bytes) {
  if (bytes <= kMaxModelText) return;
  throw Error(ErrorCode::kLimit, "kmeans_model is too large",
              "Its text has " + std::to_string(bytes) + " bytes; the limit is " + std::to_string(kMaxModelText) + ".");
}

// Reads any JSON text of a model and makes the canonical value.
struct varlena* ValueFromJson(std::string_view utf8, ErrorCode code) {
  struct varlena* value = nullptr;
  CallCore([&] {
    RequireSize(utf8.size());
    value = MakeModelValue(DecodeModel(utf8, code, ServerInterrupt()));
  });
  return value;
}

std::string_view TextArgument(FunctionCallInfo fcinfo, int argument) {
  return ModelText(reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(argument))));
}

}  // namespace

std::string_view ModelText(const struct varlena* value) {
  return {VARDATA_ANY(value) + kModelPrefixBytes, VARSIZE_ANY_EXHDR(value) - kModelPrefixBytes};
}

Fingerprint ModelFingerprint(const struct varlena* value) {
  Fingerprint fingerprint;
  memcpy(&fingerprint, VARDATA_ANY(value) + sizeof kLayout, sizeof fingerprint);
  return fingerprint;
}

struct varlena* MakeModelValue(const Model& model) {
  const std::string text = EncodeModel(model);
  RequireSize(text.size());
  const Fingerprint fingerprint{{HashBytes(text.data(), text.size(), 1), HashBytes(text.data(), text.size(), 2)}};
  const std::size_t bytes = VARHDRSZ + kModelPrefixBytes + text.size();
  auto* value = static_cast<struct varlena*>(Allocate(bytes));
  SET_VARSIZE(value, bytes);
  char* at = VARDATA(value);
  std::memcpy(at, &kLayout, sizeof kLayout);
  std::memcpy(at + sizeof kLayout, &fingerprint, sizeof fingerprint);
  std::memcpy(at + kModelPrefixBytes, text.data(), text.size());
  return value;
}

Model ReadModelValue(const struct varlena* value) { return DecodeModel(ModelText(value), ErrorCode::kInternal, ServerInterrupt()); }

SEGMENTATION_FUNCTION(kmeans_model_in) {
  const char* text = PG_GETARG_CSTRING(0);
  if (strchr("{[", text[strspn(text, " \t\r\n")]) == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg("invalid input for kmeans_model"),
                    errdetail("A model is a JSON object, and \"%s\" is none.", pnstrdup(text, pg_mbcliplen(text, strlen(text), 60))),
                    errhint("A registered model is (SELECT segmentation.model('name')).")));
  }
  PG_RETURN_POINTER(ValueFromJson(ToUtf8(text), ErrorCode::kInvalidText));
}

SEGMENTATION_FUNCTION(kmeans_model_out) {
  const std::string_view text = TextArgument(fcinfo, 0);
  PG_RETURN_CSTRING(pnstrdup(text.data(), text.size()));
}

SEGMENTATION_FUNCTION(kmeans_model_recv) {
  StringInfo message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
  const int version = pq_getmsgbyte(message);
  if (version != kBinaryVersion) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("unsupported kmeans_model version number %d", version)));
  }
  const int length = message->len - message->cursor;
  const std::string_view text(pq_getmsgbytes(message, length), static_cast<std::size_t>(length));
  PG_RETURN_POINTER(ValueFromJson(text, ErrorCode::kInvalidBinary));
}

SEGMENTATION_FUNCTION(kmeans_model_send) {
  const std::string_view text = TextArgument(fcinfo, 0);
  StringInfoData message;
  pq_begintypsend(&message);
  pq_sendbyte(&message, kBinaryVersion);
  pq_sendbytes(&message, text.data(), static_cast<int>(text.size()));
  PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

SEGMENTATION_FUNCTION(kmeans_model_to_jsonb) {
  const std::string_view text = TextArgument(fcinfo, 0);
  PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(text.data(), text.size()))));
}

SEGMENTATION_FUNCTION(kmeans_model_from_jsonb) {
  Jsonb* json = PG_GETARG_JSONB_P(0);
  char* text = JsonbToCString(nullptr, &json->root, static_cast<int>(VARSIZE(json)));
  PG_RETURN_POINTER(ValueFromJson(ToUtf8(text), ErrorCode::kInvalidText));
}

}  // namespace segmentation
