#include "core/choose_k.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/column_statistics.h"
#include "core/elementary.h"
#include "core/lloyd.h"
#include "core/pca.h"
#include "core/preprocess.h"
#include "core/random.h"
#include "core/search.h"

namespace segmentation {
namespace {

constexpr std::size_t kReferences = 20;
constexpr std::size_t kHalvings = 8;
// What decides; found on generated populations (docs/decisions.md).
constexpr double kEnoughEvidence = 5;     // of structure
constexpr double kEnoughStrength = 0.75;  // of a number that is found again
constexpr double kSomeStrength = 0.6;     // where none has that
constexpr double kGoodPart = 0.4;         // of the most evidence
constexpr std::size_t kUsualClusters = 12;  // what a choice of 2 to 10 looks at
// Streams of random numbers.
constexpr std::uint32_t kReferenceStream = 0x20000000;
constexpr std::uint32_t kHalvingStream = 0x21000000;

// A search with so many starts.
Clustering Find(const Points& points, std::size_t k, Distance distance, std::uint64_t seed, int starts, const Interrupt& interrupt) {
  SearchTask task;
  task.k = k;
  task.options.distance = distance;
  task.options.seed = static_cast<std::int64_t>(seed);
  task.options.n_init = starts;
  ThreadTeam alone(interrupt);
  return Search(points, task, 0, alone);
}

// Uniform points in the box.
Tiles DrawReference(const std::vector<double>& low, const std::vector<double>& high, const Tiles& like, Distance distance, std::uint64_t seed, std::uint32_t which) {
  const std::size_t dimensions = low.size();
  const CounterRandom random(seed, kReferenceStream + which);
  Tiles drawn(like.rows(), dimensions, like.weighted());
  std::vector<double> row(dimensions);
  for (std::size_t i = 0; i < like.rows(); ++i) {
    for (std::size_t j = 0; j < dimensions; ++j) row[j] = low[j] + random.Uniform(static_cast<std::uint32_t>(j), i) * (high[j] - low[j]);
    if (distance == Distance::kCosine) NormalizeDirection(row.data(), dimensions);
    for (std::size_t j = 0; j < dimensions; ++j) drawn.At(i, j) = row[j];
    if (like.weighted()) drawn.SetWeight(i, like.Weight(i));
  }
  return drawn;
}

// The points along their principal axes; directions stay as they are.
Tiles AlongAxes(const Tiles& points, Distance distance, ThreadTeam& team) {
  if (distance == Distance::kCosine) return points;
  Points whole(points);
  whole.FindBounds(team);
  const double total = TotalWeight(whole, team);
  std::vector<double> center;
  for (const ColumnStatistics& column : DescribeColumns(whole, total, {}, team)) center.push_back(column.mean);
  const PrincipalComponents components = ComponentsOf(Covariances(whole, center, total, {}, team), center.size(), team.interrupt());
  return RotateTiles(points, center, components.axes, team);
}

// Logarithms of the inertia for the k of each trial.
std::vector<std::vector<double>> LogInertias(const std::vector<Points>& sets, const std::vector<KTrial>& trials, Distance distance, std::uint64_t seed, ThreadTeam& team) {
  std::vector<std::vector<double>> logs(sets.size(), std::vector<double>(trials.size()));
  team.ForEach(sets.size() * trials.size(), [&](std::size_t item, std::size_t, const Interrupt& interrupt) {
    const std::size_t set = item / trials.size();
    const std::size_t trial = trials.size() - 1 - item % trials.size();  // the long ones first
    logs[set][trial] = Log(std::max(Find(sets[set], trials[trial].k, distance, seed, 1, interrupt).inertia, std::numeric_limits<double>::min()));
  });
  return logs;
}

// The first trial is that of k = 1.
void FindGaps(const Tiles& sample, Distance distance, std::uint64_t seed, ThreadTeam& team, std::vector<KTrial>* trials) {
  const Tiles points = AlongAxes(sample, distance, team);
  Points bounded(points);
  bounded.FindBounds(team);
  std::vector<Points> sets;
  sets.push_back(SearchPoints(points, team));
  for (std::uint32_t r = 0; r < kReferences; ++r) {
    sets.push_back(SearchPoints(DrawReference(bounded.low(), bounded.high(), points, distance, seed, r), team));
  }
  const auto logs = LogInertias(sets, *trials, distance, seed, team);
  const auto mean_and_deviation = [&](auto value) {
    double mean = 0;
    for (std::size_t r = 1; r <= kReferences; ++r) mean += value(logs[r]) / kReferences;
    double square = 0;
    for (std::size_t r = 1; r <= kReferences; ++r) square += (value(logs[r]) - mean) * (value(logs[r]) - mean) / (kReferences - 1);
    return std::pair{mean, std::sqrt(square)};
  };
  for (std::size_t i = 0; i < trials->size(); ++i) {
    KTrial& trial = (*trials)[i];
    const auto [mean, deviation] = mean_and_deviation([i](const std::vector<double>& log) { return log[i]; });
    trial.gap = mean - logs[0][i];
    trial.gap_error = deviation * std::sqrt(1 + 1.0 / kReferences);
    const auto [fall, spread] = mean_and_deviation([i](const std::vector<double>& log) { return log[0] - log[i]; });
    if (i > 0) trial.evidence = (logs[0][0] - logs[0][i] - fall) / std::max(spread, 1e-9);
  }
}

// Of the worst of one clustering's clusters, the share of pairs of rows that another one puts together.
double WorstShare(const std::vector<std::size_t>& own, const std::vector<std::size_t>& other, std::size_t k) {
  std::vector<double> together(k * k);
  std::vector<double> sizes(k);
  for (std::size_t i = 0; i < own.size(); ++i) {
    together[own[i] * k + other[i]] += 1;
    sizes[own[i]] += 1;
  }
  double worst = 1;
  for (std::size_t c = 0; c < k; ++c) {
    if (sizes[c] < 2) continue;
    double pairs = 0;
    for (std::size_t o = 0; o < k; ++o) pairs += together[c * k + o] * (together[c * k + o] - 1);
    worst = std::min(worst, pairs / sizes[c] / (sizes[c] - 1));
  }
  return worst;
}

// Two halves of the points, by chance.
std::pair<Tiles, Tiles> Halve(const Tiles& points, std::uint64_t seed, std::uint32_t which) {
  std::vector<std::size_t> order(points.rows());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const CounterRandom random(seed, kHalvingStream + which);
  std::vector<std::uint64_t> keys(points.rows());
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = random.Bits(0, i);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return std::pair{keys[a], a} < std::pair{keys[b], b}; });
  const auto take = [&](std::size_t from, std::size_t until) {
    std::sort(order.begin() + static_cast<std::ptrdiff_t>(from), order.begin() + static_cast<std::ptrdiff_t>(until));
    Tiles half(until - from, points.dimensions(), points.weighted());
    for (std::size_t i = from; i < until; ++i) {
      for (std::size_t j = 0; j < points.dimensions(); ++j) half.At(i - from, j) = points.At(order[i], j);
      if (points.weighted()) half.SetWeight(i - from, points.Weight(order[i]));
    }
    return half;
  };
  const std::size_t middle = points.rows() / 2;
  return {take(0, middle), take(middle, points.rows())};
}

