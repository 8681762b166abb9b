#include "core/pca_sums.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/pca.h"

namespace segmentation {
namespace {

void Store(DoubleDouble value, double* high, double* low) {
  *high = value.high;
  *low = value.low;
}

[[noreturn]] void RaiseTooLarge() {
  throw Error(ErrorCode::kNotFinite, "features are too large", "The variance of a feature is beyond the range of double precision.",
              "Divide the feature by a constant, or leave out the rows that make it so large.");
}

// Weighted mean of (x - shift) of each column, and the covariances over the sum of weights (population), rounded once.
struct Rounded {
  double weight;
  std::vector<double> mean;
  std::vector<double> covariance;  // columns x columns
};

Rounded Round(const PcaSums& sums, const Interrupt& interrupt) {
  const std::size_t columns = sums.columns();
  Rounded out{sums.weight().Value(), {}, std::vector<double>(columns * columns)};
  if (!std::isfinite(out.weight)) {
    throw Error(ErrorCode::kNotFinite, "weights are too large", "Their sum is beyond the range of double precision.",
                "Divide the weights by a constant.");
  }
  std::vector<DoubleDouble> means;
  for (std::size_t j = 0; j < columns; ++j) {
    means.push_back(sums.Sum(j) / sums.weight());
    out.mean.push_back((means.back() + DoubleDouble{sums.shift(j), 0}).Value());
    if (!std::isfinite(out.mean.back())) RaiseTooLarge();
  }
  std::size_t pair = 0;
  for (std::size_t i = 0; i < columns; ++i) {
    interrupt.Poll();
    for (std::size_t j = i; j < columns; ++j, ++pair) {
      const double covariance = ((sums.Product(pair) - sums.Sum(i) * means[j]) / sums.weight()).Value();
      const bool constant = sums.low(i) == sums.high(i) || sums.low(j) == sums.high(j);
      out.covariance[i * columns + j] = out.covariance[j * columns + i] = constant ? 0.0 : i == j ? std::max(0.0, covariance) : covariance;
      if (!std::isfinite(covariance)) RaiseTooLarge();
    }
  }
  return out;
}

void FindScale(const PcaSums& sums, const Rounded& rounded, Scale scaling, PcaModel* model) {
  const std::size_t columns = sums.columns();
  model->scaling = Name(scaling);
  for (std::size_t j = 0; j < columns; ++j) {
    double offset = 0;
    double scale = 1;
    if (scaling == Scale::kZscore) {
      offset = rounded.mean[j];
      scale = std::sqrt(std::max(0.0, rounded.covariance[j * columns + j]));
    } else if (scaling == Scale::kMinmax) {
      offset = sums.low(j);
      scale = sums.high(j) - sums.low(j);
    }
    if (sums.low(j) == sums.high(j) || scale == 0) scale = 1;
    if (!std::isfinite(scale)) RaiseTooLarge();
    model->offset.push_back(offset + 0.0);
    model->scale.push_back(scale);
    model->center.push_back((rounded.mean[j] - offset) / scale + 0.0);
  }
}

// Population variances times this are sample variances.
double SampleFactor(const PcaSums& sums, double weight, double total_variance) {
  if (total_variance == 0) return 1;
  if (weight > 1) return weight / (weight - 1);
  throw Error(ErrorCode::kInvalidParameter, "weights are too small",
              "They add up to " + std::to_string(weight) + " over " + std::to_string(static_cast<std::uint64_t>(sums.rows())) +
                  " rows, and variances are divided by their sum less 1.",
              "A weight says how many rows a row stands for: multiply the weights by a constant.");
}

}  // namespace

void PcaSums::AddWeight(DoubleDouble weight) { Store(this->weight() + weight, at_ + 2, at_ + 3); }

void PcaSums::WidenRange(const double* low, const double* high) {
  for (std::size_t j = 0; j < columns_; ++j) {
    lows()[j] = std::min(lows()[j], low[j]);
    highs()[j] = std::max(highs()[j], high[j]);
  }
}

void PcaSums::Add(const double* row, double weight, double* room) {
  const std::size_t d = columns_;
  if (at_[0]++ == 0) {
    for (double* to : {shifts(), lows(), highs()}) std::memcpy(to, row, d * sizeof(double));
  }
  WidenRange(row, row);
  AddWeight({weight, 0});
  // Deviations, and the halves of their high parts.
  double *high = room, *low = room + d, *upper = room + 2 * d, *lower = room + 3 * d;
  for (std::size_t j = 0; j < d; ++j) {
    const DoubleDouble deviation = TwoSum(row[j], -shifts()[j]);
    const DoubleDouble halves = Split(deviation.high);
    high[j] = deviation.high;
    low[j] = deviation.low;
    upper[j] = halves.high;
    lower[j] = halves.low;
  }
  double* to = products();
  double* to_low = products() + Pairs(d);
  for (std::size_t i = 0; i < d; ++i) {
    const DoubleDouble weighted = weight == 1 ? DoubleDouble{high[i], low[i]} : DoubleDouble{high[i], low[i]} * DoubleDouble{weight, 0};
    Store(Sum(i) + weighted, sums() + i, sums() + d + i);
    const DoubleDouble halves = Split(weighted.high);
    for (std::size_t j = i; j < d; ++j, ++to, ++to_low) {
      const double product = weighted.high * high[j];
      double rest = ((halves.high * upper[j] - product) + halves.high * lower[j] + halves.low * upper[j]) + halves.low * lower[j];
      rest += weighted.high * low[j] + weighted.low * high[j];
      const DoubleDouble sum = TwoSum(*to, product);
      Store(FastTwoSum(sum.high, sum.low + (*to_low + rest)), to, to_low);
    }
  }
}

void PcaSums::Merge(const PcaSums& other) {
  const std::size_t d = columns_;
  CountSkipped(other.skipped());
  if (other.rows() == 0) return;
  if (rows() == 0) {
    const double skipped_before = skipped();
    std::memcpy(at_, other.at_, Size(d) * sizeof(double));
    at_[1] = skipped_before;
    return;
  }
  at_[0] += other.rows();
  WidenRange(other.lows(), other.highs());
  AddWeight(other.weight());
  // About our shifts: w (x - s) (y - t) with x - s = (x - s') + (s' - s).
  const auto gap = [&](std::size_t j) { return TwoSum(other.shifts()[j], -shifts()[j]); };
  std::size_t pair = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const DoubleDouble moved = other.weight() * gap(i);
    for (std::size_t j = i; j < d; ++j, ++pair) {
      const DoubleDouble recentred = other.Product(pair) + gap(i) * other.Sum(j) + (other.Sum(i) + moved) * gap(j);
      Store(Product(pair) + recentred, products() + pair, products() + Pairs(d) + pair);
    }
    Store(Sum(i) + (other.Sum(i) + moved), sums() + i, sums() + d + i);
  }
}

