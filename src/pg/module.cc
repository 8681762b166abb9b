// What the server calls when it loads the library.
#include <algorithm>
#include <thread>

#include "pg/pg_compat.h"
#include "pg/pg_includes.h"
#include "pg/settings.h"

extern "C" {
PG_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

namespace segmentation {
namespace {

int threads = 0;
int train_memory_kb = 256 * 1024;
int progress_interval = 10;

}  // namespace

int TrainingThreads() {
  if (IsParallelWorker()) return 1;
  if (threads > 0) return threads;
  // A plan has the leader beside its workers.
  const int processes = 1 + std::min(max_parallel_workers_per_gather, std::min(max_parallel_workers, max_worker_processes));
  static const int processors = static_cast<int>(std::thread::hardware_concurrency());  // asking takes microseconds
  return std::max(1, std::min(processes, processors));
}

std::uint64_t TrainMemoryBytes() { return static_cast<std::uint64_t>(train_memory_kb) * 1024; }

int ProgressInterval() { return progress_interval; }

}  // namespace segmentation

void _PG_init(void) {
  DefineCustomIntVariable("segmentation.threads", "Number of threads that a training may use in one process.",
                          "0 means as many as the session's parallel settings allow. The result never depends on it.",
                          &segmentation::threads, 0, 0, 64, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  // The maximum leaves room for the text form of a sketch (4/3 of its size) below the 1 GB of a datum.
  DefineCustomIntVariable("segmentation.train_memory", "Memory for the rows of one exact training.",
                          "Applies to each group and process. A training that needs more is refused.",
                          &segmentation::train_memory_kb, 256 * 1024, 1024, 680 * 1024, PGC_USERSET, GUC_UNIT_KB, nullptr,
                          nullptr, nullptr);
  DefineCustomIntVariable("segmentation.progress_interval", "Seconds between notices about the progress of a training.",
                          "0 means none.", &segmentation::progress_interval, 10, 0, 86400, PGC_USERSET, GUC_UNIT_S, nullptr, nullptr, nullptr);
  MarkGUCPrefixReserved("segmentation");
}
