#include "core/json.h"

#include <gtest/gtest.h>

#include <bit>
#include <clocale>
#include <cmath>
#include <string>

#include "expect_error.h"
#include "test_support.h"

namespace segmentation {
namespace {

using test::ExpectError;

JsonValue Parse(std::string_view text) {
  return ParseJson(text, ErrorCode::kInvalidText, "test");
}

void ExpectInvalid(const std::string& text) {
  const Error error = ExpectError(
      ErrorCode::kInvalidText, [&] { Parse(text); }, text.substr(0, 80));
  EXPECT_EQ(error.message(), "invalid input for test");
}

// Writes any value back, in canonical form.
void Append(std::string* out, const JsonValue& value) {
  std::int64_t integer = 0;
  if (value.IsNull()) {
    *out += "null";
  } else if (value.Bool() != nullptr) {
    *out += *value.Bool() ? "true" : "false";
  } else if (value.String() != nullptr) {
    AppendJsonString(out, *value.String());
  } else if (value.Array() != nullptr) {
    *out += '[';
    for (const JsonValue& item : *value.Array()) {
      if (out->back() != '[') *out += ',';
      Append(out, item);
    }
    *out += ']';
  } else if (value.Object() != nullptr) {
    *out += '{';
    for (const auto& [name, item] : *value.Object()) {
      if (out->back() != '{') *out += ',';
      AppendJsonString(out, name);
      *out += ':';
      Append(out, item);
    }
    *out += '}';
  } else if (value.Integer(&integer)) {
    AppendJsonNumber(out, integer);
  } else {
    AppendJsonNumber(out, value.Number());
  }
}

std::string Rewritten(std::string_view text) {
  std::string out;
  Append(&out, Parse(text));
  return out;
}

TEST(ParseJson, ReadsEveryType) {
  EXPECT_TRUE(Parse("null").IsNull());
  EXPECT_TRUE(*Parse("true").Bool());
  EXPECT_FALSE(*Parse(" false ").Bool());
  EXPECT_EQ(Parse("1.5").Number(), 1.5);
  EXPECT_EQ(Parse("-3").Number(), -3.0);
  EXPECT_EQ(*Parse(R"("a\n\u00e9\ud83d\ude00")").String(), "a\n\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(Parse("[1,[],{}]").Array()->size(), 3u);
  const JsonValue object = Parse(R"({"b":1,"a":2})");
  ASSERT_EQ(object.Object()->size(), 2u);
  EXPECT_EQ(object.Object()->front().first, "b");  // in the order of the text
  EXPECT_STREQ(Parse("[]").TypeName(), "an array");
  EXPECT_STREQ(Parse("{}").TypeName(), "an object");
  EXPECT_STREQ(Parse("\"\"").TypeName(), "a string");
  EXPECT_STREQ(Parse("0").TypeName(), "a number");
  EXPECT_STREQ(Parse("null").TypeName(), "null");
  EXPECT_STREQ(Parse("true").TypeName(), "a boolean");
}

TEST(ParseJson, KeepsWholeNumbersExactly) {
  std::int64_t value = 0;
  ASSERT_TRUE(Parse("9223372036854775807").Integer(&value));
  EXPECT_EQ(value, INT64_MAX);
  ASSERT_TRUE(Parse("-9223372036854775808").Integer(&value));
  EXPECT_EQ(value, INT64_MIN);
  EXPECT_FALSE(Parse("9223372036854775808").Integer(&value));
  EXPECT_EQ(Parse("18446744073709551615").Number(), 0x1p64);
  EXPECT_EQ(Parse("18446744073709551616").Number(), 0x1p64);  // no longer an integer of 64 bits
  ASSERT_TRUE(Parse("1e3").Integer(&value));
  EXPECT_EQ(value, 1000);
  EXPECT_FALSE(Parse("1.5").Integer(&value));
  EXPECT_FALSE(Parse("1e300").Integer(&value));
  EXPECT_FALSE(Parse("\"1\"").Integer(&value));
}

TEST(ParseJson, RoundsNumbersToTheNearestDouble) {
  EXPECT_EQ(Parse("0.1").Number(), 0.1);
  EXPECT_EQ(Parse("4.9406564584124654e-324").Number(), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(Parse("1.7976931348623157e308").Number(), std::numeric_limits<double>::max());
  EXPECT_EQ(Parse("9007199254740993").Number(), 9007199254740992.0);        // 2^53 + 1, a tie, to even
  EXPECT_EQ(Parse("1.00000000000000011102230246251565404").Number(), 1.0);  // just below 1 + 2^-53
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[1,]",
                           "[1 2]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{a:1}",
                           "{'a':1}",
                           "nul",
                           "tru",
                           "+1",
                           "01",
                           ".5",
                           "1.",
                           "1e",
                           "0x10",
                           "NaN",
                           "Infinity",
                           "-Infinity",
                           "nan",
                           "\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"a\nb\"",
                           "1 2",
                           "[] []",
                           "/**/1",
                           "1//",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0041\"",
                           "{\"a\":1,}",
                           "[,1]",
                           "-",
                           "--1",
                           "\t\v1"}) {
    ExpectInvalid(text);
  }
  ExpectInvalid("\"\xFF\"");              // not UTF-8
  ExpectInvalid("\"\xC0\xAF\"");          // longer than need be
  ExpectInvalid("\"\xED\xA0\x80\"");      // a surrogate
  ExpectInvalid("\"\xF4\x90\x80\x80\"");  // beyond U+10FFFF
  ExpectInvalid(std::string("1\0", 2));
  ExpectInvalid(std::string("1\0 garbage", 10));
  ExpectInvalid(std::string("\"a\0b\"", 5));
}

TEST(ParseJson, RefusesWhatCannotBeStored) {
  for (const char* text : {"1e999", "-1e999", "[1e400]", "1.8e308", "\"\\u0000\"", "{\"\\u0000\":1}"}) ExpectInvalid(text);
}

TEST(ParseJson, RefusesNamesThatAppearTwice) {
  ExpectInvalid(R"({"a":1,"a":1})");
  ExpectInvalid(R"({"a":1,"b":{"c":1,"d":2,"c":3}})");
  ExpectInvalid(R"({"a":1,"\u0061":2})");
  EXPECT_EQ(Rewritten(R"([{"a":1},{"a":2}])"), R"([{"a":1},{"a":2}])");  // in two objects it may
}

TEST(ParseJson, LimitsDepthAndMembers) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
  };
  EXPECT_EQ(Rewritten(nested(kMaxJsonDepth)), nested(kMaxJsonDepth));
  ExpectInvalid(nested(kMaxJsonDepth + 1));
  ExpectInvalid(std::string(10'000'000, '['));
  std::string object = "{";
  for (int i = 0; i < 5000; ++i) object += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":0";
  ExpectInvalid(object + "}");
}

