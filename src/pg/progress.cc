#include "pg/progress.h"

#include <cmath>

#include "pg/settings.h"

namespace segmentation {
namespace {

// When the last one was said.
TimestampTz last_said = 0;

bool IsTime() {
  const int seconds = ProgressInterval();
  if (seconds == 0 || IsParallelWorker()) return false;
  const TimestampTz now = GetCurrentTimestamp();
  const TimestampTz since = Max(last_said, GetCurrentStatementStartTimestamp());
  if (!TimestampDifferenceExceeds(since, now, seconds * 1000)) return false;
  last_said = now;
  return true;
}

void Say(const Progress& progress) {
  const auto at = static_cast<unsigned long long>(progress.at);
  const auto of = static_cast<unsigned long long>(progress.of);
  const auto rows = static_cast<unsigned long long>(progress.rows);
  switch (progress.stage) {
    case Progress::Stage::kStarts:
      ereport(NOTICE, (errmsg("training: %llu starts on %llu rows, inertia %g", at, rows, progress.inertia)));
      break;
    case Progress::Stage::kExchanges:
      ereport(NOTICE, (errmsg("training: exchange %llu of %llu on %llu rows, inertia %g", at, of, rows, progress.inertia)));
      break;
    case Progress::Stage::kIterations:
      ereport(NOTICE, (errmsg("training: iteration %llu over %llu rows", at, rows)));
      break;
    case Progress::Stage::kSamples:
      ereport(NOTICE, (errmsg("stability: sample %llu of %llu of %llu rows", at, of, rows)));
      break;
  }
}

}  // namespace

void SayProgress(const Progress& progress) {
  if (!IsTime()) return;
  const Progress copy = progress;
  CallPostgres([&] { Say(copy); });
}

void SayRowsRead(const char* what, std::uint64_t rows) {
  if (IsTime()) ereport(NOTICE, (errmsg("%s: %llu rows read by this process", what, static_cast<unsigned long long>(rows))));
}

}  // namespace segmentation
