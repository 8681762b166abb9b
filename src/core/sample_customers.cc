#include "core/sample_customers.h"

#include <algorithm>
#include <cstddef>

#include "core/elementary.h"
#include "core/random.h"

namespace segmentation {
namespace {

constexpr std::uint32_t kStream = 0x53414D50;  // keeps these numbers apart from those of fits with the same seed

// What is drawn for a customer; a normal draw takes the step and the next one.
enum Draw : std::uint32_t {
  kGroup = 0,
  kAge = 2,
  kEducation = 4,
  kYears = 6,
  kIncome = 8,
  kDebt = 10,
  kCardShare = 12,
  kOutcomeKnown = 14,
  kDefault = 15,
  kRegion = 16,
};

// How a latent group lives. Spreads are standard deviations.
struct Group {
  double share;  // of all customers
  double age, age_spread;
  double education;                    // shift of the latent normal that kEducationSteps cuts
  double tenure, tenure_spread;        // years employed as a part of the years since 18
  double log_income;                   // at the group's mean age and tenure, lowest education
  double log_ratio, log_ratio_spread;  // of 100 debt / income
  double card_logit;                   // card debt as a part of the debts
  double default_logit;                // on top of ratio and years employed
  double unknown;                      // share of unknown outcomes
};

constexpr std::array<Group, kSampleGroups> kGroups = {{
    // young starters
    {0.28, 24.5, 2.6, 0.20, 0.35, 0.25, 2.95, 2.00, 0.50, -0.60, 0.15, 0.23},
    // established families
    {0.32, 38.0, 4.0, -0.30, 0.60, 0.17, 3.69, 1.95, 0.50, -0.90, -0.10, 0.16},
    // high earners with little debt
    {0.10, 41.0, 5.0, 0.70, 0.58, 0.20, 4.68, 1.70, 0.50, -0.80, -0.80, 0.15},
    // indebted middle
    {0.20, 34.0, 4.0, 0.05, 0.28, 0.16, 3.46, 2.93, 0.30, -0.35, 0.20, 0.16},
    // near retirement
    {0.10, 54.0, 3.8, -0.20, 0.42, 0.20, 3.75, 1.85, 0.55, -0.95, -0.20, 0.16},
}};

// Where the latent normal passes from one level of education to the next.
constexpr std::array<double, 4> kEducationSteps = {0.10, 0.95, 1.60, 2.45};

// Upper ends of the regions on [0, 1).
constexpr std::array<double, kRegions.size() - 1> kRegionEnds = {0.22, 0.40, 0.57, 0.75, 0.96};

// The draws of one customer.
class CustomerRandom {
 public:
  CustomerRandom(std::uint64_t seed, std::int64_t customer_id)
      : random_(seed, kStream), index_(static_cast<std::uint64_t>(customer_id)) {}

  double Uniform(Draw draw) const { return random_.Uniform(draw, index_); }

  // Standard normal but for its outermost tails: the sum of eight uniform 16-bit numbers, exact in integers, so there is
  // nothing to round and no logarithm to take. Within ±4.9.
  double Normal(Draw draw) const {
    constexpr double kMean = 4 * 65535.0;
    constexpr double kDeviation = 65536 * 0.81649658092772603;  // 65536 √(8/12)
    const std::int64_t sum = SumOfParts(random_.Bits(draw, index_)) + SumOfParts(random_.Bits(draw + 1, index_));
    return (static_cast<double>(sum) - kMean) * (1.0 / kDeviation);
  }

 private:
  static std::int64_t SumOfParts(std::uint64_t bits) {
    return static_cast<std::int64_t>((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48));
  }

