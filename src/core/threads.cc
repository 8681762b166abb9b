#include "core/threads.h"

#include <pthread.h>

#include <chrono>
#include <new>
#include <system_error>
#include <utility>

namespace segmentation {

ThreadTeam::ThreadTeam(const Interrupt& interrupt, int threads) : outer_(interrupt) {
  if (threads <= 1) return;
  // Room first: a vector that cannot grow would lose a running thread.
  helpers_.reserve(static_cast<std::size_t>(threads) - 1);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // threads inherit it
  try {
    for (std::size_t worker = 1; worker < static_cast<std::size_t>(threads); ++worker) {
      helpers_.emplace_back([this, worker] { HelperLoop(worker); });
    }
  } catch (const std::system_error&) {
  } catch (const std::bad_alloc&) {
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ThreadTeam::~ThreadTeam() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    quit_ = true;
  }
  to_helpers_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void ThreadTeam::Run(std::size_t count, Call call, const void* context) {
  if (helpers_.empty() || count <= 1) {
    for (std::size_t item = 0; item < count; ++item) call(context, item, 0, outer_);
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    call_ = call;
    context_ = context;
    count_ = count;
    next_ = 0;
    busy_ = helpers_.size();
    stop_job_ = false;
    failure_ = nullptr;
    ++generation_;
  }
  to_helpers_.notify_all();
  try {
    const Interrupt own{outer_.pending, [](void* team) { static_cast<ThreadTeam*>(team)->HandleOuter(); }, this};
    WorkOnItems(0, own);
    WaitForHelpers();
  } catch (...) {
    Dismiss();
    throw;
  }
  if (failure_ != nullptr) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadTeam::WorkOnItems(std::size_t worker, const Interrupt& interrupt) {
  for (;;) {
    const std::size_t item = __atomic_fetch_add(&next_, 1, __ATOMIC_RELAXED);
    if (item >= count_) return;
    interrupt.Poll();
    call_(context_, item, worker, interrupt);
  }
}

void ThreadTeam::HelperLoop(std::size_t worker) {
  const Interrupt own{&flag_, [](void* team) { static_cast<ThreadTeam*>(team)->Park(); }, this};
  std::size_t seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    to_helpers_.wait(lock, [&] { return quit_ || generation_ != seen; });
    if (quit_) return;
    seen = generation_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      WorkOnItems(worker, own);
    } catch (const Stopped&) {
    } catch (...) {
      failure = std::current_exception();
      __atomic_store_n(&next_, count_, __ATOMIC_RELAXED);
    }
    lock.lock();
    if (failure != nullptr && failure_ == nullptr) failure_ = std::move(failure);
    if (--busy_ == 0 || parked_ == busy_) to_leader_.notify_one();
  }
}

// In a helper: waits until the leader has seen to the interrupt.
void ThreadTeam::Park() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (++parked_ == busy_) to_leader_.notify_one();
  to_helpers_.wait(lock, [this] { return !park_; });
  --parked_;
  if (stop_job_) throw Stopped();
}

// In the leader: parks the helpers, then handles the outer interrupt.
void ThreadTeam::HandleOuter() {
  std::unique_lock<std::mutex> lock(mutex_);
  park_ = true;
  SetFlag(1);
  to_leader_.wait(lock, [this] { return parked_ == busy_; });
  lock.unlock();
  outer_.handle(outer_.context);  // when it throws, Run dismisses the helpers
  lock.lock();
  park_ = false;
  SetFlag(0);
  lock.unlock();
  to_helpers_.notify_all();
}

// Ends the job, whatever its helpers are at.
void ThreadTeam::Dismiss() {
  std::unique_lock<std::mutex> lock(mutex_);
  stop_job_ = true;
  park_ = false;
  __atomic_store_n(&next_, count_, __ATOMIC_RELAXED);
  SetFlag(1);
  to_helpers_.notify_all();
  to_leader_.wait(lock, [this] { return busy_ == 0; });
  SetFlag(0);
  failure_ = nullptr;
}

void ThreadTeam::WaitForHelpers() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (busy_ > 0) {
    to_leader_.wait_for(lock, std::chrono::milliseconds(1), [this] { return busy_ == 0; });
    if (busy_ == 0 || outer_.pending == nullptr || __atomic_load_n(outer_.pending, __ATOMIC_RELAXED) == 0) continue;
    lock.unlock();
    HandleOuter();
    lock.lock();
  }
}

}  // namespace segmentation