TEST(ParseJson, TheCallerSaysTheCode) {
  ExpectError(ErrorCode::kInvalidBinary, [] { ParseJson("{", ErrorCode::kInvalidBinary, "x"); });
  ExpectError(ErrorCode::kInvalidParameter, [] { ParseJson("{", ErrorCode::kInvalidParameter, "x"); });
}

const char* const kDocument =
    R"({"a":[1,-2.5,1e-300,[]],"b":{"c":"x\"\\\u00e9\ud83d\ude00\n","d":null},"e":true,"f":[false,{}]})";

TEST(ParseJson, TruncatedAnywhereIsAnError) {
  const std::string text = Rewritten(kDocument);
  for (std::size_t size = 0; size < text.size(); ++size) ExpectInvalid(text.substr(0, size));
}

TEST(ParseJson, DamagedTextIsReadOrRefused) {
  test::Random random(5);
  const std::string text = kDocument;
  int refused = 0;
  int read = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = text;
    for (std::size_t hits = 1 + random.Below(3); hits > 0; --hits) {
      const std::size_t at = random.Below(damaged.size());
      if (random.Below(2) == 0) {
        damaged[at] = static_cast<char>(random.Bits());
      } else {
        damaged[at] = text[random.Below(text.size())];
      }
    }
    try {
      const std::string out = Rewritten(damaged);
      EXPECT_EQ(Rewritten(out), out);
      ++read;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidText);
      ++refused;
    }
  }
  EXPECT_GT(read, 100);  // both ways were taken
  EXPECT_GT(refused, 100);
}

