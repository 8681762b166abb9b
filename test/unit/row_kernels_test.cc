#include "core/row_kernels.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "core/exact_sum.h"
#include "core/random.h"

namespace segmentation {
namespace {

// Rows of some width with bytes between them, not aligned, and everything that the kernels are given beside them.
struct Case {
  Case(std::size_t rows, std::size_t width, bool scaled) : count(rows), columns(width), with_scaling(scaled) {
    const CounterRandom random(rows * 100 + width, 0);
    std::uint32_t next = 0;
    const auto draw = [&] { return random.Uniform(next++, 0); };
    stride = columns * sizeof(double) + 3;
    bytes.resize(1 + rows * stride);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t j = 0; j < columns; ++j) {
        const double value = (draw() - 0.5) * 100;
        std::memcpy(&bytes[1 + r * stride + j * sizeof value], &value, sizeof value);
      }
      weights.push_back(0.5 + draw());
      labels.push_back(static_cast<Label>(draw() * kClusters));
    }
    for (std::size_t j = 0; j < columns; ++j) {
      offset.push_back(draw() * 10);
      scale.push_back(0.5 + draw());
      down.push_back(j % 2 == 0 ? 0x1p-10 : 0x1p-11);
    }
  }
  RowsInMemory rows() const { return {bytes.data() + 1, stride}; }
  RowScaling scaling() const { return with_scaling ? RowScaling{offset.data(), scale.data()} : RowScaling{}; }
  double At(std::size_t r, std::size_t j) const {
    double value;
    std::memcpy(&value, rows().data + r * stride + j * sizeof value, sizeof value);
    return with_scaling ? (value - offset[j]) / scale[j] : value;
  }
  Folds FoldsAt(std::size_t r, std::size_t j, double weight) const { return Fold(weight * At(r, j) * down[j]); }

  static constexpr std::size_t kClusters = 3;
  std::size_t count, columns, stride;
  bool with_scaling;
  std::vector<char> bytes;
  std::vector<double> weights, offset, scale, down;
  std::vector<Label> labels;
};

template <typename Check>
void ForEachCase(const Check& check) {
  for (const RowKernels& kernels : UsableRowKernels()) {
    for (std::size_t columns = 1; columns <= 21; ++columns) {
      for (std::size_t count : {1, 3, 4, 63, 64}) {
        for (bool scaled : {false, true}) {
          SCOPED_TRACE(::testing::Message() << kernels.lanes << " lanes, " << columns << " columns, " << count << " rows, scaled " << scaled);
          check(kernels, Case(count, columns, scaled));
        }
      }
    }
  }
}

TEST(RowKernels, LayOutRowsColumnByColumn) {
  ForEachCase([](const RowKernels& kernels, const Case& rows) {
    constexpr double kUntouched = -1e300;
    std::vector<double> tile(rows.columns * kTileRows, kUntouched);
    kernels.lay_out(rows.rows(), rows.count, rows.columns, rows.scaling(), tile.data());
    for (std::size_t j = 0; j < rows.columns; ++j) {
      for (std::size_t r = 0; r < kTileRows; ++r) {
        ASSERT_EQ(tile[j * kTileRows + r], r < rows.count ? rows.At(r, j) : kUntouched) << r << " " << j;
      }
    }
  });
}

TEST(RowKernels, RowsEnterTheSumsOfTheirClusters) {
  ForEachCase([](const RowKernels& kernels, const Case& rows) {
    const std::size_t stride = 2 * rows.columns + 1;
    for (bool weighted : {false, true}) {
      std::vector<double> expected(Case::kClusters * stride, 0.0);
      for (std::size_t r = 0; r < rows.count; ++r) {
        double* to = &expected[rows.labels[r] * stride];
        for (std::size_t j = 0; j < rows.columns; ++j) {
          const Folds folds = rows.FoldsAt(r, j, weighted ? rows.weights[r] : 1);
          to[j] += folds.high;
          to[rows.columns + j] += folds.low;
        }
      }
      std::vector<double> sums(Case::kClusters * stride, 0.0);
      kernels.enter(rows.rows(), rows.count, rows.columns, rows.scaling(), rows.down.data(), weighted ? rows.weights.data() : nullptr,
                    rows.labels.data(), sums.data(), stride);
      ASSERT_EQ(sums, expected) << weighted;
    }
  });
}

TEST(RowKernels, ARowMovesFromOneClusterToAnother) {
  ForEachCase([](const RowKernels& kernels, const Case& rows) {
    const std::size_t last = rows.count - 1;
    std::vector<double> from(2 * rows.columns, 4.0), to(2 * rows.columns, 5.0);
    kernels.move(rows.rows().data + last * rows.stride, rows.columns, rows.scaling(), rows.down.data(), rows.weights[last], from.data(),
                 to.data());
    for (std::size_t j = 0; j < rows.columns; ++j) {
      const Folds folds = rows.FoldsAt(last, j, rows.weights[last]);
      ASSERT_EQ(from[j], 4 - folds.high);
      ASSERT_EQ(from[rows.columns + j], 4 - folds.low);
      ASSERT_EQ(to[j], 5 + folds.high);
      ASSERT_EQ(to[rows.columns + j], 5 + folds.low);
    }
  });
}

}  // namespace
}  // namespace segmentation