void FindStrengths(const Tiles& sample, Distance distance, std::uint64_t seed, ThreadTeam& team, std::vector<KTrial>* trials) {
  std::vector<Points> halves;
  for (std::uint32_t h = 0; h < kHalvings; ++h) {
    auto [first, second] = Halve(sample, seed, h);
    halves.push_back(SearchPoints(std::move(first), team));
    halves.push_back(SearchPoints(std::move(second), team));
  }
  constexpr int kStarts = 4;
  const std::size_t most = trials->size();
  std::vector<std::vector<double>> centroids(halves.size() * (most + 1));
  team.ForEach(halves.size() * (most - 1), [&](std::size_t item, std::size_t, const Interrupt& interrupt) {
    const std::size_t half = item / (most - 1);
    const std::size_t k = most - item % (most - 1);
    centroids[half * (most + 1) + k] = Find(halves[half], k, distance, seed, kStarts, interrupt).centroids;
  });
  for (std::size_t k = 2; k <= most; ++k) {
    double sum = 0;
    for (std::size_t half = 0; half < halves.size(); ++half) {
      team.interrupt().Poll();
      const Tiles& points = halves[half].tiles();
      sum += WorstShare(NearestCentroids(points, centroids[half * (most + 1) + k]), NearestCentroids(points, centroids[(half ^ 1) * (most + 1) + k]), k);
    }
    (*trials)[k - 1].prediction_strength = sum / static_cast<double>(halves.size());
  }
}

