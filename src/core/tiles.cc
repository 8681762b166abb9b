#include "core/tiles.h"

#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace segmentation {

void* AllocateForStreaming(std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kLine;
  if (bytes > SIZE_MAX - alignment) throw std::bad_alloc();
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr && bytes > 0) throw std::bad_alloc();
#if defined(__linux__)
  // Advice only: what comes of it does not matter.
  if (alignment == kHugePage) static_cast<void>(madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE));
#endif
  return memory;
}

void FreeFromStreaming(void* memory) noexcept { std::free(memory); }

}  // namespace segmentation
