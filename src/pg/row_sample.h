// A sample of the rows with the lowest keys, for aggregates: flat memory in the aggregate's context. Keys are hashes of what identifies
// a row, so that neither the order of rows nor the number of processes matters.
#pragma once

#include <cstring>

#include "core/sample_row.h"
#include "pg/boundary.h"
#include "pg/array_arg.h"

namespace segmentation {

// The values of one row as an aggregate is given them.
struct RowArrays {
  FeatureArray numbers;
  Datum* texts;
  bool* text_nulls;
  int text_count;
};

// Arguments `first` (float8[]) and the one after it (text[]); either may be empty, and neither NULL. what: for the error.
RowArrays ReadRowArrays(FunctionCallInfo fcinfo, int first, const char* what);

// The most bytes that a row can take, and the row as bytes (core/sample_row.h); the result is their number.
std::size_t SampleRowRoom(std::uint32_t numbers, std::uint32_t categories);
std::uint64_t WriteSampleRow(const RowArrays& row, double weight, char* to);

struct SampledRow {
  std::uint64_t key;
  std::uint64_t bytes;
  char* row;

  bool operator<(const SampledRow& other) const {
    if (key != other.key) return key < other.key;
    const int order = std::memcmp(row, other.row, bytes < other.bytes ? bytes : other.bytes);
    return order != 0 ? order < 0 : bytes < other.bytes;
  }
};

struct RowSample {
  MemoryContext context;
  std::uint64_t capacity;   // rows to keep
  std::uint64_t count;      // at most twice the capacity, until Thin
  std::uint64_t room;
  SampledRow* rows;
  std::uint64_t threshold;  // keys above have no chance
  std::uint64_t bytes;      // that the rows take
};

// However little memory there is.
constexpr std::uint64_t kSmallestSample = 1000;

void InitSample(RowSample* sample, MemoryContext context, std::uint64_t capacity);
// Copies the row.
void AddToSample(RowSample* sample, std::uint64_t key, const char* row, std::uint64_t bytes);
// A sample that takes more than segmentation.train_memory halves its capacity: it is as good, but no longer the same in every plan.
void LimitMemory(RowSample* sample);
// Throws out all but the rows with the lowest keys.
void Thin(RowSample* sample);
// In an order that depends on keys and values alone.
void SortSample(RowSample* sample);

// A sample for each of several groups, `capacity` rows in all: small groups keep all of theirs, and the others as many as each other. Which
// rows those are depends on keys alone, for a single group and for all of them.
struct GroupedSample {
  std::uint64_t capacity;
  std::uint64_t count;  // at most twice the capacity, until ThinGroups
  std::uint64_t bytes;  // that the rows take
  std::uint64_t group_count;
  RowSample* groups;
};
void InitSamples(GroupedSample* samples, MemoryContext context, std::uint64_t groups, std::uint64_t capacity);
// Copies the row; memory is limited as by LimitMemory.
void AddToSamples(GroupedSample* samples, std::uint64_t group, std::uint64_t key, const char* row, std::uint64_t bytes);
void ThinGroups(GroupedSample* samples);

// The key of a row: of `identity` where it is not NULL, else of its bytes and of when it came.
struct RowIdentity {
  bool known;
  std::int64_t identity;
  std::uint64_t content;  // hash of the bytes
};
std::uint64_t SampleKey(const RowIdentity& row, std::uint64_t* running);

// Between processes: bytes that a sample takes, and writing and adding them.
std::size_t SampleBytes(const RowSample& sample);
char* WriteSample(const RowSample& sample, char* to);

// Reads what was written for another process, part by part.
class PartialReader {
 public:
  explicit PartialReader(const struct varlena* value) : at_(VARDATA_ANY(value)), end_(at_ + VARSIZE_ANY_EXHDR(value)) {}
  const char* Take(std::size_t bytes) {
    if (static_cast<std::size_t>(end_ - at_) < bytes) elog(ERROR, "partial state of an aggregate is too short");
    const char* from = at_;
    at_ += bytes;
    return from;
  }
  void Copy(void* to, std::size_t bytes) { std::memcpy(to, Take(bytes), bytes); }

 private:
  const char* at_;
  const char* end_;
};
// The next row of those that WriteSample has written, where it lies.
SampledRow ReadRow(PartialReader* from);

}  // namespace segmentation
