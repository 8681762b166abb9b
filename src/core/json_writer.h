// Writing JSON objects and arrays in canonical form (json.h).
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace segmentation {

// A number, or null where it is NaN or infinite.
inline void AppendNumberOrNull(std::string* out, double value) {
  if (std::isfinite(value)) {
    AppendJsonNumber(out, value);
  } else {
    *out += "null";
  }
}

// An array; write(out, item) appends one item.
template <typename Items, typename Write>
void AppendJsonArray(std::string* out, const Items& items, Write write) {
  *out += '[';
  bool first = true;
  for (const auto& item : items) {
    if (!first) *out += ',';
    first = false;
    write(out, item);
  }
  *out += ']';
}

// One object: a member after the other, and the commas between them.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string* out) : out_(out) { *out_ += '{'; }
  void Close() { *out_ += '}'; }

  // Whose value is then appended to what it returns.
  std::string* Key(std::string_view name) {
    if (!first_) *out_ += ',';
    first_ = false;
    AppendJsonString(out_, name);
    *out_ += ':';
    return out_;
  }
  template <typename Value>
  void Number(std::string_view name, Value value) {
    AppendJsonNumber(Key(name), value);
  }
  void NumberOrNull(std::string_view name, double value) { AppendNumberOrNull(Key(name), value); }
  void Text(std::string_view name, std::string_view value) { AppendJsonString(Key(name), value); }
  void Bool(std::string_view name, bool value) { *Key(name) += value ? "true" : "false"; }
  void Null(std::string_view name) { *Key(name) += "null"; }
  void Numbers(std::string_view name, const std::vector<double>& values) { AppendJsonArray(Key(name), values, AppendNumberOrNull); }
  void Texts(std::string_view name, const std::vector<std::string>& values) {
    AppendJsonArray(Key(name), values, [](std::string* out, const std::string& value) { AppendJsonString(out, value); });
  }
  // Row-major.
  void Matrix(std::string_view name, const std::vector<double>& values, std::size_t columns) {
    Key(name);
    *out_ += '[';
    for (std::size_t at = 0; at < values.size(); at += columns) {
      if (at > 0) *out_ += ',';
      AppendJsonNumbers(out_, values.data() + at, columns);
    }
    *out_ += ']';
  }

 private:
  std::string* out_;
  bool first_ = true;
};

}  // namespace segmentation
