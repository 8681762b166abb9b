#include "core/compress.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/splitter.h"

namespace segmentation {

// The parts as a tree for sorting, and which parts are its leaves, from left to right.
ItemTree Splitter::TreeOfParts(std::vector<std::size_t>* leaves) const {
  std::vector<ItemTree::Node> nodes(parts_.size());
  std::vector<std::pair<std::size_t, std::size_t>> open = {{0, 0}};  // part, its depth
  std::size_t deepest = 0;
  while (!open.empty()) {
    const auto [index, depth] = open.back();
    open.pop_back();
    const Part& part = parts_[index];
    ItemTree::Node& node = nodes[index];
    if (part.chosen) {
      node = {part.column, part.pivot, static_cast<std::uint32_t>(part.children), 0};
      open.emplace_back(part.children + 1, depth + 1);
      open.emplace_back(part.children, depth + 1);
    } else {
      node.next = static_cast<std::uint32_t>(index);
      node.leaf = static_cast<std::uint16_t>(leaves->size());
      leaves->push_back(index);
      deepest = std::max(deepest, depth);
    }
  }
  return ItemTree(std::move(nodes), leaves->size(), deepest);
}

void Splitter::TakeSorted(const Splitter& top) {
  std::vector<std::size_t> leaves;
  const ItemTree tree = top.TreeOfParts(&leaves);
  const auto rows = tree.Sort(&rows_, set_.rows, [this](auto f) { ForRows(set_, 1, interrupt_, f); });
  const auto cells = tree.Sort(&cells_, set_.cell_count, [this](auto f) { ForCells(set_, 1, f); });
  parts_ = top.parts_;
  leaves_ = leaves.size();
  means_.resize(leaves_ * dimensions_);
  for (Part& part : parts_) {
    part.spread = 0;
    if (!part.chosen) part.children = 0;
  }
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    Part& leaf = parts_[leaves[i]];
    leaf.rows = {rows[i], rows[i + 1]};
    leaf.cells = {cells[i], cells[i + 1]};
    leaf.mean = i;
  }
  for (std::size_t i = parts_.size(); i-- > 0;) {  // parents come before their children
    if (!parts_[i].chosen) continue;
    parts_[i].rows = {parts_[parts_[i].children].rows.begin, parts_[parts_[i].children + 1].rows.end};
    parts_[i].cells = {parts_[parts_[i].children].cells.begin, parts_[parts_[i].children + 1].cells.end};
  }
  for (const std::size_t leaf : leaves) {
    const Range range = parts_[leaf].rows;
    Visit(range, [&] {
      SettleAlone(leaf);
      if (parts_[leaf].spread > 0) Expand(leaf, FitsCache(range) ? kGenerations : 1);
    });
  }
}

void Splitter::WriteCell(const Part& part, double* to) {
  if (part.rows.size() == 0 && part.cells.size() == 1) {
    std::memcpy(to, cells_.pointers[part.cells.begin], set_.CellBytes());
    return;
  }
  // About one of the items, so that equal ones give exactly themselves, then about the mean.
  std::memcpy(shift_.data(), FirstPosition(part), dimensions_ * sizeof(double));
  Sum(part, shift_.data(), &left_);
  for (std::size_t j = 0; j < dimensions_; ++j) shift_[j] = left_.Mean(j, shift_.data());
  Sum(part, shift_.data(), &left_);
  to[0] = left_.weight;
  for (std::size_t j = 0; j < dimensions_; ++j) {
    // + 0: there is no negative zero in a sketch.
    to[1 + j] = std::clamp(left_.Mean(j, shift_.data()), bounds_[j], bounds_[dimensions_ + j]) + 0.0;
    to[1 + dimensions_ + j] = left_.Squares(j);
  }
}

