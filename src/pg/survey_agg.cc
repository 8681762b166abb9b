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
#include "pg/array_arg.h"
#include "pg/boundary.h"
#include "pg/fit_request.h"
#include "pg/progress.h"
#include "pg/settings.h"

namespace segmentation {
namespace {

// However little memory there is.
constexpr std::uint64_t kSmallestSample = 1000;

struct SampledRow {
  std::uint64_t key;
  std::uint64_t bytes;
  char* row;  // core/survey.h

  bool operator<(const SampledRow& other) const {
    if (key != other.key) return key < other.key;
    const int order = std::memcmp(row, other.row, std::min(bytes, other.bytes));
    return order != 0 ? order < 0 : bytes < other.bytes;
  }
};

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
  MemoryContext context;
  std::uint64_t* missing;  // numbers, then categories
  double* low;             // numbers
  double* high;
  char* request;           // JSON text in UTF-8
  SampledRow* sample;      // head.sampled rows, room for `room`
  std::uint64_t room;
  std::uint64_t threshold; // keys above have no chance
  std::uint64_t bytes;     // that the rows of the sample take
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
  state->context = context;
  state->missing = static_cast<std::uint64_t*>(palloc0((ColumnsOf(shape) + 1) * sizeof(std::uint64_t)));
  state->low = static_cast<double*>(palloc((shape.numbers + 1) * sizeof(double)));
  state->high = static_cast<double*>(palloc((shape.numbers + 1) * sizeof(double)));
  for (std::uint32_t j = 0; j < shape.numbers; ++j) {
    state->low[j] = std::numeric_limits<double>::infinity();
    state->high[j] = -std::numeric_limits<double>::infinity();
  }
  state->request = static_cast<char*>(palloc(shape.request_bytes + 1));
  std::memcpy(state->request, request, shape.request_bytes);
  state->room = 1024;
  state->sample = static_cast<SampledRow*>(palloc(state->room * sizeof(SampledRow)));
  state->threshold = UINT64_MAX;
  MemoryContextSwitchTo(outer);
  return state;
}

// What a row takes, the server's own rounding included.
std::uint64_t BytesOf(std::uint64_t row) { return row + row / 2 + sizeof(SampledRow); }

// Throws out all but the rows with the lowest keys.
void Thin(SurveyState* state) {
  const std::uint64_t keep = state->head.capacity;
  if (state->head.sampled <= keep) return;
  std::nth_element(state->sample, state->sample + keep - 1, state->sample + state->head.sampled);
  for (std::uint64_t i = keep; i < state->head.sampled; ++i) {
    state->bytes -= BytesOf(state->sample[i].bytes);
    pfree(state->sample[i].row);
  }
  state->head.sampled = keep;
  state->threshold = state->sample[keep - 1].key;
}

void AddToSample(SurveyState* state, std::uint64_t key, const char* row, std::uint64_t bytes) {
  if (key > state->threshold) return;
  if (state->head.sampled == state->room) {
    if (state->room >= 2 * state->head.capacity) {
      Thin(state);
      if (key > state->threshold) return;
    } else {
      state->room = std::min(2 * state->room, 2 * state->head.capacity);
      state->sample = static_cast<SampledRow*>(repalloc_huge(state->sample, state->room * sizeof(SampledRow)));
    }
  }
  auto* copy = static_cast<char*>(MemoryContextAlloc(state->context, bytes));
  std::memcpy(copy, row, bytes);
  state->sample[state->head.sampled++] = {key, bytes, copy};
  state->bytes += BytesOf(bytes);
  // Rows that are wider than was thought: a smaller sample. It is as good, but no longer the same in every plan.
  if (unlikely(state->bytes > TrainMemoryBytes()) && state->head.sampled > kSmallestSample) {
    state->head.capacity = std::min(state->head.capacity, std::max(kSmallestSample, state->head.sampled / 2));
    Thin(state);
  }
}

// The arrays of one row; nulls where an argument is NULL.
struct RowArrays {
  FeatureArray numbers;
  Datum* texts;
  bool* text_nulls;
  int text_count;
};

RowArrays ReadArrays(FunctionCallInfo fcinfo) {
  RowArrays row{};
  if (PG_ARGISNULL(3) || PG_ARGISNULL(4)) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("columns of a survey must not be null"),
                    errhint("Values may be: give arrays of them.")));
  }
  ArrayType* numbers = PG_GETARG_ARRAYTYPE_P(3);
  if (ARR_NDIM(numbers) > 0) row.numbers = ReadFeatures(numbers);
  ArrayType* texts = PG_GETARG_ARRAYTYPE_P(4);
  if (ARR_NDIM(texts) > 1) ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("categories must be a one-dimensional array")));
  deconstruct_array(texts, TEXTOID, -1, false, TYPALIGN_INT, &row.texts, &row.text_nulls, &row.text_count);
  return row;
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

