// The boundary between PostgreSQL, whose errors jump (longjmp) over frames, and C++, whose objects must be destroyed.
//
// Two regimes:
//   - The body of an entry point is PostgreSQL's: it calls the server freely, and nothing with a destructor lives in it.
//   - CallCore(lambda) enters C++: inside, everything of C++ goes, exceptions too; the server is called only through
//     CallPostgres(lambda), for coarse calls, and nothing with a destructor lives in *that* lambda.
// An Error thrown by the core leaves CallCore as ereport(ERROR), with its SQLSTATE, message, detail and hint, after the last
// C++ frame is gone. An error raised by the server inside CallPostgres travels through C++ as an exception and leaves
// CallCore as the error it was.
#pragma once

#include <new>
#include <string_view>
#include <type_traits>

#include "core/error.h"
#include "core/interrupt.h"
#include "pg/pg_includes.h"

namespace segmentation {

// Makes the SQL entry point segmentation_<name>; the body follows, with `fcinfo` as its argument. The only way to make one.
#define SEGMENTATION_FUNCTION(name)                                                    \
  static Datum segmentation_body_##name(FunctionCallInfo fcinfo);                      \
  extern "C" {                                                                         \
  PGDLLEXPORT Datum segmentation_##name(PG_FUNCTION_ARGS);                             \
  PG_FUNCTION_INFO_V1(segmentation_##name);                                            \
  }                                                                                    \
  Datum segmentation_##name(PG_FUNCTION_ARGS) { return segmentation_body_##name(fcinfo); } \
  static Datum segmentation_body_##name(FunctionCallInfo fcinfo)

// An exception as plain data.
struct ErrorRecord {
  bool is_postgres;  // the server still holds it; nothing below is set
  char sqlstate[6];
  char message[1024];
  char detail[1024];
  char hint[1024];
};

// Thrown by CallPostgres when the server raised an error, which stays on the server's own error stack meanwhile.
struct PostgresError {};

// Writes down the exception that is being handled. The one catch ladder.
void DescribeCurrentException(ErrorRecord* record) noexcept;

// Raises what was written down. No C++ frame may be above.
[[noreturn]] void RaiseError(const ErrorRecord& record);

template <typename Body>
void CallCore(Body&& body) {
  static_assert(std::is_trivially_destructible_v<std::remove_reference_t<Body>>, "capture by reference");
  ErrorRecord record;
  try {
    body();
    return;
  } catch (...) {
    DescribeCurrentException(&record);
  }
  RaiseError(record);
}

template <typename Body>
__attribute__((noinline)) void CallPostgres(Body&& body) {
  static_assert(std::is_trivially_destructible_v<std::remove_reference_t<Body>>, "capture by reference");
  sigjmp_buf* const outer_stack = PG_exception_stack;
  ErrorContextCallback* const outer_context = error_context_stack;
  sigjmp_buf here;
  if (sigsetjmp(here, 0) == 0) {
    PG_exception_stack = &here;
    body();
    PG_exception_stack = outer_stack;
    error_context_stack = outer_context;
    return;
  }
  PG_exception_stack = outer_stack;
  error_context_stack = outer_context;
  throw PostgresError();
}

// Where an aggregate's state lives, in the PostgreSQL regime. Raises 0A000 outside an aggregate.
MemoryContext AggregateContext(FunctionCallInfo fcinfo);

// For the core's loops: notices a cancel, a termination, a timeout.
Interrupt ServerInterrupt();

// palloc in the current context, from inside C++.
void* Allocate(std::size_t bytes);

// A NUL-terminated palloc'd copy, from inside C++.
char* AllocateString(std::string_view text);

// Server encoding to UTF-8 and back, in the PostgreSQL regime; the argument itself where nothing needs to change. Not
// always NUL-terminated where the argument is not.
std::string_view ToUtf8(std::string_view server_text);
std::string_view FromUtf8(std::string_view utf8);

}  // namespace segmentation
