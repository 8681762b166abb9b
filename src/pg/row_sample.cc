#include <algorithm>
#include <cmath>
#include <limits>

#include "core/hash.h"
#include "pg/row_sample.h"
#include "pg/settings.h"

namespace segmentation {
namespace {

constexpr std::uint64_t kKeySeed = 0x5EED0001;

// What a row takes, the server's own rounding included.
std::uint64_t Cost(std::uint64_t row) { return row + row / 2 + sizeof(SampledRow); }

}  // namespace

RowArrays ReadRowArrays(FunctionCallInfo fcinfo, int first, const char* what) {
  RowArrays row{};
  if (PG_ARGISNULL(first) || PG_ARGISNULL(first + 1)) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("columns of a %s must not be null", what),
                    errhint("Values may be: give arrays of them.")));
  }
  ArrayType* numbers = PG_GETARG_ARRAYTYPE_P(first);
  if (ARR_NDIM(numbers) > 0) row.numbers = ReadFeatures(numbers);
  ArrayType* texts = PG_GETARG_ARRAYTYPE_P(first + 1);
  if (ARR_NDIM(texts) > 1) ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("categories must be a one-dimensional array")));
  deconstruct_array(texts, TEXTOID, -1, false, TYPALIGN_INT, &row.texts, &row.text_nulls, &row.text_count);
  return row;
}

std::size_t SampleRowRoom(std::uint32_t numbers, std::uint32_t categories) {
  return 8 + 8 * std::size_t{numbers} + (4 + kLongestLevel) * std::size_t{categories};
}

std::uint64_t WriteSampleRow(const RowArrays& row, double weight, char* to) {
  char* at = to;
  const auto put = [&at](const void* from, std::size_t bytes) {
    std::memcpy(at, from, bytes);
    at += bytes;
  };
  put(&weight, sizeof weight);
  const double* value = row.numbers.values;
  for (int j = 0; j < row.numbers.length; ++j) {
    double number = std::numeric_limits<double>::quiet_NaN();
    if (!row.numbers.IsNull(j) && std::isfinite(*value++)) number = value[-1] + 0.0;
    put(&number, sizeof number);
  }
  for (int j = 0; j < row.text_count; ++j) {
    std::uint32_t length = kMissingText;
    std::string_view text;
    if (!row.text_nulls[j]) {
      auto* datum = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_PACKED(row.texts[j]));
      text = ToUtf8(std::string_view(VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum)));
      length = text.size() > kLongestLevel ? kLongText : static_cast<std::uint32_t>(text.size());
    }
    put(&length, sizeof length);
    if (length < kLongText) put(text.data(), length);
  }
  return static_cast<std::uint64_t>(at - to);
}

void InitSample(RowSample* sample, MemoryContext context, std::uint64_t capacity) {
  *sample = {};
  sample->context = context;
  sample->capacity = capacity;
  sample->threshold = UINT64_MAX;
}

void Thin(RowSample* sample) {
  const std::uint64_t keep = sample->capacity;
  if (sample->count <= keep) return;
  std::nth_element(sample->rows, sample->rows + keep - 1, sample->rows + sample->count);
  for (std::uint64_t i = keep; i < sample->count; ++i) {
    sample->bytes -= Cost(sample->rows[i].bytes);
    pfree(sample->rows[i].row);
  }
  sample->count = keep;
  sample->threshold = sample->rows[keep - 1].key;
}

void AddToSample(RowSample* sample, std::uint64_t key, const char* row, std::uint64_t bytes) {
  if (key > sample->threshold) return;
  if (sample->count == sample->room) {
    if (sample->room >= 2 * sample->capacity) {
      Thin(sample);
      if (key > sample->threshold) return;
    } else {
      sample->room = std::min(std::max<std::uint64_t>(2 * sample->room, 64), 2 * sample->capacity);
      const std::size_t size = sample->room * sizeof(SampledRow);
      sample->rows = static_cast<SampledRow*>(sample->rows == nullptr ? MemoryContextAllocHuge(sample->context, size) : repalloc_huge(sample->rows, size));
    }
  }
  auto* copy = static_cast<char*>(MemoryContextAlloc(sample->context, bytes));
  std::memcpy(copy, row, bytes);
  sample->rows[sample->count++] = {key, bytes, copy};
  sample->bytes += Cost(bytes);
}

