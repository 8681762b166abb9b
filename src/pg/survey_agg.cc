// segmentation.survey(key, weight, numbers, categories, request): what is in a table, from one pass (core/survey.h).
//
// The state is `internal`, so that nobody can hand it bytes of their own; it is flat memory in the aggregate's context. The rows of the
// sample lie in blocks of their own, which go as rows with lower keys come.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/hash.h"
#include "core/survey.h"
#include "pg/fit_request.h"
#include "pg/progress.h"
#include "pg/row_sample.h"
#include "pg/settings.h"

namespace segmentation {
namespace {

// What travels between processes, followed by the arrays, the request, and the rows.
struct SurveyHead {
  std::uint32_t numbers, categories;
  std::uint64_t request_bytes;
  std::uint64_t capacity;  // of the sample
  std::uint64_t rows, ignored;
  std::uint64_t fingerprint[2];
  std::uint64_t sampled;
};

struct SurveyState {
  SurveyHead head;
  std::uint64_t* missing;  // numbers, then categories
  double* low;             // numbers
  double* high;
  char* request;           // JSON text in UTF-8
  RowSample sample;
  std::uint64_t running;   // numbers rows without a key
};

std::size_t ColumnsOf(const SurveyHead& head) { return std::size_t{head.numbers} + head.categories; }

// A state without rows for these columns; the head's request has to be copied by the caller.
SurveyState* NewState(MemoryContext context, const SurveyHead& shape, const char* request) {
  MemoryContext outer = MemoryContextSwitchTo(context);
  auto* state = static_cast<SurveyState*>(palloc0(sizeof(SurveyState)));
  state->head.numbers = shape.numbers;
  state->head.categories = shape.categories;
  state->head.request_bytes = shape.request_bytes;
  state->head.capacity = shape.capacity;
  state->missing = static_cast<std::uint64_t*>(palloc0((ColumnsOf(shape) + 1) * sizeof(std::uint64_t)));
  state->low = static_cast<double*>(palloc((shape.numbers + 1) * sizeof(double)));
  state->high = static_cast<double*>(palloc((shape.numbers + 1) * sizeof(double)));
  for (std::uint32_t j = 0; j < shape.numbers; ++j) {
    state->low[j] = std::numeric_limits<double>::infinity();
    state->high[j] = -std::numeric_limits<double>::infinity();
  }
  state->request = static_cast<char*>(palloc(shape.request_bytes + 1));
  std::memcpy(state->request, request, shape.request_bytes);
  InitSample(&state->sample, context, shape.capacity);
  MemoryContextSwitchTo(outer);
  return state;
}

SurveyState* StartState(FunctionCallInfo fcinfo, MemoryContext context, const RowArrays& row) {
  if (PG_ARGISNULL(5)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("request of a survey must not be null")));
  const std::string_view request = OptionsText(reinterpret_cast<struct varlena*>(PG_GETARG_JSONB_P(5)));
  std::size_t numbers = 0;
  std::size_t categories = 0;
  CallCore([&] {
    const SurveyRequest parsed = ParseSurveyRequest(request);
    numbers = parsed.numbers.size();
    categories = parsed.categories.size();
  });
  if (numbers != static_cast<std::size_t>(row.numbers.length) || categories != static_cast<std::size_t>(row.text_count)) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("columns of a survey do not match its request"),
                    errdetail("A row has %d numbers and %d categories, and the request names %d and %d.", row.numbers.length, row.text_count,
                              static_cast<int>(numbers), static_cast<int>(categories))));
  }
  const std::uint64_t row_bytes = 64 + 8 * numbers + 32 * categories;
  SurveyHead shape{};
  shape.numbers = static_cast<std::uint32_t>(numbers);
  shape.categories = static_cast<std::uint32_t>(categories);
  shape.request_bytes = request.size();
  shape.capacity = std::clamp<std::uint64_t>(TrainMemoryBytes() / 2 / row_bytes, kSmallestSample, kSurveyRows);
  return NewState(context, shape, request.data());
}

