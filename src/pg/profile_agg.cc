// segmentation.profile(segment, key, weight, numbers, categories, request): what the customers of each segment are like, from one pass
// (core/profile.h); and segmentation.outcome_value, which checks an outcome.
//
// The state is `internal`, so that nobody can hand it bytes of their own; it is flat memory in the aggregate's context.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/hash.h"
#include "core/profile.h"
#include "pg/fit_request.h"
#include "pg/progress.h"
#include "pg/row_sample.h"
#include "pg/settings.h"

namespace segmentation {
namespace {

// What travels between processes, followed by the totals, the ids, the request, the numbers of sampled rows by segment, and those rows.
struct ProfileHead {
  std::uint64_t segments, numbers, categories;
  std::uint64_t request_bytes;
  std::uint64_t capacity;  // of the samples
  std::uint64_t ignored;   // rows
  std::uint64_t has_outcome;
};

struct ProfileState {
  ProfileHead head;
  SegmentTotals* segments;
  NumberTotals* numbers;  // segment by segment
  std::int64_t* ids;      // of the segments
  char* request;          // JSON text in UTF-8
  GroupedSample samples;
  std::uint64_t running;  // numbers rows without a key
  std::uint64_t read;     // rows, for progress
};

std::size_t SegmentBytes(const ProfileHead& head) { return head.segments * sizeof(SegmentTotals); }
std::size_t NumberBytes(const ProfileHead& head) { return head.segments * head.numbers * sizeof(NumberTotals); }

// A state without rows.
ProfileState* NewState(MemoryContext context, const ProfileHead& shape, const std::int64_t* ids, const char* request) {
  auto* state = static_cast<ProfileState*>(MemoryContextAllocZero(context, sizeof(ProfileState)));
  state->head = shape;
  state->head.ignored = 0;
  const auto zeros = [context](std::size_t bytes) {
    void* memory = MemoryContextAllocHuge(context, bytes + 1);
    std::memset(memory, 0, bytes);
    return memory;
  };
  state->segments = static_cast<SegmentTotals*>(zeros(SegmentBytes(shape)));
  state->numbers = static_cast<NumberTotals*>(zeros(NumberBytes(shape)));
  state->ids = static_cast<std::int64_t*>(zeros(shape.segments * sizeof(std::int64_t)));
  std::memcpy(state->ids, ids, shape.segments * sizeof(std::int64_t));
  state->request = static_cast<char*>(zeros(shape.request_bytes));
  std::memcpy(state->request, request, shape.request_bytes);
  InitSamples(&state->samples, context, shape.segments, shape.capacity);
  return state;
}

ProfileState* StartState(FunctionCallInfo fcinfo, MemoryContext context) {
  if (PG_ARGISNULL(6)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("request of a profile must not be null")));
  const std::string_view request = OptionsText(reinterpret_cast<struct varlena*>(PG_GETARG_JSONB_P(6)));
  ProfileHead shape{};
  std::int64_t* ids = nullptr;
  CallCore([&] {
    const ProfileRequest parsed = ParseProfileRequest(request);
    shape.segments = parsed.segments.size();
    shape.numbers = parsed.numbers.size();
    shape.categories = parsed.categories.size();
    shape.has_outcome = parsed.has_outcome() ? 1 : 0;
    ids = static_cast<std::int64_t*>(Allocate((shape.segments + 1) * sizeof(std::int64_t)));
    std::copy(parsed.segments.begin(), parsed.segments.end(), ids);
  });
  if (shape.segments * (shape.numbers + 1) > TrainMemoryBytes() / sizeof(NumberTotals)) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("profile is too large"),
                    errdetail("It is of %llu segments and %llu numbers, and segmentation.train_memory has no room for them.", static_cast<unsigned long long>(shape.segments),
                              static_cast<unsigned long long>(shape.numbers))));
  }
  shape.request_bytes = request.size();
  const std::uint64_t row_bytes = 64 + 8 * shape.numbers + 32 * shape.categories;
  shape.capacity = std::clamp<std::uint64_t>(TrainMemoryBytes() / 2 / row_bytes, kSmallestSample, kProfileRows);
  return NewState(context, shape, ids, request.data());
}

