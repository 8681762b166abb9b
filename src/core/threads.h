// The threads of one training.
//
// Only the thread that made the team, the leading one, looks at the outer interrupt. When that is pending, the others are parked
// first (none of them computes or touches anything), then it is handled; when handling throws, they are dismissed and the
// exception goes on. The destructor joins them, so none outlives the core call that made the team. Every signal is blocked in
// them. A thread that cannot start means fewer threads, not an error.
#pragma once

#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/interrupt.h"

namespace segmentation {

class ThreadTeam {
 public:
  // A team of up to `threads`, the calling one included.
  explicit ThreadTeam(const Interrupt& interrupt, int threads = 1);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  std::size_t size() const { return helpers_.size() + 1; }
  // The outer one, for work outside ForEach.
  const Interrupt& interrupt() const { return outer_; }

  // Calls body(item, worker, interrupt) for every item below `count`, each once, on whichever thread is free; worker < size().
  // `interrupt` is that thread's own, to be polled. Returns when all are done. An exception of the body ends all of it and is
  // thrown here. Not from within a body.
  template <typename Body>
  void ForEach(std::size_t count, const Body& body) {
    Run(count, [](const void* context, std::size_t item, std::size_t worker,
                  const Interrupt& interrupt) { (*static_cast<const Body*>(context))(item, worker, interrupt); },
        &body);
  }

 private:
  using Call = void (*)(const void* context, std::size_t item, std::size_t worker, const Interrupt& interrupt);
  struct Stopped {};

  void Run(std::size_t count, Call call, const void* context);
  void WorkOnItems(std::size_t worker, const Interrupt& interrupt);
  void HelperLoop(std::size_t worker);
  void Park();
  void HandleOuter();
  void Dismiss();
  void WaitForHelpers();
  void SetFlag(int value) { __atomic_store_n(&flag_, value, __ATOMIC_RELAXED); }

  Interrupt outer_;
  std::vector<std::thread> helpers_;
  std::mutex mutex_;
  std::condition_variable to_helpers_;
  std::condition_variable to_leader_;
  volatile std::sig_atomic_t flag_ = 0;  // what helpers poll: park, or stop
  // Below the mutex.
  std::size_t generation_ = 0;
  std::size_t busy_ = 0;    // helpers in the current job
  std::size_t parked_ = 0;  // of those
  bool park_ = false;
  bool stop_job_ = false;
  bool quit_ = false;
  std::exception_ptr failure_;
  // The current job.
  Call call_ = nullptr;
  const void* context_ = nullptr;
  std::size_t count_ = 0;
  std::size_t next_ = 0;  // atomic
};

}  // namespace segmentation
