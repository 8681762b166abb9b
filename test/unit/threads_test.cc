// Teams of threads: every item once, errors and interrupts from wherever they come.
#include "core/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>

#include "test_support.h"

namespace segmentation {
namespace {

TEST(ThreadTeam, CallsEveryItemOnce) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadTeam team(test::kNoInterrupt, threads);
    EXPECT_EQ(team.size(), static_cast<std::size_t>(threads));
    for (std::size_t count : {0u, 1u, 2u, 1000u}) {
      std::vector<std::atomic<int>> calls(count);
      std::atomic<bool> worker_is_known{true};
      team.ForEach(count, [&](std::size_t item, std::size_t worker, const Interrupt& interrupt) {
        interrupt.Poll();
        if (worker >= team.size()) worker_is_known = false;
        ++calls[item];
      });
      for (auto& call : calls) ASSERT_EQ(call, 1);
      EXPECT_TRUE(worker_is_known);
    }
  }
}

TEST(ThreadTeam, LessThanOneThreadIsOne) {
  for (int threads : {-5, 0, 1}) EXPECT_EQ(ThreadTeam(test::kNoInterrupt, threads).size(), 1u);
}

TEST(ThreadTeam, AnExceptionOfAnyItemArrives) {
  struct Failed {};
  ThreadTeam team(test::kNoInterrupt, 3);
  for (std::size_t bad = 0; bad < 50; ++bad) {
    EXPECT_THROW(team.ForEach(50, [&](std::size_t item, std::size_t, const Interrupt&) { if (item == bad) throw Failed(); }), Failed);
    // And the team goes on.
    std::atomic<int> calls{0};
    team.ForEach(50, [&](std::size_t, std::size_t, const Interrupt&) { ++calls; });
    EXPECT_EQ(calls, 50);
  }
}

TEST(ThreadTeam, HelpersTakeNoSignals) {
  ThreadTeam team(test::kNoInterrupt, 4);
  const auto leader = std::this_thread::get_id();
  std::atomic<int> open{0};
  team.ForEach(1000, [&](std::size_t, std::size_t, const Interrupt&) {
    if (std::this_thread::get_id() == leader) return;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (int signal : {SIGINT, SIGTERM, SIGUSR1, SIGALRM, SIGQUIT}) open += sigismember(&blocked, signal) ? 0 : 1;
  });
  EXPECT_EQ(open, 0);
  sigset_t own;
  pthread_sigmask(SIG_SETMASK, nullptr, &own);
  EXPECT_FALSE(sigismember(&own, SIGINT));  // the leader takes them as before
}

// An outer interrupt that comes once, some time after the work has begun; in its handler nobody else may be at work.
struct Outer {
  volatile std::sig_atomic_t pending = 0;
  std::atomic<int> at_work{0};
  std::atomic<int> handled{0};
  std::atomic<int> others_at_work{0};
  bool throws = false;
  struct Stopped {};

  static void Handle(void* context) {
    auto* outer = static_cast<Outer*>(context);
    __atomic_store_n(&outer->pending, 0, __ATOMIC_RELAXED);
    ++outer->handled;
    const int before = outer->at_work;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    // The leader itself may be within an item, or wait for the others.
    if (outer->at_work != before) ++outer->others_at_work;
    if (outer->throws) throw Stopped();
  }
  Interrupt interrupt() { return {&pending, &Handle, this}; }
};

// Work that counts itself at every poll.
void Work(Outer* outer, const Interrupt& interrupt) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
  while (std::chrono::steady_clock::now() < end) {
    ++outer->at_work;
    interrupt.Poll();
  }
}

TEST(ThreadTeam, HelpersAreParkedWhileAnInterruptIsHandled) {
  for (int round = 0; round < 20; ++round) {
    Outer outer;
    ThreadTeam team(outer.interrupt(), 3);
    std::atomic<std::size_t> done{0};
    team.ForEach(20, [&](std::size_t item, std::size_t, const Interrupt& interrupt) {
      if (item == 5) __atomic_store_n(&outer.pending, 1, __ATOMIC_RELAXED);
      Work(&outer, interrupt);
      ++done;
    });
    EXPECT_EQ(done, 20u);
    EXPECT_EQ(outer.others_at_work, 0);
    EXPECT_LE(outer.handled, 1);  // the last items may have been done by then
  }
}

TEST(ThreadTeam, AnInterruptThatThrowsEndsTheWork) {
  for (int round = 0; round < 20; ++round) {
    Outer outer;
    outer.throws = true;
    ThreadTeam team(outer.interrupt(), 3);
    std::atomic<std::size_t> begun{0};
    EXPECT_THROW(team.ForEach(100'000, [&](std::size_t item, std::size_t, const Interrupt& interrupt) {
      ++begun;
      if (item == 7) __atomic_store_n(&outer.pending, 1, __ATOMIC_RELAXED);
      Work(&outer, interrupt);
    }), Outer::Stopped);
    EXPECT_LT(begun, 1000u);
    const auto after = begun.load();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(begun, after);
    EXPECT_EQ(outer.others_at_work, 0);
  }
}

TEST(ThreadTeam, ThePendingInterruptIsSeenWhileTheLeaderWaits) {
  Outer outer;
  outer.throws = true;
  ThreadTeam team(outer.interrupt(), 2);
  const auto leader = std::this_thread::get_id();
  std::atomic<bool> helper_works{false};
  EXPECT_THROW(team.ForEach(2, [&](std::size_t, std::size_t, const Interrupt& interrupt) {
    if (std::this_thread::get_id() == leader) {
      while (!helper_works) std::this_thread::yield();
      return;
    }
    helper_works = true;
    __atomic_store_n(&outer.pending, 1, __ATOMIC_RELAXED);
    for (;;) interrupt.Poll();  // ends only because the leader stops it
  }), Outer::Stopped);
}

}  // namespace
}  // namespace segmentation
