// A tree of splits over a sample of rows, applied to all rows in one pass over them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/cell_moments.h"

namespace segmentation {

// Nodes in any order, the root first. Leaves carry a number.
class ItemTree {
 public:
  struct Node {
    std::size_t column = 0;
    double pivot = std::numeric_limits<double>::infinity();  // up to it: the first child
    std::uint32_t next = 0;                                  // the first of two children, or, in a leaf, itself
    std::uint16_t leaf = 0;
  };

  // depth: of the deepest leaf.
  ItemTree(std::vector<Node> nodes, std::size_t leaves, std::size_t depth)
      : nodes_(std::move(nodes)), leaves_(leaves), depth_(depth) {}

  // Fills items->pointers with what each(f) passes to f, item by item and in the same order whenever it is called, sorted by
  // leaf. Returns where the leaves begin, and the end.
  template <typename Each>
  std::vector<std::size_t> Sort(Items* items, std::size_t count, Each each) const {
    std::vector<std::uint16_t> leaf_of(count);
    std::vector<std::size_t> begins(leaves_ + 1);
    const std::size_t position = PositionAt(items->kind);
    const char* waiting[kTogether];
    std::size_t at = 0;
    std::size_t waits = 0;
    const auto walk = [&] {
      std::uint32_t node[kTogether] = {};
      for (std::size_t level = 0; level < depth_; ++level) {  // without branches, and several items in flight
        for (std::size_t i = 0; i < waits; ++i) {
          const Node& here = nodes_[node[i]];
          node[i] = here.next + (LoadDouble(waiting[i] + position + here.column * sizeof(double)) <= here.pivot ? 0u : 1u);
        }
      }
      for (std::size_t i = 0; i < waits; ++i) {
        leaf_of[at] = nodes_[node[i]].leaf;
        ++begins[leaf_of[at++] + 1u];
      }
      waits = 0;
    };
    each([&](const char* item) {
      waiting[waits++] = item;
      if (waits == kTogether) walk();
    });
    walk();
    for (std::size_t leaf = 0; leaf < leaves_; ++leaf) begins[leaf + 1] += begins[leaf];
    std::vector<std::size_t> next(begins);
    items->Allocate(count);
    items->count = count;
    at = 0;
    each([&](const char* item) { items->pointers[next[leaf_of[at++]]++] = item; });
    return begins;
  }

 private:
  static constexpr std::size_t kTogether = 16;

  std::vector<Node> nodes_;
  std::size_t leaves_;
  std::size_t depth_;
};

}  // namespace segmentation
