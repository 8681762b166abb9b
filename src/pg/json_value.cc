#include "pg/json_value.h"

#include <cstring>

#include "core/hash.h"

namespace segmentation {
namespace {

constexpr std::uint32_t kLayout = 1;
constexpr char kBinaryVersion = 1;
constexpr std::size_t kMaxModelText = std::size_t{64} << 20;

// Of the text as it comes and of the canonical text, so that what was taken can be read back.
void RequireSize(const JsonType& type, std::size_t bytes) {
  if (bytes <= kMaxModelText) return;
  throw Error(ErrorCode::kLimit, std::string(type.name) + " is too large",
              "Its text has " + std::to_string(bytes) + " bytes; the limit is " + std::to_string(kMaxModelText) + ".");
}

// Reads any JSON text of a value and makes the canonical one.
struct varlena* ValueFromJson(const JsonType& type, std::string_view utf8, ErrorCode code) {
  struct varlena* value = nullptr;
  CallCore([&] {
    RequireSize(type, utf8.size());
    value = MakeJsonValue(type, type.canonical(utf8, code));
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

struct varlena* MakeJsonValue(const JsonType& type, std::string_view text) {
  RequireSize(type, text.size());
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

std::size_t MakeContentKey(struct varlena* value, char* key) {
  const std::uint64_t size = toast_raw_datum_size(PointerGetDatum(value)) - VARHDRSZ;
  const char* prefix;
  if (VARATT_IS_EXTENDED(value) && !VARATT_IS_SHORT(value)) {
    prefix = VARDATA_ANY(PG_DETOAST_DATUM_SLICE(PointerGetDatum(value), 0, kModelPrefixBytes));
  } else {
    prefix = VARDATA_ANY(value);
  }
  static_assert(1 + kModelPrefixBytes + sizeof size <= kMaxValueKey);
  key[0] = 'F';
  memcpy(key + 1, prefix, kModelPrefixBytes);
  memcpy(key + 1 + kModelPrefixBytes, &size, sizeof size);
  return 1 + kModelPrefixBytes + sizeof size;
}

std::size_t MakeValueKey(struct varlena* value, char* key) {
  if (!VARATT_IS_EXTERNAL_ONDISK(value)) return MakeContentKey(value, key);
  // A toast pointer means the same value for as long as the statement's snapshot protects it.
  const TimestampTz statement = GetCurrentStatementStartTimestamp();
  const std::size_t bytes = VARSIZE_EXTERNAL(value);
  key[0] = 'T';
  memcpy(key + 1, value, bytes);
  memcpy(key + 1 + bytes, &statement, sizeof statement);
  return 1 + bytes + sizeof statement;
}

Datum JsonTypeIn(FunctionCallInfo fcinfo, const JsonType& type) {
  const char* text = PG_GETARG_CSTRING(0);
  if (strchr("{[", text[strspn(text, " \t\r\n")]) == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg("invalid input for %s", type.name),
                    errdetail("A model is a JSON object, and \"%s\" is none.", pnstrdup(text, pg_mbcliplen(text, strlen(text), 60))),
                    errhint("%s", type.hint)));
  }
  PG_RETURN_POINTER(ValueFromJson(type, ToUtf8(text), ErrorCode::kInvalidText));
}

Datum JsonTypeOut(FunctionCallInfo fcinfo) {
  const std::string_view text = TextArgument(fcinfo, 0);
  PG_RETURN_CSTRING(pnstrdup(text.data(), text.size()));
}

Datum JsonTypeReceive(FunctionCallInfo fcinfo, const JsonType& type) {
  StringInfo message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
  const int version = pq_getmsgbyte(message);
  if (version != kBinaryVersion) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("unsupported %s version number %d", type.name, version)));
  }
  const int length = message->len - message->cursor;
  const std::string_view text(pq_getmsgbytes(message, length), static_cast<std::size_t>(length));
  PG_RETURN_POINTER(ValueFromJson(type, text, ErrorCode::kInvalidBinary));
}

Datum JsonTypeSend(FunctionCallInfo fcinfo) {
  const std::string_view text = TextArgument(fcinfo, 0);
  StringInfoData message;
  pq_begintypsend(&message);
  pq_sendbyte(&message, kBinaryVersion);
  pq_sendbytes(&message, text.data(), static_cast<int>(text.size()));
  PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

Datum JsonTypeToJsonb(FunctionCallInfo fcinfo) {
  const std::string_view text = TextArgument(fcinfo, 0);
  PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(text.data(), text.size()))));
}

Datum JsonTypeFromJsonb(FunctionCallInfo fcinfo, const JsonType& type) {
  Jsonb* json = PG_GETARG_JSONB_P(0);
  char* text = JsonbToCString(nullptr, &json->root, static_cast<int>(VARSIZE(json)));
  PG_RETURN_POINTER(ValueFromJson(type, ToUtf8(text), ErrorCode::kInvalidText));
}

}  // namespace segmentation
