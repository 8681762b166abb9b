// Errors of the core, as plain data: what went wrong, said the way PostgreSQL says it.
//
// The core throws Error; the boundary (src/pg/boundary.h) turns it into ereport() after the last C++ frame is gone.
// Style (PostgreSQL's): the message is lower-case without a full stop; detail and hint are sentences.
#pragma once

#ifdef POSTGRES_H
#error "core headers come before postgres.h"
#endif

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace segmentation {

// The classes of error a user can meet, each with one SQLSTATE.
enum class ErrorCode {
  kInvalidParameter,    // 22023: bad k, option or argument
  kDimensionMismatch,   // 22000: as many features as the model or the other rows have were expected
  kNotFinite,           // 22003: NaN or infinite
  kInvalidText,         // 22P02: text form
  kInvalidBinary,       // 22P03: binary form
  kLimit,               // 54000: over a limit of the program
  kNotSupported,        // 0A000
  kOutOfMemory,         // 53200
  kInternal,            // XX000: a bug of ours
};

// The five characters of the SQLSTATE that stands for `code`.
constexpr const char* SqlState(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidParameter: return "22023";
    case ErrorCode::kDimensionMismatch: return "22000";
    case ErrorCode::kNotFinite: return "22003";
    case ErrorCode::kInvalidText: return "22P02";
    case ErrorCode::kInvalidBinary: return "22P03";
    case ErrorCode::kLimit: return "54000";
    case ErrorCode::kNotSupported: return "0A000";
    case ErrorCode::kOutOfMemory: return "53200";
    case ErrorCode::kInternal: return "XX000";
  }
  return "XX000";
}

// The beginning of UTF-8 text, for a message: at most 60 bytes, cut between two characters.
inline std::string Excerpt(std::string_view text) {
  std::size_t length = text.size() < 60 ? text.size() : 60;
  while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return std::string(text.substr(0, length));
}

// The same between quotation marks.
inline std::string Quoted(std::string_view text) { return "\"" + Excerpt(text) + "\""; }

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, std::string detail = {}, std::string hint = {})
      : code_(code), message_(std::move(message)), detail_(std::move(detail)), hint_(std::move(hint)) {}

  const char* what() const noexcept override { return message_.c_str(); }
  ErrorCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& detail() const noexcept { return detail_; }
  const std::string& hint() const noexcept { return hint_; }

 private:
  ErrorCode code_;
  std::string message_;
  std::string detail_;
  std::string hint_;
};

}  // namespace segmentation
