#include "pg/boundary.h"

#include <cstring>
#include <exception>
#include <stdexcept>

#include "pg/progress.h"

namespace segmentation {
namespace {

static_assert(std::is_same_v<decltype(InterruptPending), volatile sig_atomic_t>, "Interrupt::pending points to this");

// The longest beginning of UTF-8 text that fits.
void CopyClipped(char* to, std::size_t room, std::string_view text) {
  std::size_t length = text.size();
  if (length >= room) {
    length = room - 1;
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  }
  if (length > 0) std::memcpy(to, text.data(), length);
  to[length] = '\0';
}

void Fill(ErrorRecord* record, ErrorCode code, std::string_view message, std::string_view detail, std::string_view hint) {
  record->is_postgres = false;
  CopyClipped(record->sqlstate, sizeof record->sqlstate, SqlState(code));
  CopyClipped(record->message, sizeof record->message, message);
  CopyClipped(record->detail, sizeof record->detail, detail);
  CopyClipped(record->hint, sizeof record->hint, hint);
}

const char* InServerEncoding(const char* utf8) { return FromUtf8(utf8).data(); }

void HandleInterrupt(void*) {
  CallPostgres([] { CHECK_FOR_INTERRUPTS(); });
}

}  // namespace

void DescribeCurrentException(ErrorRecord* record) noexcept {
  try {
    throw;
  } catch (const PostgresError&) {
    record->is_postgres = true;
  } catch (const Error& error) {
    Fill(record, error.code(), error.message(), error.detail(), error.hint());
  } catch (const std::bad_alloc&) {
    Fill(record, ErrorCode::kOutOfMemory, "out of memory", "Failed while computing a clustering.", {});
  } catch (const std::length_error&) {
    Fill(record, ErrorCode::kOutOfMemory, "out of memory", "An array would be larger than the address space.", {});
  } catch (const std::exception& error) {
    Fill(record, ErrorCode::kInternal, error.what(), {}, {});
  } catch (...) {
    Fill(record, ErrorCode::kInternal, "unknown C++ exception", {}, {});
  }
}

void RaiseError(const ErrorRecord& record) {
  if (record.is_postgres) PG_RE_THROW();
  const char* state = record.sqlstate;
  ereport(ERROR, (errcode(MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4])),
                  errmsg("%s", InServerEncoding(record.message)),
                  record.detail[0] != '\0' ? errdetail("%s", InServerEncoding(record.detail)) : 0,
                  record.hint[0] != '\0' ? errhint("%s", InServerEncoding(record.hint)) : 0));
  pg_unreachable();
}

MemoryContext AggregateContext(FunctionCallInfo fcinfo) {
  MemoryContext context;
  if (AggCheckCallContext(fcinfo, &context) == 0) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("function %s is called outside an aggregate",
                    get_func_name(fcinfo->flinfo->fn_oid))));
  }
  return context;
}

Interrupt ServerInterrupt() { return {&InterruptPending, &HandleInterrupt, nullptr, &SayProgress}; }

void* Allocate(std::size_t bytes) {
  void* memory = nullptr;
  CallPostgres([&] { memory = palloc(bytes); });
  return memory;
}

char* AllocateString(std::string_view text) {
  char* copy = static_cast<char*>(Allocate(text.size() + 1));
  if (!text.empty()) std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

std::string_view ToUtf8(std::string_view server_text) {
  char* converted = pg_server_to_any(server_text.data(), static_cast<int>(server_text.size()), PG_UTF8);
  return converted == server_text.data() ? server_text : std::string_view(converted);
}

std::string_view FromUtf8(std::string_view utf8) {
  char* converted = pg_any_to_server(utf8.data(), static_cast<int>(utf8.size()), PG_UTF8);
  return converted == utf8.data() ? utf8 : std::string_view(converted);
}

}  // namespace segmentation
