// Plans of trainings for tests: two numbers and a category, or one number.
#pragma once

#include <string>

#include "core/training_plan.h"

namespace segmentation::test {

inline constexpr const char* kFeatures =
    R"("features":[{"name":"age","categorical":false},{"name":"income","categorical":false},{"name":"channel","categorical":true}])";

inline std::string PlanText(const std::string& age, const std::string& income,
                     const std::string& channel = R"({"encode":"onehot"})", const std::string& rest = "") {
  return std::string("{") + kFeatures + R"(,"prepare":{"age":)" + age + ",\"income\":" + income +
         ",\"channel\":" + channel + "}" + rest + "}";
}

inline TrainingPlan Plan(const std::string& age, const std::string& income, const std::string& channel = R"({"encode":"onehot"})",
                  const std::string& rest = "") {
  return ParseTrainingPlan(PlanText(age, income, channel, rest));
}

// A plan of one number.
inline TrainingPlan NumberPlan(const std::string& prepare, const std::string& rest = "") {
  return ParseTrainingPlan(R"({"features":[{"name":"x","categorical":false}],"prepare":{"x":)" + prepare + "}" + rest +
                           "}");
}

}  // namespace segmentation::test
