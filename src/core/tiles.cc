#include "core/tiles.h"

#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace segmentation {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

void AdviseHugePages(void* memory, std::size_t bytes) noexcept {
#if defined(__linux__)
  const auto at = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t first = (at + kHugePage - 1) / kHugePage * kHugePage;
  const std::uintptr_t end = (at + bytes) / kHugePage * kHugePage;
  if (first < end) static_cast<void>(madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE));
#else
  static_cast<void>(memory);
  static_cast<void>(bytes);
#endif
}

void* AllocateForStreaming(std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kLine;
  if (bytes > SIZE_MAX - alignment) throw std::bad_alloc();
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr && bytes > 0) throw std::bad_alloc();
  if (alignment == kHugePage) AdviseHugePages(memory, bytes);
  return memory;
}

void FreeFromStreaming(void* memory) noexcept { std::free(memory); }

}  // namespace segmentation