PcaModel ModelOfSums(const PcaSums& sums, const Options& options, const Interrupt& interrupt) {
  const std::size_t columns = sums.columns();
  Rounded rounded = Round(sums, interrupt);
  PcaModel model;
  for (std::size_t j = 0; j < columns; ++j) model.features.push_back(options.features.empty() ? "f" + std::to_string(j + 1) : options.features[j]);
  FindScale(sums, rounded, options.scale, &model);
  for (std::size_t i = 0; i < columns; ++i) {
    for (std::size_t j = 0; j < columns; ++j) rounded.covariance[i * columns + j] = rounded.covariance[i * columns + j] / model.scale[i] / model.scale[j];
  }
  // The order of the two divisions must not make it lopsided.
  for (std::size_t i = 0; i < columns; ++i) {
    for (std::size_t j = 0; j < i; ++j) rounded.covariance[i * columns + j] = rounded.covariance[j * columns + i];
  }
  PrincipalComponents components = ComponentsOf(rounded.covariance, columns, interrupt);
  if (!std::isfinite(components.total_variance)) RaiseTooLarge();
  const double factor = SampleFactor(sums, rounded.weight, components.total_variance);
  if (options.components > 0) KeepComponents(options.components, &components);
  model.axes = std::move(components.axes);
  for (double variance : components.variances) model.variances.push_back(variance * factor);
  model.total_variance = components.total_variance * factor;
  model.rows = static_cast<std::uint64_t>(sums.rows());
  model.skipped = static_cast<std::uint64_t>(sums.skipped());
  model.weight = rounded.weight;
  // Sums that nobody added up may be anything.
  ValidatePcaModel(model, ErrorCode::kNotFinite);
  return model;
}

}  // namespace segmentation