// Counts the row, and writes it as bytes; the result is their number. `to` has room for RowRoom().
std::uint64_t CountRow(SurveyState* state, const RowArrays& row, double weight, char* to) {
  char* at = to;
  std::memcpy(at, &weight, sizeof weight);
  at += sizeof weight;
  const double* value = row.numbers.values;
  for (std::uint32_t j = 0; j < state->head.numbers; ++j) {
    double number = std::numeric_limits<double>::quiet_NaN();
    if (!row.numbers.IsNull(static_cast<int>(j)) && std::isfinite(*value++)) number = value[-1] + 0.0;
    if (std::isfinite(number)) {
      state->low[j] = std::min(state->low[j], number);
      state->high[j] = std::max(state->high[j], number);
    } else {
      ++state->missing[j];
    }
    std::memcpy(at, &number, sizeof number);
    at += sizeof number;
  }
  for (std::uint32_t j = 0; j < state->head.categories; ++j) {
    std::uint32_t length = kMissingText;
    std::string_view text;
    if (row.text_nulls[j]) {
      ++state->missing[state->head.numbers + j];
    } else {
      auto* datum = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(row.texts[j]));
      text = ToUtf8(std::string_view(VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum)));
      length = text.size() > kLongestLevel ? kLongText : static_cast<std::uint32_t>(text.size());
    }
    std::memcpy(at, &length, sizeof length);
    at += sizeof length;
    if (length >= kLongText) continue;
    std::memcpy(at, text.data(), length);
    at += length;
  }
  ++state->head.rows;
  return static_cast<std::uint64_t>(at - to);
}

std::size_t RowRoom(const SurveyHead& head) { return 8 + 8 * std::size_t{head.numbers} + (4 + kLongestLevel) * std::size_t{head.categories}; }

// Adds what another process, or another state, has found.
void Merge(SurveyState* state, const SurveyState* other) {
  if (state->head.numbers != other->head.numbers || state->head.categories != other->head.categories ||
      state->head.request_bytes != other->head.request_bytes ||
      std::memcmp(state->request, other->request, state->head.request_bytes) != 0) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("request of a survey must be the same for all rows")));
  }
  state->head.capacity = std::min(state->head.capacity, other->head.capacity);
  state->head.rows += other->head.rows;
  state->head.ignored += other->head.ignored;
  for (int i = 0; i < 2; ++i) state->head.fingerprint[i] += other->head.fingerprint[i];
  for (std::size_t j = 0; j < ColumnsOf(state->head); ++j) state->missing[j] += other->missing[j];
  for (std::uint32_t j = 0; j < state->head.numbers; ++j) {
    state->low[j] = std::min(state->low[j], other->low[j]);
    state->high[j] = std::max(state->high[j], other->high[j]);
  }
  for (std::uint64_t i = 0; i < other->head.sampled; ++i) {
    AddToSample(state, other->sample[i].key, other->sample[i].row, other->sample[i].bytes);
  }
}

