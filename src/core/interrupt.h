// How a long computation notices that somebody wants it to stop.
#pragma once

#include <csignal>
#include <cstdint>

namespace segmentation {

// Where a training (or what draws many samples) is, for whoever waits for it.
struct Progress {
  enum class Stage { kStarts, kExchanges, kIterations, kSamples } stage;
  std::uint64_t at;       // how many there were
  std::uint64_t of;       // of so many at most
  std::uint64_t rows;     // that they look at
  double inertia;         // the best found on those rows; NaN where it is not known
};

// `pending` is a flag that another party (in the server: the signal handlers) sets; `handle` then decides, and ends the
// computation by throwing. Loops call Poll() about once a millisecond of work; while nothing is pending it costs one load.
struct Interrupt {
  const volatile std::sig_atomic_t* pending = nullptr;
  void (*handle)(void* context) = nullptr;
  void* context = nullptr;
  // Told of progress, or null. Like `handle` it may throw; it is called by the leading thread alone, while no other one is at work.
  void (*report)(const Progress& progress) = nullptr;

  void Report(const Progress& progress) const {
    if (report != nullptr) report(progress);
  }
  void Poll() const {
    // Atomic, because the flag may belong to another thread (threads.h).
    if (pending != nullptr && __atomic_load_n(pending, __ATOMIC_RELAXED) != 0) handle(context);
  }
};

}  // namespace segmentation
