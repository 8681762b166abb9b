// Made-up customers of a card bank, for demos, tests and benchmarks.
//
// No real person's data is behind them. Each customer belongs to one of five latent groups (young starters, established
// families, high earners with little debt, an indebted middle, people near retirement) that is not part of the row: it is
// what a segmentation should find again. Within a group, income grows with age, years employed and education; the debts
// together are a log-normal share of income, divided between card and other debt. So income and debts are skewed to the
// right and correlated, while the debt-income ratio hardly depends on income.
//
// Who defaults is decided by the ratio of debt to income, by few years with the employer and by the group, not by the
// amount owed: high earners owe more than most and default least. For some customers the outcome is not known yet, more
// often for young ones; that is not the same as not having defaulted. The region says nothing about any other column.
#pragma once

#ifdef POSTGRES_H
#error "core headers come before postgres.h"
#endif

#include <array>
#include <cstdint>

namespace segmentation {

inline constexpr std::array<const char*, 6> kRegions = {"north", "south", "east", "west", "central", "islands"};

struct SampleCustomer {
  std::int64_t customer_id;     // 1, 2, …
  std::int32_t age;             // 18 to 75
  std::int32_t education;       // 1 (no degree) to 5 (doctorate)
  std::int32_t years_employed;  // with the present employer: 0 to age - 18
  double income;                // thousands a year, one decimal, 8.0 or more
  double card_debt;             // thousands, three decimals, 0.010 or more
  double other_debt;            // thousands, three decimals, 0.010 or more
  bool has_outcome;             // whether it is known if the customer defaulted
  bool defaulted;               // false where the outcome is not known
  double debt_income_ratio;     // percent, one decimal: 100 (card_debt + other_debt) / income of the rounded numbers
  std::int32_t region;          // index into kRegions
};

// The customer with this id in the population of `seed`: the same bits on every machine, whatever else was made before.
// A fraction of a microsecond.
SampleCustomer MakeSampleCustomer(std::uint64_t seed, std::int64_t customer_id);

inline constexpr std::int32_t kSampleGroups = 5;

// The latent group of that customer, 0 to kSampleGroups - 1 in the order above: the truth that a test or benchmark compares
// segments with.
std::int32_t SampleCustomerGroup(std::uint64_t seed, std::int64_t customer_id);

}  // namespace segmentation