TEST(ParseJson, DoesNotLookAtTheLocale) {
  const std::string before = std::setlocale(LC_NUMERIC, nullptr);
  const char* set = nullptr;
  for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8", "ps_AF"}) {
    if (set == nullptr) set = std::setlocale(LC_NUMERIC, name);
  }
  std::string written;
  AppendJsonNumber(&written, 1.5);
  const double read = Parse("[2.5e-1]").Array()->front().Number();
  std::setlocale(LC_NUMERIC, before.c_str());
  EXPECT_EQ(written, "1.5");
  EXPECT_EQ(read, 0.25);
  if (set == nullptr) GTEST_SKIP() << "no locale with a decimal comma on this machine; checked in C only";
}

TEST(AppendJson, WritesTheShortestNumbers) {
  const auto written = [](double value) {
    std::string text;
    AppendJsonNumber(&text, value);
    return text;
  };
  EXPECT_EQ(written(0.1), "0.1");
  EXPECT_EQ(written(-0.0), "0");
  EXPECT_EQ(written(1), "1");
  EXPECT_EQ(written(1e22), "1e+22");
  EXPECT_EQ(written(123456), "123456");
  EXPECT_EQ(written(std::numeric_limits<double>::denorm_min()), "5e-324");
  EXPECT_EQ(written(1.0 / 3), "0.3333333333333333");
  std::string text;
  AppendJsonNumber(&text, INT64_MIN);
  AppendJsonNumber(&text, UINT64_MAX);
  EXPECT_EQ(text, "-922337203685477580818446744073709551615");
  for (double value : {test::kNaN, test::kInf, -test::kInf}) ExpectError(ErrorCode::kInternal, [&] { written(value); });
}

TEST(AppendJson, EveryDoubleComesBack) {
  test::Random random(6);
  for (int i = 0; i < 200'000; ++i) {
    const double value = std::bit_cast<double>(random.Bits());
    if (!std::isfinite(value)) continue;
    std::string text;
    AppendJsonNumber(&text, value);
    const double back = Parse(text).Number();
    ASSERT_EQ(std::bit_cast<std::uint64_t>(back), std::bit_cast<std::uint64_t>(value)) << text;
    std::string again;
    AppendJsonNumber(&again, back);
    ASSERT_EQ(again, text);
  }
}

void AppendUtf8(std::string* out, std::uint32_t point) {
  const auto put = [&](std::uint32_t byte) { *out += static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | point >> 6), put(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    put(0xE0 | point >> 12), put(0x80 | (point >> 6 & 0x3F)), put(0x80 | (point & 0x3F));
  } else {
    put(0xF0 | point >> 18), put(0x80 | (point >> 12 & 0x3F)), put(0x80 | (point >> 6 & 0x3F)), put(0x80 | (point & 0x3F));
  }
}

TEST(AppendJson, EveryCodePointComesBackFromAscii) {
  for (std::uint32_t point = 1; point <= 0x10FFFF; ++point) {
    if (point >= 0xD800 && point <= 0xDFFF) continue;  // surrogates are no characters
    std::string character;
    AppendUtf8(&character, point);
    std::string text;
    AppendJsonString(&text, character);
    for (char byte : text) ASSERT_TRUE(byte >= 0x20 && byte < 0x7F) << point;
    ASSERT_EQ(*Parse(text).String(), character) << point;
  }
}

}  // namespace
}  // namespace segmentation
