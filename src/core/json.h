// JSON in and out: strict reading into a small tree, canonical writing.
//
// Canonical form: no white space, numbers in the shortest form that reads back as the same double, text beyond ASCII as
// \uXXXX (so that the bytes do not depend on a database's encoding), the order of members as the writer gives it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/error.h"
#include "core/interrupt.h"

namespace segmentation {

class JsonValue;
using JsonArray = std::vector<JsonValue>;
using JsonObject = std::vector<std::pair<std::string, JsonValue>>;  // in the order of the text, names unique

class JsonValue {
 public:
  // A whole number that fits keeps its exact value beside the double. Strings are UTF-8.
  using Variant = std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, JsonArray, JsonObject>;

  JsonValue() : value_(nullptr) {}
  explicit JsonValue(Variant value) : value_(std::move(value)) {}

  bool IsNull() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool IsNumber() const;
  const bool* Bool() const { return std::get_if<bool>(&value_); }
  const std::string* String() const { return std::get_if<std::string>(&value_); }
  const JsonArray* Array() const { return std::get_if<JsonArray>(&value_); }
  const JsonObject* Object() const { return std::get_if<JsonObject>(&value_); }
  JsonArray* MutableArray() { return std::get_if<JsonArray>(&value_); }
  JsonObject* MutableObject() { return std::get_if<JsonObject>(&value_); }
  // The number as a double, rounded to nearest; the caller has asked IsNumber().
  double Number() const;
  // True and the value when it is a whole number in range of int64.
  bool Integer(std::int64_t* out) const;
  // In words, for messages: "a number", "an array", ...
  const char* TypeName() const;

 private:
  Variant value_;
};

// Reads one JSON text in UTF-8. Errors, all with the given code: not JSON, a name twice in one object, more than
// kMaxJsonDepth levels, more than eight million values, a number beyond the range of a double, U+0000 in a string.
constexpr int kMaxJsonDepth = 16;
JsonValue ParseJson(std::string_view text, ErrorCode code, const char* what, const Interrupt& interrupt = {});

// A member of an object; nullptr where it has none of that name.
const JsonValue* Member(const JsonObject& object, std::string_view key);

// A value for a message: a number, an excerpt of a string in quotes, or what it is in words.
std::string Shown(const JsonValue& value);

// Appends canonical JSON to a string.
void AppendJsonNumber(std::string* out, double value);  // finite; -0 is written as 0
void AppendJsonNumber(std::string* out, std::int64_t value);
void AppendJsonNumber(std::string* out, std::uint64_t value);
void AppendJsonString(std::string* out, std::string_view utf8);
void AppendJsonNumbers(std::string* out, const double* values, std::size_t count);

}  // namespace segmentation
