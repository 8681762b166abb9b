// How a long computation notices that somebody wants it to stop.
#pragma once

#include <csignal>

namespace segmentation {

// `pending` is a flag that another party (in the server: the signal handlers) sets; `handle` then decides, and ends the
// computation by throwing. Loops call Poll() about once a millisecond of work; while nothing is pending it costs one load.
struct Interrupt {
  const volatile std::sig_atomic_t* pending = nullptr;
  void (*handle)(void* context) = nullptr;
  void* context = nullptr;

  void Poll() const {
    // Atomic, because the flag may belong to another thread (threads.h).
    if (pending != nullptr && __atomic_load_n(pending, __ATOMIC_RELAXED) != 0) handle(context);
  }
};

}  // namespace segmentation