// The cells of a part and of all below; returns where the next goes. Trees can be deep: no recursion.
double* Splitter::WriteBelow(std::size_t index, bool visited, double* to) {
  std::vector<std::size_t> open = {index};
  while (!open.empty()) {
    const std::size_t next = open.back();
    const Part part = parts_[next];
    open.pop_back();
    if (!visited && FitsCache(part.rows)) {
      Visit(part.rows, [&] { to = WriteBelow(next, true, to); });
    } else if (part.chosen) {
      open.push_back(part.children + 1);
      open.push_back(part.children);
    } else {
      WriteCell(part, to);
      to += 1 + 2 * dimensions_;
    }
  }
  return to;
}

CompressedRows Splitter::WriteCells() {
  CompressedRows result;
  if (parts_[0].items() == 0) return result;
  FindBounds();
  result.cells = leaves_;
  result.rows = set_.rows + set_.cell_rows;
  result.values.resize(2 * dimensions_ + leaves_ * (1 + 2 * dimensions_));
  const double* end = WriteBelow(0, false, std::copy(bounds_.begin(), bounds_.end(), result.values.data()));
  if (end != result.values.data() + result.values.size()) throw Error(ErrorCode::kInternal, "a compression lost count of its cells");
  return result;
}

std::vector<double> SpreadOfColumns(const RowSet& set, const Interrupt& interrupt) {
  const std::vector<double> scale(set.dimensions, 1.0);
  Splitter whole(set, scale, interrupt);
  whole.Take(1);
  return whole.Spreads();
}

CompressedRows Compress(const RowSet& set, std::size_t most, const std::vector<double>& scale, const Interrupt& interrupt) {
  Splitter splitter(set, scale, interrupt);
  splitter.Reserve(most, set.rows + set.cell_count);
  const std::size_t top_parts = std::min({set.rows * set.RowBytes() / (kVisitBytes / 2), most / 8, kLargestTop});
  if (top_parts > 16) {
    Splitter top(set, scale, interrupt);
    top.Take(kStride);
    top.Grow(top_parts);
    splitter.TakeSorted(top);
  } else {
    splitter.Take(1);
  }
  splitter.Grow(most);
  return splitter.WriteCells();
}

namespace {

// Moves the first rows of a set, at most `count`, to another.
void MoveRows(RowSet* from, std::uint64_t count, RowSet* to) {
  std::size_t whole = 0;
  for (; whole < from->blocks.size() && from->blocks[whole].rows <= count - to->rows; ++whole) {
    to->blocks.push_back(from->blocks[whole]);
    to->rows += from->blocks[whole].rows;
  }
  if (whole < from->blocks.size() && to->rows < count) {
    RowBlock& block = from->blocks[whole];
    const std::uint64_t part = count - to->rows;
    to->blocks.push_back({block.data, part});
    to->rows += part;
    block.data += part * from->RowBytes();
    block.rows -= part;
  }
  from->blocks.erase(from->blocks.begin(), from->blocks.begin() + static_cast<std::ptrdiff_t>(whole));
  from->rows -= to->rows;
}

}  // namespace

CompressedRows CompressInSlices(RowSet set, std::size_t most, std::uint64_t slice, bool by_spread, const Interrupt& interrupt) {
  const std::uint64_t slices = std::max<std::uint64_t>(1, (set.rows + slice - 1) / slice);
  const std::uint64_t rows = (set.rows + slices - 1) / slices;  // of equal size
  CompressedRows result;
  for (std::uint64_t i = 0; i < slices; ++i) {
    RowSet part = set;
    part.blocks.clear();
    part.rows = 0;
    MoveRows(&set, rows, &part);
    if (i > 0) {
      part.cells = reinterpret_cast<const char*>(result.values.data());
      part.cell_count = result.cells;
      part.cell_rows = result.rows;
    }
    const std::vector<double> scale = by_spread ? SpreadOfColumns(part, interrupt) : std::vector<double>(set.dimensions, 1.0);
    result = Compress(part, most, scale, interrupt);
  }
  return result;
}

}  // namespace segmentation
