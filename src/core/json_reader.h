// Reading the members of JSON objects whose format is known: all of them are required, others are an error.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/json.h"

namespace segmentation {

// Takes the members of one object by name; what was not taken at the end is an error. Errors have the code given, and say "invalid input for
// <what>" with a detail that names the member.
class MemberReader {
 public:
  MemberReader(const JsonValue& value, std::string path, ErrorCode code, const char* what) : path_(std::move(path)), code_(code), what_(what) {
    object_ = value.Object();
    if (object_ == nullptr) Fail(Where() + " is " + value.TypeName() + ", and an object is expected.");
  }
  void ExpectAllTaken() const {
    if (taken_ == object_->size()) return;
    // All that we ask for is there (Get fails otherwise), so the rest is what we do not know.
    Fail(Where() + " has " + std::to_string(object_->size()) + " members, of which format 1 knows " +
                    std::to_string(taken_) + ".");
  }
  const JsonValue& Get(const char* name) {
    for (const auto& [key, value] : *object_) {
      if (key == name) {
        ++taken_;
        return value;
      }
    }
    Fail(Where() + " has no member \"" + name + "\".");
  }
  std::string Path(const char* name) const { return path_.empty() ? name : path_ + "." + name; }
  ErrorCode code() const { return code_; }
  [[noreturn]] void Fail(std::string detail) const { throw Error(code_, std::string("invalid input for ") + what_, std::move(detail)); }

  double Num(const char* name) {
    const JsonValue& value = Get(name);
    if (!value.IsNumber()) Wrong(name, value, "a number");
    return value.Number();
  }
  std::optional<double> NumOrNull(const char* name) {
    const JsonValue& value = Get(name);
    if (value.IsNull()) return std::nullopt;
    if (!value.IsNumber()) Wrong(name, value, "a number or null");
    return value.Number();
  }
  double NumOrUndefined(const char* name) { return NumOrNull(name).value_or(std::numeric_limits<double>::quiet_NaN()); }
  std::int64_t Int(const char* name, std::int64_t low, std::int64_t high = INT64_MAX) {
    const JsonValue& value = Get(name);
    std::int64_t number = 0;
    if (!value.IsNumber() || !value.Integer(&number) || number < low || number > high) {
      Wrong(name, value, "a whole number in its range");
    }
    return number;
  }
  std::uint64_t Count(const char* name) { return static_cast<std::uint64_t>(Int(name, 0)); }
  const std::string& Text(const char* name) {
    const JsonValue& value = Get(name);
    if (value.String() == nullptr) Wrong(name, value, "a string");
    return *value.String();
  }
  bool Bool(const char* name) {
    const JsonValue& value = Get(name);
    if (value.Bool() == nullptr) Wrong(name, value, "a boolean");
    return *value.Bool();
  }
  const JsonArray& Array(const char* name) {
    const JsonValue& value = Get(name);
    if (value.Array() == nullptr) Wrong(name, value, "an array");
    return *value.Array();
  }
  std::vector<std::string> Texts(const char* name) {
    std::vector<std::string> texts;
    for (const JsonValue& item : Array(name)) {
      if (item.String() == nullptr) Wrong(name, item, "a string");
      texts.push_back(*item.String());
    }
    return texts;
  }
  std::vector<double> Numbers(const char* name) {
    std::vector<double> numbers;
    AppendNumbers(name, Get(name), &numbers);
    return numbers;
  }
  // Rows of one length, which is returned through `columns`.
  std::vector<double> Matrix(const char* name, std::size_t* columns) {
    std::vector<double> numbers;
    const JsonArray& rows = Array(name);
    *columns = 0;
    for (const JsonValue& row : rows) {
      const std::size_t before = numbers.size();
      AppendNumbers(name, row, &numbers);
      if (&row == rows.data()) *columns = numbers.size();
      if (numbers.size() - before != *columns) Fail(Path(name) + " has rows of different lengths.");
    }
    return numbers;
  }
  [[noreturn]] void Wrong(const char* name, const JsonValue& value, const char* expected) const {
    Fail("\"" + Path(name) + "\" is " + value.TypeName() + ", and " + expected + " is expected.");
  }

 private:
  std::string Where() const { return path_.empty() ? "The model" : "\"" + path_ + "\""; }
  void AppendNumbers(const char* name, const JsonValue& value, std::vector<double>* out) const {
    if (value.Array() == nullptr) Wrong(name, value, "an array of numbers");
    for (const JsonValue& item : *value.Array()) {
      if (!item.IsNumber()) Fail("\"" + Path(name) + "\" holds " + item.TypeName() + ", and numbers are expected.");
      out->push_back(item.Number());
    }
  }

  const JsonObject* object_;
  std::string path_;
  ErrorCode code_;
  const char* what_;
  std::size_t taken_ = 0;
};

}  // namespace segmentation
