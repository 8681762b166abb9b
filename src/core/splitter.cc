#include "core/splitter.h"

#include <cmath>
#include <limits>
#include <queue>

#include "core/error.h"

namespace segmentation {
namespace {

void RequireFinite(const Moments& moments) {
  double total = moments.weight;
  for (double square : moments.square) total += square;
  if (std::isfinite(total)) return;
  throw Error(ErrorCode::kNotFinite, "features are too large", "Their sums of squares are beyond the range of double precision.",
              "Divide them, or their weights, by a constant.");
}

// Sums of squares about a shift that is far from the mean are the small difference of large numbers. How much of one may be
// rounding error: some units in the last place of what was subtracted.
double Noise(const Moments& moments, std::size_t j) {
  return 8 * std::numeric_limits<double>::epsilon() * (moments.linear[j] / moments.weight * moments.linear[j]);
}

}  // namespace

Splitter::Splitter(const RowSet& set, const std::vector<double>& scale, const Interrupt& interrupt)
    : set_(set), scale_(scale), interrupt_(interrupt), dimensions_(set.dimensions), parts_(1), shift_(dimensions_),
      left_(dimensions_), right_(dimensions_) {
  rows_.kind = set.weighted ? ItemKind::kWeightedRow : ItemKind::kRow;
  cells_.kind = ItemKind::kCell;
  rows_.dimensions = cells_.dimensions = dimensions_;
}

void Splitter::Reserve(std::size_t most, std::size_t items) {
  // Measured: splits ahead of time make four and a half parts for each that is asked for.
  parts_.reserve(std::min(5 * most, 2 * items));
  means_.reserve(std::min(5 * most / 2, items) * dimensions_);
}

void Splitter::Take(std::size_t stride) {
  rows_.Allocate(set_.rows / stride + set_.blocks.size() + 1);
  cells_.Allocate(set_.cell_count / stride + 1);
  ForRows(set_, stride, interrupt_, [this](const char* row) { rows_.pointers[rows_.count++] = row; });
  ForCells(set_, stride, [this](const char* cell) { cells_.pointers[cells_.count++] = cell; });
  parts_[0].rows.end = rows_.count;
  parts_[0].cells.end = cells_.count;
}

// Where there are cells, what they stand for lies between the bounds that came with them.
void Splitter::FindBounds() {
  bounds_.resize(2 * dimensions_);
  const std::size_t bytes = dimensions_ * sizeof(double);
  if (set_.cell_count > 0) {
    std::memcpy(bounds_.data(), set_.cells, 2 * bytes);
  } else {
    std::memcpy(bounds_.data(), rows_.pointers[0], bytes);
    std::memcpy(bounds_.data() + dimensions_, rows_.pointers[0], bytes);
  }
  ForRows(set_, 1, interrupt_, [this](const char* row) { WidenTo(row, dimensions_, bounds_.data(), bounds_.data() + dimensions_); });
}

const char* Splitter::FirstPosition(const Part& part) const {
  return part.rows.size() > 0 ? rows_.pointers[part.rows.begin] : cells_.pointers[part.cells.begin] + PositionAt(ItemKind::kCell);
}

// Moments of a part about `shift`.
void Splitter::Sum(const Part& part, const double* shift, Moments* sums) {
  sums->Clear();
  WithKind(rows_.kind, [&](auto kind) { AddRange<kind()>(rows_, part.rows, shift, sums, interrupt_); });
  AddRange<ItemKind::kCell>(cells_, part.cells, shift, sums, interrupt_);
}

void Splitter::SettleAlone(std::size_t index) {
  Part* const part = &parts_[index];
  std::memcpy(shift_.data(), FirstPosition(*part), dimensions_ * sizeof(double));
  Sum(*part, shift_.data(), &left_);
  RequireFinite(left_);
  Settle(shift_.data(), &left_, part);
}

// Notes the mean of a part, in its slot, and the column along which it is widest. `moments` are about `shift`, and are taken
// again about the part's mean where rounding could decide.
void Splitter::Settle(const double* shift, Moments* moments, Part* part) {
  double* const mean = means_.data() + part->mean * dimensions_;
  for (bool again = false;; again = true) {
    double noise = 0;
    part->spread = 0;
    for (std::size_t j = 0; j < dimensions_; ++j) {
      mean[j] = moments->Mean(j, shift);
      const double spread = moments->Squares(j) / scale_[j] / scale_[j];
      noise = std::max(noise, Noise(*moments, j) / scale_[j] / scale_[j]);
      if (spread > part->spread) {
        part->spread = spread;
        part->column = j;
      }
    }
    if (again || noise <= 1e-3 * part->spread) return;
    own_shift_.assign(mean, mean + dimensions_);
    shift = own_shift_.data();
    Sum(*part, shift, moments);
  }
}

// Both sides of a part and their moments about shift_; false when one is empty.
bool Splitter::Divide(const Part& part, std::size_t column, double pivot, Part* left, Part* right) {
  left_.Clear();
  right_.Clear();
  const auto divide = [&](auto kind, Items* items, Range range, Range* lower, Range* upper) {
    const std::size_t middle =
        PartitionRange<kind()>(items, range, column, pivot, shift_.data(), &left_, &right_, interrupt_);
    *lower = {range.begin, middle};
    *upper = {middle, range.end};
  };
  WithKind(rows_.kind, [&](auto kind) { divide(kind, &rows_, part.rows, &left->rows, &right->rows); });
  divide(std::integral_constant<ItemKind, ItemKind::kCell>(), &cells_, part.cells, &left->cells, &right->cells);
  return left->items() > 0 && right->items() > 0;
}

// Where the mean leaves one side empty, by rounding or because all spread of the column is inside of cells: the column with the
// widest range of items, and a value that divides it. False when all items are in one place.
bool Splitter::FindMiddle(const Part& part, std::size_t* column, double* pivot) {
  std::vector<double> low(dimensions_, std::numeric_limits<double>::infinity());
  std::vector<double> high(dimensions_, -std::numeric_limits<double>::infinity());
  FindRange(rows_, part.rows, low.data(), high.data(), interrupt_);
  FindRange(cells_, part.cells, low.data(), high.data(), interrupt_);
  double widest = 0;
  for (std::size_t j = 0; j < dimensions_; ++j) {
    const double range = (high[j] - low[j]) / scale_[j];
    if (!(range > widest)) continue;
    widest = range;
    *column = j;
    const double middle = low[j] + (high[j] - low[j]) / 2;
    *pivot = middle < high[j] ? middle : low[j];
  }
  return widest > 0;
}

// Splits a part in two; false when it cannot be.
bool Splitter::Split(std::size_t index) {
  const Part part = parts_[index];
  const double* const mean = means_.data() + part.mean * dimensions_;
  std::copy(mean, mean + dimensions_, shift_.begin());
  std::size_t column = part.column;
  double pivot = shift_[column];
  Part left;
  Part right;
  if (!Divide(part, column, pivot, &left, &right) &&
      !(FindMiddle(part, &column, &pivot) && Divide(part, column, pivot, &left, &right))) {
    parts_[index].spread = 0;
    return false;
  }
  left.mean = part.mean;  // no longer needed
  right.mean = means_.size() / dimensions_;
  means_.resize(means_.size() + dimensions_);
  Settle(shift_.data(), &left_, &left);
  Settle(shift_.data(), &right_, &right);
  parts_[index].column = column;
  parts_[index].pivot = pivot;
  parts_[index].children = parts_.size();
  parts_.push_back(left);
  parts_.push_back(right);
  return true;
}

// Splits a part, and its own parts ahead of time while they are in the cache: those that are not chosen later cost less than
// coming back for the others. No part is wider than what it came from, so the choice does not depend on this.
void Splitter::Expand(std::size_t index, std::size_t generations) {
  if (!Split(index) || generations == 1) return;
  const std::size_t children = parts_[index].children;
  for (std::size_t child = children; child < children + 2; ++child) {
    if (parts_[child].spread > 0) Expand(child, generations - 1);
  }
}

void Splitter::Grow(std::size_t most) {
  if (parts_[0].items() == 0) return;
  if (parts_.size() == 1) {
    means_.resize(dimensions_);
    SettleAlone(0);
  }
  const auto narrower = [this](std::size_t a, std::size_t b) {
    return parts_[a].spread != parts_[b].spread ? parts_[a].spread < parts_[b].spread : a > b;
  };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(narrower)> widest(narrower);
  // The leaves: parts below them may be there already, split ahead of time, but are not the result's yet.
  std::vector<std::size_t> open = {0};
  while (!open.empty()) {
    const std::size_t index = open.back();
    open.pop_back();
    if (parts_[index].chosen) {
      open.push_back(parts_[index].children);
      open.push_back(parts_[index].children + 1);
    } else if (parts_[index].spread > 0) {
      widest.push(index);
    }
  }
  while (leaves_ < most && !widest.empty()) {
    interrupt_.Poll();
    const std::size_t index = widest.top();
    widest.pop();
    if (parts_[index].children == 0) {
      const Range rows = parts_[index].rows;
      Visit(rows, [&] { Expand(index, FitsCache(rows) ? kGenerations : 1); });
    }
    const std::size_t children = parts_[index].children;
    if (children == 0) continue;
    parts_[index].chosen = true;
    ++leaves_;
    for (std::size_t child = children; child < children + 2; ++child) {
      if (parts_[child].spread > 0) widest.push(child);
    }
  }
}

std::vector<double> Splitter::Spreads() {
  std::vector<double> spreads(dimensions_, 1.0);
  const Part& whole = parts_[0];
  if (whole.items() == 0) return spreads;
  FindBounds();
  std::memcpy(shift_.data(), FirstPosition(whole), dimensions_ * sizeof(double));
  Sum(whole, shift_.data(), &left_);
  // The sum of squares of a constant column would be rounding errors.
  const auto constant = [this](std::size_t j) { return bounds_[j] == bounds_[dimensions_ + j]; };
  bool sure = true;
  for (std::size_t j = 0; j < dimensions_; ++j) sure = sure && (constant(j) || Noise(left_, j) <= 1e-6 * left_.Squares(j));
  if (!sure) {
    for (std::size_t j = 0; j < dimensions_; ++j) shift_[j] = left_.Mean(j, shift_.data());
    Sum(whole, shift_.data(), &left_);
  }
  for (std::size_t j = 0; j < dimensions_; ++j) {
    const double spread = constant(j) ? 0 : std::sqrt(left_.Squares(j));
    if (spread > 0) spreads[j] = spread;
  }
  RequireFinite(left_);
  return spreads;
}

}  // namespace segmentation
