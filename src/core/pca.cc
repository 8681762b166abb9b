#include "core/pca.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "core/error.h"
#include "core/exact_sum.h"

namespace segmentation {
namespace {

// A symmetric matrix, and what turned it into a diagonal one.
struct Rotations {
  std::size_t n;
  std::size_t stride;           // between rows: not a power of two, so that a column does not lie in few places of the cache
  std::vector<double> matrix;   // n x n, both halves
  std::vector<double> vectors;  // n x n, eigenvectors as rows

  double& At(std::size_t i, std::size_t j) { return matrix[i * stride + j]; }

  // Makes element (p, q) zero: G. H. Golub & C. F. Van Loan, "Matrix Computations", 8.5.
  void Annihilate(std::size_t p, std::size_t q) {
    const double off = At(p, q);
    if (off == 0) return;
    const double tau = (At(q, q) - At(p, p)) / 2 / off;
    const double t = std::isfinite(tau * tau) ? (tau >= 0 ? 1 / (tau + std::sqrt(1 + tau * tau)) : 1 / (tau - std::sqrt(1 + tau * tau))) : 1 / (2 * tau);
    const double c = 1 / std::sqrt(1 + t * t);
    const double s = t * c;
    const double pp = c * (c * At(p, p) - s * off) - s * (c * off - s * At(q, q));
    const double qq = s * (s * At(p, p) + c * off) + c * (s * off + c * At(q, q));
    Turn(&At(p, 0), &At(q, 0), c, s);
    Turn(&vectors[p * n], &vectors[q * n], c, s);
    At(p, p) = pp;
    At(q, q) = qq;
    At(p, q) = At(q, p) = 0;
    for (std::size_t i = 0; i < n; ++i) {
      At(i, p) = At(p, i);
      At(i, q) = At(q, i);
    }
  }

  // Two rows by an angle whose cosine and sine are c and s.
  void Turn(double* a, double* b, double c, double s) const {
    for (std::size_t i = 0; i < n; ++i) {
      const double x = a[i];
      const double y = b[i];
      a[i] = c * x - s * y;
      b[i] = s * x + c * y;
    }
  }
};

// The cyclic Jacobi method (C. G. J. Jacobi 1846), written out: a library's eigenvectors differ by their last bits from machine to machine.
void Diagonalize(Rotations* rotations, const Interrupt& interrupt) {
  constexpr int kMaxSweeps = 60;
  const std::size_t n = rotations->n;
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    bool changed = false;
    for (std::size_t p = 0; p + 1 < n; ++p) {
      interrupt.Poll();
      for (std::size_t q = p + 1; q < n; ++q) {
        // Nothing beside the diagonal that a double could tell.
        const double least = std::numeric_limits<double>::epsilon() / 8 * std::sqrt(std::abs(rotations->At(p, p))) * std::sqrt(std::abs(rotations->At(q, q)));
        if (std::abs(rotations->At(p, q)) <= least) continue;
        rotations->Annihilate(p, q);
        changed = true;
      }
    }
    if (!changed) return;
  }
}

}  // namespace

PrincipalComponents ComponentsOf(const std::vector<double>& covariance, std::size_t columns, const Interrupt& interrupt) {
  const std::size_t stride = (columns | 7) + 2;
  Rotations rotations{columns, stride, std::vector<double>(columns * stride), std::vector<double>(columns * columns)};
  for (std::size_t j = 0; j < columns; ++j) {
    std::copy_n(covariance.begin() + static_cast<std::ptrdiff_t>(j * columns), columns, rotations.matrix.begin() + static_cast<std::ptrdiff_t>(j * stride));
    rotations.vectors[j * columns + j] = 1;
  }
  PrincipalComponents out;
  for (std::size_t j = 0; j < columns; ++j) out.total_variance += covariance[j * columns + j];
  Diagonalize(&rotations, interrupt);
  std::vector<std::size_t> order(columns);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rotations.At(a, a) > rotations.At(b, b); });
  for (std::size_t at : order) {
    out.variances.push_back(std::max(0.0, rotations.At(at, at)));
    const double* axis = rotations.vectors.data() + at * columns;
    // Of opposite directions, the one whose largest loading is positive.
    const double* largest = std::max_element(axis, axis + columns, [](double a, double b) { return std::abs(a) < std::abs(b); });
    for (std::size_t j = 0; j < columns; ++j) out.axes.push_back(*largest < 0 ? 0.0 - axis[j] : axis[j] + 0.0);
  }
  return out;
}

void KeepComponents(double wanted, PrincipalComponents* components) {
  const std::size_t columns = components->size();
  auto count = static_cast<std::size_t>(wanted);
  if (wanted < 1) {
    double explained = 0;
    for (count = 0; count < columns && !(explained >= wanted * components->total_variance && count > 0); ++count) explained += components->variances[count];
  } else if (wanted > static_cast<double>(columns)) {
    throw Error(ErrorCode::kInvalidParameter, "there are not so many principal components",
                "Option \"components\" asks for " + std::to_string(count) + ", and there are " + std::to_string(columns) + " columns.");
  }
  components->variances.resize(count);
  components->axes.resize(count * columns);
}