// The place of a segment's id; as many as there are for one that the request does not name.
std::uint64_t PlaceOf(const ProfileState* state, std::int64_t id) {
  if (id >= 0 && static_cast<std::uint64_t>(id) < state->head.segments && state->ids[id] == id) return static_cast<std::uint64_t>(id);
  std::uint64_t place = 0;
  while (place < state->head.segments && state->ids[place] != id) ++place;
  return place;
}

void Merge(ProfileState* state, const ProfileState* other) {
  if (state->head.request_bytes != other->head.request_bytes || std::memcmp(state->request, other->request, state->head.request_bytes) != 0) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("request of a profile must be the same for all rows")));
  }
  state->samples.capacity = std::min(state->samples.capacity, other->samples.capacity);
  state->head.ignored += other->head.ignored;
  for (std::uint64_t s = 0; s < state->head.segments; ++s) {
    MergeProfileTotals(other->segments[s], &state->segments[s]);
    for (std::uint64_t j = s * state->head.numbers; j < (s + 1) * state->head.numbers; ++j) MergeProfileTotals(other->numbers[j], &state->numbers[j]);
    const RowSample& sample = other->samples.groups[s];
    for (std::uint64_t i = 0; i < sample.count; ++i) AddToSamples(&state->samples, s, sample.rows[i].key, sample.rows[i].row, sample.rows[i].bytes);
  }
}

ProfileState* StateArgument(FunctionCallInfo fcinfo, int argument) {
  return PG_ARGISNULL(argument) ? nullptr : reinterpret_cast<ProfileState*>(PG_GETARG_POINTER(argument));
}

}  // namespace

// (state, segment, key, weight, numbers, categories, request)
SEGMENTATION_FUNCTION(profile_accum) {
  MemoryContext context = AggregateContext(fcinfo);
  ProfileState* state = StateArgument(fcinfo, 0);
  if (state == nullptr) state = StartState(fcinfo, context);
  if (unlikely(++state->read % kRowsPerReport == 0)) SayRowsRead("profile", state->read);
  const double weight = PG_ARGISNULL(3) ? 0 : PG_GETARG_FLOAT8(3);
  const std::uint64_t place = PG_ARGISNULL(1) ? state->head.segments : PlaceOf(state, PG_GETARG_INT32(1));
  if (!(weight > 0) || !std::isfinite(weight) || place == state->head.segments) {
    ++state->head.ignored;
    PG_RETURN_POINTER(state);
  }
  const RowArrays row = ReadRowArrays(fcinfo, 4, "profile");
  if (static_cast<std::uint64_t>(row.numbers.length) != state->head.numbers || static_cast<std::uint64_t>(row.text_count) != state->head.categories) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("columns of a profile do not match its request")));
  }
  auto* bytes = static_cast<char*>(palloc(SampleRowRoom(static_cast<std::uint32_t>(state->head.numbers), static_cast<std::uint32_t>(state->head.categories))));
  const std::uint64_t length = WriteSampleRow(row, weight, bytes);
  CountProfileRow(bytes, state->head.has_outcome != 0, &state->segments[place], &state->numbers[place * state->head.numbers], state->head.numbers);
  const RowIdentity identity = {!PG_ARGISNULL(2), PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2), PG_ARGISNULL(2) ? HashBytes(bytes, length, 0) : 0};
  AddToSamples(&state->samples, place, SampleKey(identity, &state->running), bytes, length);
  pfree(bytes);
  PG_RETURN_POINTER(state);
}