// The k after which the prediction strength falls most, of those from the first to the last whose strength is at least `least` and that
// have a good part of the most evidence for any; 0 where there is none. Up to it clusters are found again; beyond it some of them are cut
// in two, anywhere.
std::size_t BeforeTheFall(const std::vector<KTrial>& trials, std::size_t first, std::size_t last, double least) {
  constexpr double kCutInTwo = 0.5;  // what is expected of a cluster that is
  double most = 0;
  for (const KTrial& trial : trials) most = std::max(most, trial.evidence);
  std::size_t best = 0;
  double largest = 0;
  for (std::size_t k = first; k <= last; ++k) {
    const double strength = trials[k - 1].prediction_strength;
    double beyond = kCutInTwo;
    for (std::size_t next = k; next < std::min(k + 2, trials.size()); ++next) beyond = std::max(beyond, trials[next].prediction_strength);
    if (strength < least || trials[k - 1].evidence < kGoodPart * most || (best > 0 && strength - beyond <= largest)) continue;
    best = k;
    largest = strength - beyond;
  }
  return best;
}

std::size_t MostReproducible(const std::vector<KTrial>& trials, std::size_t first, std::size_t last) {
  std::size_t best = first;
  for (std::size_t k = first; k <= last; ++k) {
    if (trials[k - 1].prediction_strength > trials[best - 1].prediction_strength) best = k;
  }
  return best;
}

std::size_t CountDifferent(const Tiles& points, std::size_t enough) {
  std::vector<std::vector<double>> seen;
  std::vector<double> row(points.dimensions());
  for (std::size_t i = 0; i < points.rows() && seen.size() < enough; ++i) {
    points.CopyRow(i, row.data());
    if (std::find(seen.begin(), seen.end(), row) == seen.end()) seen.push_back(row);
  }
  return seen.size();
}

// How many clusters can be tried, k_max at most. With as many as there are different points there is nothing to compare; halves need some
// points each.
std::size_t MostClusters(const Tiles& sample, std::size_t k_max) {
  const std::size_t different = CountDifferent(sample, k_max + 1);
  return std::max<std::size_t>(1, std::min({k_max, different - 1, sample.rows() / 4}));
}

std::vector<KTrial> TrialsUpTo(std::size_t most) {
  std::vector<KTrial> trials;
  for (std::size_t k = 1; k <= most; ++k) trials.push_back({k});
  return trials;
}

bool AnyEvidence(const std::vector<KTrial>& trials) {
  return std::any_of(trials.begin(), trials.end(), [](const KTrial& trial) { return trial.evidence > kEnoughEvidence; });
}

}  // namespace

std::vector<std::size_t> NearestCentroids(const Tiles& points, const std::vector<double>& centroids) {
  const std::size_t dimensions = points.dimensions();
  std::vector<std::size_t> nearest(points.rows());
  std::vector<double> row(dimensions);
  for (std::size_t i = 0; i < points.rows(); ++i) {
    points.CopyRow(i, row.data());
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c * dimensions < centroids.size(); ++c) {
      double square = 0;
      for (std::size_t j = 0; j < dimensions; ++j) square += (row[j] - centroids[c * dimensions + j]) * (row[j] - centroids[c * dimensions + j]);
      if (square < best) best = square, nearest[i] = c;
    }
  }
  return nearest;
}

KChoice ChooseK(const Tiles& points, std::size_t k_min, std::size_t k_max, Distance distance, std::uint64_t seed, ThreadTeam& team) {
  KChoice choice;
  const Tiles sample = points.EveryMth(std::min(points.rows(), kChoiceRows));
  choice.sampled = sample.rows();
  // Two more than are wanted, to see what comes after.
  const std::size_t most = MostClusters(sample, k_max + 2);
  choice.trials = TrialsUpTo(most);
  choice.k = std::min(k_max, most);
  const std::size_t first = std::max<std::size_t>(2, k_min);
  const std::size_t last = std::min(k_max, most);
  if (first > last) return choice;
  FindGaps(sample, distance, seed, team, &choice.trials);
  FindStrengths(sample, distance, seed, team, &choice.trials);
  choice.structured = AnyEvidence(choice.trials);
  choice.k = choice.structured ? BeforeTheFall(choice.trials, first, last, kEnoughStrength) : 0;
  if (choice.k == 0 && choice.structured) choice.k = BeforeTheFall(choice.trials, first, last, kSomeStrength);
  if (choice.k == 0) choice.k = MostReproducible(choice.trials, first, last);
  choice.trials.resize(last);
  return choice;
}

bool HasStructure(const Tiles& points, std::size_t k, Distance distance, std::uint64_t seed, ThreadTeam& team) {
  const Tiles sample = points.EveryMth(std::min(points.rows(), kChoiceRows));
  std::vector<KTrial> trials = TrialsUpTo(MostClusters(sample, kUsualClusters));
  if (trials.size() < 2) return false;
  // Groups that are many and lie evenly look like uniform points to fewer clusters.
  if (k > kUsualClusters && MostClusters(sample, k) == k) trials.push_back({k});
  FindGaps(sample, distance, seed, team, &trials);
  return AnyEvidence(trials);
}

}  // namespace segmentation