std::vector<double> Covariances(const Points& points, const std::vector<double>& mean, double total_weight, const std::vector<double>& squares,
                                ThreadTeam& team) {
  const std::size_t columns = points.dimensions();
  // Deviations are taken to at most 1 by powers of two, and so are weights: terms are at most 1, too.
  std::vector<SumUnit> units;
  for (std::size_t j = 0; j < columns; ++j) units.emplace_back(std::max(points.high()[j] - mean[j], mean[j] - points.low()[j]) * (1 + 1e-9));
  const SumUnit weight_unit = points.WeightUnit();
  const SumUnit one(1);
  const std::size_t pairs = columns * (columns + 1) / 2;
  std::vector<std::vector<ExactTotal>> totals(team.size(), std::vector<ExactTotal>(pairs));
  struct Worker {
    std::vector<double> tile, deviations, folds;
  };
  std::vector<Worker> workers(team.size());
  for (Worker& worker : workers) {
    worker.tile.resize(points.in_place() ? columns * kTileRows : 0);
    worker.deviations.resize(columns * kTileRows);
    worker.folds.resize(2 * pairs);
  }
  team.ForEach(points.block_count(), [&](std::size_t block, std::size_t worker, const Interrupt& interrupt) {
    std::vector<double>& folds = workers[worker].folds;
    double* deviations = workers[worker].deviations.data();
    std::fill(folds.begin(), folds.end(), 0.0);
    for (std::size_t tile = block * kBlockTiles; tile < points.BlockEnd(block); ++tile) {
      interrupt.Poll();
      const double* values = points.Tile(tile, workers[worker].tile.data());
      double weight_buffer[kTileRows];
      const double* weights = points.Weights(tile, weight_buffer);
      for (std::size_t j = 0; j < columns; ++j) {
        for (std::size_t r = 0; r < kTileRows; ++r) {
          const bool is_row = weights[r] > 0;  // those that fill the tile up may be far away
          deviations[j * kTileRows + r] = is_row ? (values[j * kTileRows + r] - mean[j]) * units[j].down() : 0;
        }
      }
      double* fold = folds.data();
      for (std::size_t i = 0; i < columns; ++i) {
        double weighted[kTileRows];
        for (std::size_t r = 0; r < kTileRows; ++r) weighted[r] = deviations[i * kTileRows + r] * (weights[r] * weight_unit.down()) * one.down();
        for (std::size_t j = i; j < columns; ++j, fold += 2) {
          for (std::size_t r = 0; r < kTileRows; ++r) {
            const Folds term = Fold(weighted[r] * deviations[j * kTileRows + r]);
            fold[0] += term.high;
            fold[1] += term.low;
          }
        }
      }
    }
    for (std::size_t pair = 0; pair < pairs; ++pair) totals[worker][pair].Add(folds[2 * pair], folds[2 * pair + 1]);
  });
  std::vector<double> covariance(columns * columns);
  std::size_t pair = 0;
  for (std::size_t i = 0; i < columns; ++i) {
    for (std::size_t j = i; j < columns; ++j, ++pair) {
      for (std::size_t worker = 1; worker < totals.size(); ++worker) totals[0][pair].Add(totals[worker][pair]);
      const double sum = units[i].Back(units[j].Back(weight_unit.Back(totals[0][pair].Value(one)))) + (i == j && !squares.empty() ? squares[i] : 0);
      covariance[i * columns + j] = covariance[j * columns + i] = sum / total_weight;
    }
  }
  return covariance;
}

void RotatePoint(const double* point, const double* center, const double* axes, std::size_t columns, std::size_t components, double* to) {
  for (std::size_t q = 0; q < components; ++q, axes += columns) {
    double sum = 0;
    for (std::size_t j = 0; j < columns; ++j) sum += axes[j] * (point[j] - center[j]);
    to[q] = sum;
  }
}

void Rotate(const double* point, const std::vector<double>& center, const std::vector<double>& axes, double* to) {
  RotatePoint(point, center.data(), axes.data(), center.size(), axes.size() / center.size(), to);
}

Tiles RotateTiles(const Tiles& points, const std::vector<double>& center, const std::vector<double>& axes, ThreadTeam& team) {
  const std::size_t columns = center.size();
  const std::size_t components = axes.size() / columns;
  Tiles rotated(points.rows(), components, points.weighted());
  team.ForEach(points.tile_count(), [&](std::size_t tile, std::size_t, const Interrupt& interrupt) {
    interrupt.Poll();
    const double* values = points.Tile(tile);
    for (std::size_t r = 0; r < points.RowsIn(tile); ++r) {
      for (std::size_t q = 0; q < components; ++q) {
        const double* axis = axes.data() + q * columns;
        double sum = 0;
        for (std::size_t j = 0; j < columns; ++j) sum += axis[j] * (values[j * kTileRows + r] - center[j]);
        rotated.Tile(tile)[q * kTileRows + r] = sum;
      }
    }
  });
  for (std::size_t i = 0; points.weighted() && i < points.rows(); ++i) rotated.SetWeight(i, points.Weight(i));
  return rotated;
}

}  // namespace segmentation
