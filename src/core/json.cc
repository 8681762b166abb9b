#include "core/json.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
// The library checks itself by assert(), and nothing here may abort the server.
#define JSON_ASSERT(condition) static_cast<void>(0)
#include <nlohmann/json.hpp>

namespace segmentation {
namespace {

// Builds the tree from nlohmann's events. The handler never lets that library convert a floating-point number (strtod
// looks at the locale): it reads the digits itself. The library also writes the locale's decimal point (one byte of it) into
// the digits it hands over, and that is taken back.
class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  TreeBuilder(ErrorCode code, const char* what, const Interrupt& interrupt)
      : code_(code), what_(what), interrupt_(interrupt) {}

  bool null() override { return Add(JsonValue()); }
  bool boolean(bool value) override { return Add(JsonValue(value)); }
  bool number_integer(number_integer_t value) override { return Add(JsonValue(static_cast<std::int64_t>(value))); }
  bool number_unsigned(number_unsigned_t value) override { return Add(JsonValue(static_cast<std::uint64_t>(value))); }
  bool number_float(number_float_t, const string_t& token) override {
    std::string text = token;
    const std::size_t point = text.find_first_not_of("0123456789+-eE");
    if (point != std::string::npos) text[point] = '.';
    double value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
      Fail("The number \"" + Excerpt(text) + "\" cannot be held in a double precision value.");
    }
    return Add(JsonValue(value));
  }
  bool string(string_t& value) override {
    CheckString(value);
    return Add(JsonValue(std::move(value)));
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(JsonValue(JsonObject())); }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(JsonValue(JsonArray())); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    CheckString(name);
    JsonObject* object = open_.back().MutableObject();
    // Names are few in every object that we read, except in hostile text, and that is cut off here.
    if (object->size() >= kMaxMembers) Fail("An object has more than " + std::to_string(kMaxMembers) + " members.");
    for (const auto& member : *object) {
      if (member.first == name) Fail("The name \"" + Excerpt(name) + "\" appears twice in one object.");
    }
    object->emplace_back(std::move(name), JsonValue());
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    constexpr int kNumberOverflow = 406;
    if (error.id == kNumberOverflow) Fail("A number near byte " + std::to_string(position) + " is beyond the range of double precision.");
    Fail("The text is not valid JSON at byte " + std::to_string(position) + ".");
  }

  JsonValue TakeResult() { return std::move(result_); }

 private:
  static constexpr std::size_t kMaxMembers = 4096;
  static constexpr std::size_t kMaxValues = std::size_t{1} << 23;  // some 40 bytes each

  [[noreturn]] void Fail(std::string detail) const {
    throw Error(code_, std::string("invalid input for ") + what_, std::move(detail));
  }
  void CheckString(const std::string& value) const {
    if (value.find('\0') != std::string::npos) Fail("A string holds the character U+0000.");
  }
  bool Open(JsonValue value) {
    if (open_.size() >= static_cast<std::size_t>(kMaxJsonDepth)) {
      Fail("The JSON is nested more than " + std::to_string(kMaxJsonDepth) + " levels deep.");
    }
    open_.push_back(std::move(value));
    return true;
  }
  bool Close() {
    JsonValue value = std::move(open_.back());
    open_.pop_back();
    return Add(std::move(value));
  }
  bool Add(JsonValue value) {
    interrupt_.Poll();
    if (++values_ > kMaxValues) Fail("It holds more than " + std::to_string(kMaxValues) + " values.");
    if (open_.empty()) {
      result_ = std::move(value);
    } else if (JsonArray* array = open_.back().MutableArray()) {
      array->push_back(std::move(value));
    } else {
      open_.back().MutableObject()->back().second = std::move(value);
    }
    return true;
  }

  ErrorCode code_;
  const char* what_;
  const Interrupt& interrupt_;
  std::size_t values_ = 0;
  std::vector<JsonValue> open_;
  JsonValue result_;
};