// Reading what Serialize wrote, part by part.
class Reader {
 public:
  explicit Reader(const struct varlena* value) : at_(VARDATA_ANY(value)), end_(at_ + VARSIZE_ANY_EXHDR(value)) {}
  const char* Take(std::size_t bytes) {
    if (static_cast<std::size_t>(end_ - at_) < bytes) elog(ERROR, "partial survey is too short");
    const char* from = at_;
    at_ += bytes;
    return from;
  }
  void Copy(void* to, std::size_t bytes) { std::memcpy(to, Take(bytes), bytes); }

 private:
  const char* at_;
  const char* end_;
};

SurveyState* StateArgument(FunctionCallInfo fcinfo, int argument) {
  return PG_ARGISNULL(argument) ? nullptr : reinterpret_cast<SurveyState*>(PG_GETARG_POINTER(argument));
}

}  // namespace

// (state, key, weight, numbers, categories, request)
SEGMENTATION_FUNCTION(survey_accum) {
  MemoryContext context = AggregateContext(fcinfo);
  const RowArrays row = ReadArrays(fcinfo);
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
  auto* bytes = static_cast<char*>(palloc(RowRoom(state->head)));
  const std::uint64_t length = CountRow(state, row, weight, bytes);
  constexpr std::uint64_t kSeeds[2] = {0x5EED0001, 0x5EED0002};
  const std::uint64_t content = HashBytes(bytes, length, kSeeds[0]);
  state->head.fingerprint[0] += content;
  state->head.fingerprint[1] += HashBytes(bytes, length, kSeeds[1]);
  // Rows that nothing tells apart are told apart by when they come.
  const std::uint64_t identity =
      PG_ARGISNULL(1) ? HashStep(content, (++state->running << 16) + static_cast<std::uint64_t>(ParallelWorkerNumber + 1))
                      : static_cast<std::uint64_t>(PG_GETARG_INT64(1));
  AddToSample(state, HashFinish(HashStep(kSeeds[0], identity), 8), bytes, length);
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
  Thin(state);
  const std::size_t fixed = sizeof(SurveyHead) + ColumnsOf(state->head) * 8 + std::size_t{state->head.numbers} * 16 + state->head.request_bytes;
  std::size_t bytes = fixed;
  for (std::uint64_t i = 0; i < state->head.sampled; ++i) bytes += 16 + state->sample[i].bytes;
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
  for (std::uint64_t i = 0; i < state->head.sampled; ++i) {
    put(&state->sample[i].key, 8);
    put(&state->sample[i].bytes, 8);
    put(state->sample[i].row, state->sample[i].bytes);
  }
  PG_RETURN_POINTER(value);
}

SEGMENTATION_FUNCTION(survey_deserialize) {
  AggregateContext(fcinfo);
  Reader reader(reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0))));
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
    std::uint64_t prefix[2];
    reader.Copy(prefix, sizeof prefix);
    AddToSample(state, prefix[0], reader.Take(prefix[1]), prefix[1]);
  }
  PG_RETURN_POINTER(state);
}

SEGMENTATION_FUNCTION(survey_final) {
  AggregateContext(fcinfo);
  SurveyState* state = StateArgument(fcinfo, 0);
  if (state == nullptr) PG_RETURN_NULL();
  Thin(state);
  std::sort(state->sample, state->sample + state->head.sampled);
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
    for (std::uint64_t i = 0; i < head.sampled; ++i) {
      rows.push_back(state->sample[i].row);
      if (i > 0 && state->sample[i].key == state->sample[i - 1].key) ++totals.same_key;
    }
    const SurveyRequest request = ParseSurveyRequest(std::string_view(state->request, head.request_bytes));
    json = AllocateString(SurveyJson(totals, rows, request, ServerInterrupt()));
  });
  PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

}  // namespace segmentation
