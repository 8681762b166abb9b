#include "core/fit_warnings.h"

#include <algorithm>
#include <cmath>

namespace segmentation {
namespace {

// The 0s and 1s of a rare level are always skewed.
bool InBlock(const Options& options, std::size_t column) {
  return std::any_of(options.blocks.begin(), options.blocks.end(),
                     [=](const ColumnBlock& block) { return column >= block.first && column <= block.last; });
}

// Of all distributions between two bounds, those of two values alone have the largest variance (R. Bhatia, C. Davis 2000). The column
// of a boolean may be skewed, and no logarithm changes that.
bool HasTwoValues(const ColumnStatistics& column) {
  const double largest = (column.mean - column.min) * (column.max - column.mean);
  return std::abs(column.variance - largest) <= 1e-9 * largest;
}

std::string Rounded(double value, double unit) {
  std::string text;
  if (!(std::abs(value / unit) < 1e15)) return "very large";
  const auto tenths = static_cast<std::int64_t>(std::floor(value / unit * 10 + 0.5));
  text = std::to_string(tenths / 10);
  return tenths % 10 == 0 ? text : text + "." + std::to_string(tenths % 10);
}

// One column that outweighs all others: the distance is then made of it alone.
void WarnOfUnscaled(const Options& options, const Preprocessed& rows, std::vector<Warning>* warnings) {
  if (options.scale != Scale::kNone || rows.columns.size() < 2) return;
  double total = 0;
  std::size_t largest = 0;
  for (std::size_t j = 0; j < rows.columns.size(); ++j) {
    total += rows.columns[j].variance;
    if (rows.columns[j].variance > rows.columns[largest].variance) largest = j;
  }
  if (!(total > 0) || rows.columns[largest].variance < 0.9 * total) return;
  warnings->push_back({"unscaled", "feature \"" + FeatureName(options, largest) + "\" holds " +
                                       Rounded(rows.columns[largest].variance / total, 0.01) +
                                       " % of the variance and decides the segments almost alone; consider option \"scale\""});
}

void WarnOfSkewed(const Options& options, const Preprocessed& rows, std::vector<Warning>* warnings) {
  std::string names;
  for (std::size_t j = 0; j < rows.columns.size(); ++j) {
    if (rows.columns[j].skewness <= 2 || InBlock(options, j) || HasTwoValues(rows.columns[j])) continue;
    names += (names.empty() ? "\"" : ", \"") + FeatureName(options, j) + "\" (" + Rounded(rows.columns[j].skewness, 1) + ")";
  }
  if (names.empty()) return;
  warnings->push_back({"skewed", "skewness above 2: " + names + "; a few large values pull the centroids; consider a logarithm"});
}

void WarnOfClusters(const Options& options, const Model& model, bool converged, std::vector<Warning>* warnings) {
  const std::int64_t k = model.fit.k;
  const auto found = static_cast<std::int64_t>(model.segments.size());
  if (found < k) {
    warnings->push_back({"fewer_clusters", std::to_string(k) + " clusters were asked for and " + std::to_string(found) +
                                               (options.min_size > 0 ? " found that hold option \"min_size\""
                                                                     : model.metrics.inertia == 0 ? " found: there are not more different rows"
                                                                     : " found: the others were left without rows")});
  }
  if (!converged) {
    warnings->push_back({"not_converged", "the fit was stopped by option \"max_iter\" (" + std::to_string(options.max_iter) +
                                              ") before it converged"});
  }
  const auto smallest = std::min_element(model.segments.begin(), model.segments.end(),
                                         [](const Segment& a, const Segment& b) { return a.rows < b.rows; });
  if (static_cast<std::int64_t>(smallest->rows) < options.min_size) {
    warnings->push_back({"min_size", "there are fewer rows than option \"min_size\" asks for in one segment"});
  }
}

// What the inertia can be at least. With A the inertia of the cells' means and D that within the cells, the distances of all
// rows, as one vector, differ by at most sqrt(D) from those of their means (triangle inequality): the root of the true inertia
// is at least sqrt(A) - sqrt(D). Where rows are left out that is no bound: others might be if they were known.
void WarnOfCells(const Options& options, const RowSet& rows, double inner, double inertia, std::vector<Warning>* warnings) {
  if (rows.cell_count == 0) return;
  const double root = std::max(0.0, std::sqrt(std::max(0.0, inertia - inner)) - std::sqrt(inner));
  const double share = inertia > 0 ? inner / inertia : 0;
  std::string message = "the fit was not exact: " + std::to_string(rows.cell_rows) + " rows were summarized in " +
                        std::to_string(rows.cell_count) + " cells, which hold " + Rounded(share, 0.01) + " % of the inertia; ";
  if (options.trim > 0) {
    message += "with option \"trim\" a cell is kept or left out as a whole";
  } else {
    message += "the inertia of all rows is between " + Rounded(inertia > 0 ? root * root / inertia : 1, 0.01) + " % of what is reported and all of it";
  }
  warnings->push_back({"not_exact", message});
}

}  // namespace

std::string FeatureName(const Options& options, std::size_t column) {
  return options.features.empty() ? "f" + std::to_string(column + 1) : options.features[column];
}

std::vector<Warning> WarningsOf(const Model& model, const Options& options, const Preprocessed& prepared, const RowSet& rows, double inner,
                                bool converged) {
  std::vector<Warning> warnings;
  WarnOfUnscaled(options, prepared, &warnings);
  WarnOfSkewed(options, prepared, &warnings);
  WarnOfClusters(options, model, converged, &warnings);
  WarnOfCells(options, rows, inner, model.metrics.inertia, &warnings);
  return warnings;
}

}  // namespace segmentation