void LimitMemory(RowSample* sample) {
  if (likely(sample->bytes <= TrainMemoryBytes()) || sample->count <= kSmallestSample) return;
  sample->capacity = std::min(sample->capacity, std::max(kSmallestSample, sample->count / 2));
  Thin(sample);
}

void SortSample(RowSample* sample) { std::sort(sample->rows, sample->rows + sample->count); }

void InitSamples(GroupedSample* samples, MemoryContext context, std::uint64_t groups, std::uint64_t capacity) {
  *samples = {capacity, 0, 0, groups, nullptr};
  samples->groups = static_cast<RowSample*>(MemoryContextAllocHuge(context, (groups + 1) * sizeof(RowSample)));
  for (std::uint64_t g = 0; g < groups; ++g) InitSample(&samples->groups[g], context, capacity);
}

void AddToSamples(GroupedSample* samples, std::uint64_t group, std::uint64_t key, const char* row, std::uint64_t bytes) {
  RowSample* sample = &samples->groups[group];
  const std::uint64_t count_before = sample->count;
  const std::uint64_t bytes_before = sample->bytes;
  AddToSample(sample, key, row, bytes);
  samples->count += sample->count - count_before;  // may fall
  samples->bytes += sample->bytes - bytes_before;
  // Rows that are wider than was thought.
  if (unlikely(samples->bytes > TrainMemoryBytes()) && samples->count > kSmallestSample) {
    samples->capacity = std::min(samples->capacity, std::max(kSmallestSample, samples->count / 2));
    ThinGroups(samples);
  } else if (unlikely(samples->count >= 2 * samples->capacity)) {
    ThinGroups(samples);
  }
}

void ThinGroups(GroupedSample* samples) {
  if (samples->count <= samples->capacity) return;
  // The largest number that each may have. What a group has is what it has seen, or at least the number of last time, which this one cannot exceed.
  std::uint64_t low = 0;
  std::uint64_t high = samples->capacity;
  while (low < high) {
    const std::uint64_t middle = low + (high - low + 1) / 2;
    std::uint64_t total = 0;
    for (std::uint64_t g = 0; g < samples->group_count; ++g) total += std::min(samples->groups[g].count, middle);
    if (total <= samples->capacity) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  samples->count = 0;
  samples->bytes = 0;
  for (std::uint64_t g = 0; g < samples->group_count; ++g) {
    RowSample* sample = &samples->groups[g];
    sample->capacity = std::max<std::uint64_t>(low, 1);
    Thin(sample);
    samples->count += sample->count;
    samples->bytes += sample->bytes;
  }
}

std::uint64_t SampleKey(const RowIdentity& row, std::uint64_t* running) {
  // Rows that nothing tells apart are told apart by when they come.
  const std::uint64_t identity =
      row.known ? static_cast<std::uint64_t>(row.identity) : HashStep(row.content, (++*running << 16) + static_cast<std::uint64_t>(ParallelWorkerNumber + 1));
  return HashFinish(HashStep(kKeySeed, identity), 8);
}

std::size_t SampleBytes(const RowSample& sample) {
  std::size_t bytes = 0;
  for (std::uint64_t i = 0; i < sample.count; ++i) bytes += 16 + sample.rows[i].bytes;
  return bytes;
}

char* WriteSample(const RowSample& sample, char* to) {
  for (std::uint64_t i = 0; i < sample.count; ++i) {
    const SampledRow& row = sample.rows[i];
    std::memcpy(to, &row.key, 8);
    std::memcpy(to + 8, &row.bytes, 8);
    std::memcpy(to + 16, row.row, row.bytes);
    to += 16 + row.bytes;
  }
  return to;
}

SampledRow ReadRow(PartialReader* from) {
  SampledRow row{};
  from->Copy(&row.key, 8);
  from->Copy(&row.bytes, 8);
  row.row = const_cast<char*>(from->Take(row.bytes));
  return row;
}

}  // namespace segmentation