// Reads one UTF-8 sequence that is known to be valid.
char32_t NextCodePoint(std::string_view text, std::size_t* at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(*at);
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t point = length == 1 ? lead : lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length && *at + i < text.size(); ++i) point = (point << 6) | (byte(*at + i) & 0x3Fu);
  *at += length;
  return point;
}

void AppendEscape(std::string* out, char32_t unit) {
  static constexpr char kDigits[] = "0123456789abcdef";
  *out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) *out += kDigits[(unit >> shift) & 0xF];
}

template <typename Number>
void AppendNumber(std::string* out, Number value) {
  char buffer[40];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  out->append(buffer, result.ptr);
}

}  // namespace

bool JsonValue::IsNumber() const {
  return std::holds_alternative<std::int64_t>(value_) || std::holds_alternative<std::uint64_t>(value_) ||
         std::holds_alternative<double>(value_);
}

double JsonValue::Number() const {
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*value);
  return std::get<double>(value_);
}

bool JsonValue::Integer(std::int64_t* out) const {
  if (const auto* value = std::get_if<std::int64_t>(&value_)) {
    *out = *value;
    return true;
  }
  if (const auto* value = std::get_if<std::uint64_t>(&value_)) {
    *out = static_cast<std::int64_t>(*value);
    return *value <= static_cast<std::uint64_t>(INT64_MAX);
  }
  const auto* value = std::get_if<double>(&value_);
  if (value == nullptr || std::floor(*value) != *value || std::abs(*value) > 0x1p53) return false;
  *out = static_cast<std::int64_t>(*value);
  return true;
}

const char* JsonValue::TypeName() const {
  if (IsNull()) return "null";
  if (Bool() != nullptr) return "a boolean";
  if (String() != nullptr) return "a string";
  if (Array() != nullptr) return "an array";
  if (Object() != nullptr) return "an object";
  return "a number";
}

JsonValue ParseJson(std::string_view text, ErrorCode code, const char* what, const Interrupt& interrupt) {
  // nlohmann takes a zero byte for the end of the text, and would not look at what follows.
  if (text.find('\0') != std::string_view::npos) {
    throw Error(code, std::string("invalid input for ") + what, "The text holds a zero byte.");
  }
  TreeBuilder builder(code, what, interrupt);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    throw Error(code, std::string("invalid input for ") + what, "The text is not valid JSON.");
  }
  return builder.TakeResult();
}

const JsonValue* Member(const JsonObject& object, std::string_view key) {
  for (const auto& [name, value] : object) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::string Shown(const JsonValue& value) {
  if (value.String() != nullptr) return Quoted(*value.String());
  if (!value.IsNumber()) return value.TypeName();
  std::string text;
  AppendJsonNumber(&text, value.Number());
  return text;
}

void AppendJsonNumber(std::string* out, double value) {
  if (!std::isfinite(value)) throw Error(ErrorCode::kInternal, "a number to be written as JSON is not finite");
  AppendNumber(out, value == 0 ? 0.0 : value);
}

void AppendJsonNumber(std::string* out, std::int64_t value) { AppendNumber(out, value); }
void AppendJsonNumber(std::string* out, std::uint64_t value) { AppendNumber(out, value); }

void AppendJsonNumbers(std::string* out, const double* values, std::size_t count) {
  *out += '[';
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) *out += ',';
    AppendJsonNumber(out, values[i]);
  }
  *out += ']';
}

void AppendJsonString(std::string* out, std::string_view utf8) {
  *out += '"';
  for (std::size_t at = 0; at < utf8.size();) {
    const char32_t point = NextCodePoint(utf8, &at);
    if (point == '"' || point == '\\') {
      *out += '\\';
      *out += static_cast<char>(point);
    } else if (point >= 0x20 && point < 0x7F) {
      *out += static_cast<char>(point);
    } else if (point < 0x10000) {
      AppendEscape(out, point);
    } else {
      AppendEscape(out, 0xD800 + ((point - 0x10000) >> 10));
      AppendEscape(out, 0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
  *out += '"';
}

}  // namespace segmentation