SEGMENTATION_FUNCTION(profile_combine) {
  MemoryContext context = AggregateContext(fcinfo);
  ProfileState* state = StateArgument(fcinfo, 0);
  const ProfileState* other = StateArgument(fcinfo, 1);
  if (other != nullptr) {
    if (state == nullptr) state = NewState(context, other->head, other->ids, other->request);
    Merge(state, other);
  }
  if (state == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(state);
}

SEGMENTATION_FUNCTION(profile_serialize) {
  AggregateContext(fcinfo);
  auto* state = reinterpret_cast<ProfileState*>(PG_GETARG_POINTER(0));
  ThinGroups(&state->samples);
  ProfileHead* head = &state->head;
  head->capacity = state->samples.capacity;
  std::size_t bytes = sizeof(ProfileHead) + SegmentBytes(*head) + NumberBytes(*head) + head->segments * 16 + head->request_bytes;
  for (std::uint64_t s = 0; s < head->segments; ++s) bytes += SampleBytes(state->samples.groups[s]);
  if (bytes > MaxAllocSize - VARHDRSZ) ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("profile is too large")));
  auto* value = static_cast<struct varlena*>(palloc(VARHDRSZ + bytes));
  SET_VARSIZE(value, VARHDRSZ + bytes);
  char* at = VARDATA(value);
  const auto put = [&at](const void* from, std::size_t size) {
    std::memcpy(at, from, size);
    at += size;
  };
  put(head, sizeof(ProfileHead));
  put(state->segments, SegmentBytes(*head));
  put(state->numbers, NumberBytes(*head));
  put(state->ids, head->segments * 8);
  put(state->request, head->request_bytes);
  for (std::uint64_t s = 0; s < head->segments; ++s) put(&state->samples.groups[s].count, 8);
  for (std::uint64_t s = 0; s < head->segments; ++s) at = WriteSample(state->samples.groups[s], at);
  PG_RETURN_POINTER(value);
}

SEGMENTATION_FUNCTION(profile_deserialize) {
  AggregateContext(fcinfo);
  PartialReader reader(reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0))));
  ProfileHead head;
  reader.Copy(&head, sizeof head);
  const char* segments = reader.Take(SegmentBytes(head));
  const char* numbers = reader.Take(NumberBytes(head));
  auto* ids = static_cast<std::int64_t*>(palloc(head.segments * 8 + 1));
  reader.Copy(ids, head.segments * 8);
  ProfileState* state = NewState(CurrentMemoryContext, head, ids, reader.Take(head.request_bytes));
  state->head.ignored = head.ignored;
  std::memcpy(state->segments, segments, SegmentBytes(head));
  std::memcpy(state->numbers, numbers, NumberBytes(head));
  auto* counts = static_cast<std::uint64_t*>(palloc(head.segments * 8 + 1));
  reader.Copy(counts, head.segments * 8);
  for (std::uint64_t s = 0; s < head.segments; ++s) {
    for (std::uint64_t i = 0; i < counts[s]; ++i) {
      const SampledRow row = ReadRow(&reader);
      AddToSamples(&state->samples, s, row.key, row.row, row.bytes);
    }
  }
  PG_RETURN_POINTER(state);
}

SEGMENTATION_FUNCTION(profile_final) {
  AggregateContext(fcinfo);
  ProfileState* state = StateArgument(fcinfo, 0);
  if (state == nullptr) PG_RETURN_NULL();
  ThinGroups(&state->samples);
  for (std::uint64_t s = 0; s < state->head.segments; ++s) SortSample(&state->samples.groups[s]);
  char* json = nullptr;
  CallCore([&] {
    std::vector<std::vector<const char*>> samples(state->head.segments);
    for (std::uint64_t s = 0; s < state->head.segments; ++s) {
      const RowSample& sample = state->samples.groups[s];
      for (std::uint64_t i = 0; i < sample.count; ++i) samples[s].push_back(sample.rows[i].row);
    }
    const ProfileTotals totals = {state->head.ignored, state->segments, state->numbers};
    const ProfileRequest request = ParseProfileRequest(std::string_view(state->request, state->head.request_bytes));
    json = AllocateString(ProfileJson(request, totals, samples, ServerInterrupt()));
  });
  PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

// Strict.
SEGMENTATION_FUNCTION(outcome_value) {
  const double value = PG_GETARG_FLOAT8(0);
  if (std::isnan(value)) PG_RETURN_NULL();
  if (value != 0 && value != 1) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("outcome must be 0 or 1, or a boolean"), errdetail("There is a value of %g.", value),
                    errhint("An outcome that is not known yet is NULL. Make other codes into 0, 1 and NULL in a view.")));
  }
  PG_RETURN_FLOAT8(value);
}

}  // namespace segmentation