  CounterRandom random_;
  std::uint64_t index_;
};

// To the nearest 1 / scale, for x >= 0.
double RoundTo(double x, double scale) {
  return static_cast<double>(static_cast<std::int64_t>(x * scale + 0.5)) / scale;
}

double Logistic(double x) {
  return 1.0 / (1.0 + Exp(-x));
}

std::size_t DrawGroup(const CustomerRandom& random) {
  double rest = random.Uniform(kGroup);
  std::size_t group = 0;
  while (group + 1 < kGroups.size() && rest >= kGroups[group].share) rest -= kGroups[group++].share;
  return group;
}

// Whole years; those below 18 are reflected, so that there is no heap at 18.
std::int32_t DrawAge(const CustomerRandom& random, const Group& group) {
  const double age = group.age + group.age_spread * random.Normal(kAge);
  return static_cast<std::int32_t>(std::clamp(age < 18.0 ? 36.0 - age : age, 18.0, 75.0));
}

std::int32_t DrawEducation(const CustomerRandom& random, const Group& group) {
  const double latent = group.education + random.Normal(kEducation);
  std::int32_t level = 1;
  for (const double step : kEducationSteps) level += latent >= step ? 1 : 0;
  return level;
}

std::int32_t DrawYearsEmployed(const CustomerRandom& random, const Group& group, std::int32_t age) {
  const double part = std::clamp(group.tenure + group.tenure_spread * random.Normal(kYears), 0.0, 1.0);
  return static_cast<std::int32_t>(part * (age - 18));
}

double DrawIncome(const CustomerRandom& random, const Group& group, const SampleCustomer& customer) {
  const double expected_years = group.tenure * (group.age - 18.0);
  const double log_income = group.log_income + 0.010 * (customer.age - group.age) +
                            0.030 * (customer.years_employed - expected_years) + 0.13 * (customer.education - 1) +
                            0.28 * random.Normal(kIncome);
  return std::max(8.0, RoundTo(Exp(log_income), 10.0));
}

void DrawDebts(const CustomerRandom& random, const Group& group, SampleCustomer& customer) {
  const double percent = Exp(group.log_ratio + group.log_ratio_spread * random.Normal(kDebt));
  const double debt = 0.01 * percent * customer.income;
  const double card_share = Logistic(group.card_logit + 0.85 * random.Normal(kCardShare));
  customer.card_debt = std::max(0.01, RoundTo(debt * card_share, 1000.0));
  customer.other_debt = std::max(0.01, RoundTo(debt * (1.0 - card_share), 1000.0));
  customer.debt_income_ratio = RoundTo(100.0 * (customer.card_debt + customer.other_debt) / customer.income, 10.0);
}

void DrawOutcome(const CustomerRandom& random, const Group& group, SampleCustomer& customer) {
  const double logit =
      -1.63 + group.default_logit + 0.125 * customer.debt_income_ratio - 0.13 * std::min(customer.years_employed, 25);
  customer.has_outcome = random.Uniform(kOutcomeKnown) >= group.unknown;
  customer.defaulted = customer.has_outcome && random.Uniform(kDefault) < Logistic(logit);
}

std::int32_t DrawRegion(const CustomerRandom& random) {
  const double place = random.Uniform(kRegion);
  std::int32_t region = 0;
  for (const double end : kRegionEnds) region += place >= end ? 1 : 0;
  return region;
}

}  // namespace

SampleCustomer MakeSampleCustomer(std::uint64_t seed, std::int64_t customer_id) {
  const CustomerRandom random(seed, customer_id);
  const Group& group = kGroups[DrawGroup(random)];
  SampleCustomer customer{};
  customer.customer_id = customer_id;
  customer.age = DrawAge(random, group);
  customer.education = DrawEducation(random, group);
  customer.years_employed = DrawYearsEmployed(random, group, customer.age);
  customer.income = DrawIncome(random, group, customer);
  DrawDebts(random, group, customer);
  DrawOutcome(random, group, customer);
  customer.region = DrawRegion(random);
  return customer;
}

std::int32_t SampleCustomerGroup(std::uint64_t seed, std::int64_t customer_id) {
  return static_cast<std::int32_t>(DrawGroup(CustomerRandom(seed, customer_id)));
}

}  // namespace segmentation
