#include "core/match.h"

#include <algorithm>
#include <limits>

namespace segmentation {
namespace {

double OldRows(const Contingency& table, std::size_t i) {
  double sum = 0;
  for (std::size_t j = 0; j < table.new_count; ++j) sum += table.At(i, j);
  return sum;
}

double NewRows(const Contingency& table, std::size_t j) {
  double sum = 0;
  for (std::size_t i = 0; i < table.old_count; ++i) sum += table.At(i, j);
  return sum;
}

double Pairs(double n) { return n * (n - 1) / 2; }

}  // namespace

std::vector<std::size_t> BestAssignment(const std::vector<double>& gain, std::size_t rows, std::size_t columns, const Interrupt& interrupt) {
  // A square matrix of costs, with rows or columns of zeros; shortest augmenting paths with potentials, counted from 1.
  const std::size_t n = std::max(rows, columns);
  const double largest = gain.empty() ? 0 : *std::max_element(gain.begin(), gain.end());
  const auto cost = [&](std::size_t i, std::size_t j) { return i < rows && j < columns ? largest - gain[i * columns + j] : largest; };
  std::vector<double> row_potential(n + 1), column_potential(n + 1);
  std::vector<std::size_t> row_of(n + 1, 0), way(n + 1, 0);
  for (std::size_t i = 1; i <= n; ++i) {
    row_of[0] = i;
    std::size_t column = 0;
    std::vector<double> least(n + 1, std::numeric_limits<double>::infinity());
    std::vector<char> used(n + 1, 0);
    do {
      interrupt.Poll();
      used[column] = 1;
      const std::size_t row = row_of[column];
      double delta = std::numeric_limits<double>::infinity();
      std::size_t next = 0;
      for (std::size_t j = 1; j <= n; ++j) {
        if (used[j] != 0) continue;
        const double reduced = cost(row - 1, j - 1) - row_potential[row] - column_potential[j];
        if (reduced < least[j]) {
          least[j] = reduced;
          way[j] = column;
        }
        if (least[j] < delta) {
          delta = least[j];
          next = j;
        }
      }
      for (std::size_t j = 0; j <= n; ++j) {
        if (used[j] != 0) {
          row_potential[row_of[j]] += delta;
          column_potential[j] -= delta;
        } else {
          least[j] -= delta;
        }
      }
      column = next;
    } while (row_of[column] != 0);
    do {
      const std::size_t before = way[column];
      row_of[column] = row_of[before];
      column = before;
    } while (column != 0);
  }
  std::vector<std::size_t> assigned(columns, kUnmatched);
  for (std::size_t j = 0; j < columns; ++j) {
    if (row_of[j + 1] <= rows) assigned[j] = row_of[j + 1] - 1;
  }
  return assigned;
}

std::vector<std::size_t> MatchSegments(const Contingency& table, const Interrupt& interrupt) {
  std::vector<std::size_t> matched = BestAssignment(table.rows, table.old_count, table.new_count, interrupt);
  for (std::size_t j = 0; j < matched.size(); ++j) {
    if (matched[j] == kUnmatched) continue;
    const double common = table.At(matched[j], j);
    if (2 * common <= OldRows(table, matched[j]) && 2 * common <= NewRows(table, j)) matched[j] = kUnmatched;
  }
  return matched;
}

double AdjustedRandIndex(const Contingency& table) {
  double both = 0;
  double olds = 0;
  double news = 0;
  double all = 0;
  for (double rows : table.rows) {
    both += Pairs(rows);
    all += rows;
  }
  for (std::size_t i = 0; i < table.old_count; ++i) olds += Pairs(OldRows(table, i));
  for (std::size_t j = 0; j < table.new_count; ++j) news += Pairs(NewRows(table, j));
  if (!(all > 1)) return 1;
  const double expected = olds * news / Pairs(all);
  const double most = (olds + news) / 2;
  // Both in one piece, or both all in single rows: equal partitions.
  return most == expected ? 1 : (both - expected) / (most - expected);
}

double Jaccard(const Contingency& table, std::size_t old_segment, std::size_t new_segment) {
  const double common = table.At(old_segment, new_segment);
  const double either = OldRows(table, old_segment) + NewRows(table, new_segment) - common;
  return either > 0 ? common / either : 0;
}

}  // namespace segmentation
