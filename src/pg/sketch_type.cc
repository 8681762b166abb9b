// The type kmeans_sketch: text (base64 of the flat form), binary.
#include <cstring>

#include "pg/sketch_state.h"
// after the core
#include "pg/pg_compat.h"

namespace segmentation {
namespace {

// Checks bytes that came from outside, in place.
void Validate(const char* bytes, std::size_t length, ErrorCode code) {
  CallCore([&] {
    const SketchView view = ReadSketch({bytes, length}, code, ServerInterrupt());
    if (view.header.has_fit) CheckOptions(ParseOptions(view.options, OptionsOf::kRange), view.k, view.header.dimensions);
  });
}

// Decodes base64 piece by piece, because the server's function counts in int; returns the number of bytes.
std::size_t Decode(const char* text, std::size_t length, char* to) {
  constexpr std::size_t kPiece = std::size_t{1} << 26;  // a multiple of 4, so that a piece stands for whole bytes
  std::size_t bytes = 0;
  for (std::size_t at = 0; at < length; at += kPiece) {
    CHECK_FOR_INTERRUPTS();
    const std::size_t piece = Min(kPiece, length - at);
    const auto room = static_cast<int>(piece / 4 * 3 + 3);
    const int decoded = DecodeBase64(text + at, static_cast<int>(piece), to + bytes, room);
    // Only the last piece may end in padding.
    if (decoded < 0 || (at + piece < length && static_cast<std::size_t>(decoded) != piece / 4 * 3)) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg("invalid input for kmeans_sketch"),
                      errdetail("The text is not base64.")));
    }
    bytes += static_cast<std::size_t>(decoded);
  }
  return bytes;
}

// The argument as text and binary form show it: without the room that an aggregate's state may have at its end.
std::string_view TrimmedArgument(FunctionCallInfo fcinfo) {
  const std::string_view bytes = SketchBytesOf(reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0))));
  SketchView view;
  CallCore([&] { view = ReadTrustedSketch(bytes); });
  if (!view.header.has_room) return bytes;
  auto* trimmed = static_cast<char*>(palloc(view.bytes));
  memcpy(trimmed, bytes.data(), view.bytes);
  ClearSketchRoom(trimmed);
  return {trimmed, view.bytes};
}

}  // namespace

SEGMENTATION_FUNCTION(kmeans_sketch_in) {
  const char* text = PG_GETARG_CSTRING(0);
  const std::size_t length = strlen(text);
  auto* value = static_cast<struct varlena*>(palloc(VARHDRSZ + length / 4 * 3 + 3));
  const std::size_t bytes = Decode(text, length, VARDATA(value));
  SET_VARSIZE(value, VARHDRSZ + bytes);
  Validate(VARDATA(value), bytes, ErrorCode::kInvalidText);
  PG_RETURN_POINTER(value);
}

SEGMENTATION_FUNCTION(kmeans_sketch_out) {
  const std::string_view bytes = TrimmedArgument(fcinfo);
  if (bytes.size() / 3 * 4 + 8 > MaxAllocSize) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("kmeans_sketch is too large for its text form")));
  }
  auto* text = static_cast<char*>(palloc(bytes.size() / 3 * 4 + 5));
  char* end = text;
  constexpr std::size_t kPiece = 3 << 20;  // a multiple of 3, so that only the last piece is padded
  for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
    CHECK_FOR_INTERRUPTS();
    const auto piece = static_cast<int>(Min(kPiece, bytes.size() - at));
    const int length = EncodeBase64(bytes.data() + at, piece, end, pg_b64_enc_len(piece));
    if (length < 0) elog(ERROR, "base64 encoding failed");
    end += length;
  }
  *end = '\0';
  PG_RETURN_CSTRING(text);
}

SEGMENTATION_FUNCTION(kmeans_sketch_recv) {
  StringInfo message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
  const int length = message->len - message->cursor;
  const char* bytes = pq_getmsgbytes(message, length);
  Validate(bytes, static_cast<std::size_t>(length), ErrorCode::kInvalidBinary);
  auto* value = static_cast<struct varlena*>(palloc(VARHDRSZ + static_cast<std::size_t>(length)));
  SET_VARSIZE(value, VARHDRSZ + length);
  memcpy(VARDATA(value), bytes, static_cast<std::size_t>(length));
  PG_RETURN_POINTER(value);
}

SEGMENTATION_FUNCTION(kmeans_sketch_send) {
  const std::string_view bytes = TrimmedArgument(fcinfo);
  StringInfoData message;
  pq_begintypsend(&message);
  pq_sendbytes(&message, bytes.data(), static_cast<int>(bytes.size()));
  PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

}  // namespace segmentation