// Counts the row, which is given as bytes.
void CountRow(SurveyState* state, const char* row) {
  SampleRowReader reader(row);
  reader.SkipNumbers(1);
  for (std::uint32_t j = 0; j < state->head.numbers; ++j) {
    const double number = reader.Number();
    if (std::isfinite(number)) {
      state->low[j] = std::min(state->low[j], number);
      state->high[j] = std::max(state->high[j], number);
    } else {
      ++state->missing[j];
    }
  }
  for (std::uint32_t j = 0; j < state->head.categories; ++j) {
    std::string_view text;
    if (reader.Text(&text) == kMissingText) ++state->missing[state->head.numbers + j];
  }
  ++state->head.rows;
}

// Adds what another process, or another state, has found.
void Merge(SurveyState* state, const SurveyState* other) {
  if (state->head.numbers != other->head.numbers || state->head.categories != other->head.categories ||
      state->head.request_bytes != other->head.request_bytes ||
      std::memcmp(state->request, other->request, state->head.request_bytes) != 0) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("request of a survey must be the same for all rows")));
  }
  state->sample.capacity = std::min(state->sample.capacity, other->sample.capacity);
  state->head.rows += other->head.rows;
  state->head.ignored += other->head.ignored;
  for (int i = 0; i < 2; ++i) state->head.fingerprint[i] += other->head.fingerprint[i];
  for (std::size_t j = 0; j < ColumnsOf(state->head); ++j) state->missing[j] += other->missing[j];
  for (std::uint32_t j = 0; j < state->head.numbers; ++j) {
    state->low[j] = std::min(state->low[j], other->low[j]);
    state->high[j] = std::max(state->high[j], other->high[j]);
  }
  for (std::uint64_t i = 0; i < other->sample.count; ++i) {
    const SampledRow& row = other->sample.rows[i];
    AddToSample(&state->sample, row.key, row.row, row.bytes);
    LimitMemory(&state->sample);
  }
}

SurveyState* StateArgument(FunctionCallInfo fcinfo, int argument) {
  return PG_ARGISNULL(argument) ? nullptr : reinterpret_cast<SurveyState*>(PG_GETARG_POINTER(argument));
}

}  // namespace

// (state, key, weight, numbers, categories, request)
SEGMENTATION_FUNCTION(survey_accum) {
  MemoryContext context = AggregateContext(fcinfo);
  const RowArrays row = ReadRowArrays(fcinfo, 3, "survey");
  SurveyState* state = StateArgument(fcinfo, 0);
  if (state == nullptr) state = StartState(fcinfo, context, row);
  if (static_cast<std::uint32_t>(row.numbers.length) != state->head.numbers || static_cast<std::uint32_t>(row.text_count) != state->head.categories) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("columns of a survey must be the same for all rows")));
  }
  const double weight = PG_ARGISNULL(2) ? 0 : PG_GETARG_FLOAT8(2);
  if (!(weight > 0) || !std::isfinite(weight)) {
    ++state->head.ignored;
    PG_RETURN_POINTER(state);
  }
  auto* bytes = static_cast<char*>(palloc(SampleRowRoom(state->head.numbers, state->head.categories)));
  const std::uint64_t length = WriteSampleRow(row, weight, bytes);
  CountRow(state, bytes);
  constexpr std::uint64_t kSeeds[2] = {0x5EED0001, 0x5EED0002};
  const std::uint64_t content = HashBytes(bytes, length, kSeeds[0]);
  state->head.fingerprint[0] += content;
  state->head.fingerprint[1] += HashBytes(bytes, length, kSeeds[1]);
  const RowIdentity identity = {!PG_ARGISNULL(1), PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1), content};
  AddToSample(&state->sample, SampleKey(identity, &state->running), bytes, length);
  LimitMemory(&state->sample);
  pfree(bytes);
  if (unlikely(state->head.rows % kRowsPerReport == 0)) SayRowsRead("survey", state->head.rows);
  PG_RETURN_POINTER(state);
}

