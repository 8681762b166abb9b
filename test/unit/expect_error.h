// That something throws an Error of a certain class, and says it in PostgreSQL's style.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <string>

#include "core/error.h"

namespace segmentation::test {

// Runs f; returns the error for further looks.
template <typename F>
Error ExpectError(ErrorCode code, F f, const std::string& context = {}) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_STREQ(SqlState(error.code()), SqlState(code)) << context << ": " << error.message() << " / " << error.detail();
    const std::string& message = error.message();
    EXPECT_FALSE(message.empty()) << context;
    EXPECT_TRUE(!message.empty() && std::isupper(static_cast<unsigned char>(message.front())) == 0) << message;
    EXPECT_TRUE(!message.empty() && message.back() != '.') << message;
    EXPECT_TRUE(error.detail().empty() || error.detail().back() == '.') << error.detail();
    EXPECT_TRUE(error.hint().empty() || error.hint().back() == '.') << error.hint();
    return error;
  }
  ADD_FAILURE() << "no error was thrown: " << context;
  return Error(ErrorCode::kInternal, "");
}

}  // namespace segmentation::test