SEGMENTATION_FUNCTION(survey_combine) {
  MemoryContext context = AggregateContext(fcinfo);
  SurveyState* state = StateArgument(fcinfo, 0);
  const SurveyState* other = StateArgument(fcinfo, 1);
  if (other != nullptr) {
    if (state == nullptr) state = NewState(context, other->head, other->request);
    Merge(state, other);
  }
  if (state == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(state);
}

SEGMENTATION_FUNCTION(survey_serialize) {
  AggregateContext(fcinfo);
  auto* state = reinterpret_cast<SurveyState*>(PG_GETARG_POINTER(0));
  Thin(&state->sample);
  state->head.capacity = state->sample.capacity;
  state->head.sampled = state->sample.count;
  const std::size_t bytes = sizeof(SurveyHead) + ColumnsOf(state->head) * 8 + std::size_t{state->head.numbers} * 16 + state->head.request_bytes +
                            SampleBytes(state->sample);
  if (bytes > MaxAllocSize - VARHDRSZ) ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("survey is too large")));
  auto* value = static_cast<struct varlena*>(palloc(VARHDRSZ + bytes));
  SET_VARSIZE(value, VARHDRSZ + bytes);
  char* at = VARDATA(value);
  const auto put = [&at](const void* from, std::size_t size) {
    std::memcpy(at, from, size);
    at += size;
  };
  put(&state->head, sizeof(SurveyHead));
  put(state->missing, ColumnsOf(state->head) * 8);
  put(state->low, std::size_t{state->head.numbers} * 8);
  put(state->high, std::size_t{state->head.numbers} * 8);
  put(state->request, state->head.request_bytes);
  WriteSample(state->sample, at);
  PG_RETURN_POINTER(value);
}

SEGMENTATION_FUNCTION(survey_deserialize) {
  AggregateContext(fcinfo);
  PartialReader reader(reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0))));
  SurveyHead head;
  reader.Copy(&head, sizeof head);
  const std::size_t missing_bytes = ColumnsOf(head) * 8;
  const char* missing = reader.Take(missing_bytes);
  const char* low = reader.Take(std::size_t{head.numbers} * 8);
  const char* high = reader.Take(std::size_t{head.numbers} * 8);
  SurveyState* state = NewState(CurrentMemoryContext, head, reader.Take(head.request_bytes));
  std::memcpy(state->missing, missing, missing_bytes);
  std::memcpy(state->low, low, std::size_t{head.numbers} * 8);
  std::memcpy(state->high, high, std::size_t{head.numbers} * 8);
  state->head.rows = head.rows;
  state->head.ignored = head.ignored;
  std::memcpy(state->head.fingerprint, head.fingerprint, sizeof head.fingerprint);
  for (std::uint64_t i = 0; i < head.sampled; ++i) {
    const SampledRow row = ReadRow(&reader);
    AddToSample(&state->sample, row.key, row.row, row.bytes);
  }
  PG_RETURN_POINTER(state);
}

SEGMENTATION_FUNCTION(survey_final) {
  AggregateContext(fcinfo);
  SurveyState* state = StateArgument(fcinfo, 0);
  if (state == nullptr) PG_RETURN_NULL();
  Thin(&state->sample);
  SortSample(&state->sample);
  char* json = nullptr;
  CallCore([&] {
    const SurveyHead& head = state->head;
    SurveyTotals totals;
    totals.rows = head.rows;
    totals.ignored = head.ignored;
    std::copy_n(head.fingerprint, 2, totals.fingerprint);
    totals.missing.assign(state->missing, state->missing + ColumnsOf(head));
    totals.low.assign(state->low, state->low + head.numbers);
    totals.high.assign(state->high, state->high + head.numbers);
    std::vector<const char*> rows;
    for (std::uint64_t i = 0; i < state->sample.count; ++i) {
      const SampledRow& sampled = state->sample.rows[i];
      rows.push_back(sampled.row);
      if (i > 0 && sampled.key == state->sample.rows[i - 1].key) ++totals.same_key;
    }
    const SurveyRequest request = ParseSurveyRequest(std::string_view(state->request, head.request_bytes));
    json = AllocateString(SurveyJson(totals, rows, request, ServerInterrupt()));
  });
  PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

}  // namespace segmentation
